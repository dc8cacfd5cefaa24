"""What becomes of a run when a loss or gradient is not finite: `--on_nan`."""

from typing import TYPE_CHECKING

from tqdm import tqdm

from training.checkpoint import Checkpoints
from training.distributed import from_main, is_main, rank, share, world_size
from training.progress import Progress
from util.errors import UserError

if TYPE_CHECKING:  # for the names of types alone
    from training.guard import Moment

MOST = 20  # broken steps among twice as many end a run, whatever the options say
IN_A_ROW = 5  # and so do these
DUMPS = 5  # updates that are written down


class RolledBack(Exception):  # noqa: N818, it is no error
    """The run stands at an earlier place than it did."""


class Recovery:
    """Writes an update down that could not be made, and stops, goes on, or goes back.

    The update itself was not made by then, see `training.guard.Guard`. Steps are known by the
    number of pictures before them.
    """

    def __init__(self, policy: str, model, checkpoints: Checkpoints, progress: Progress):
        self.policy = policy
        self.model = model
        self.checkpoints = checkpoints
        self.progress = progress
        self.broken: list[int] = []
        self.left_out: set[int] = set()

    def recover(self, step: int) -> None:
        """After a broken step. Raises UserError if the run ends, RolledBack if it went back."""
        told = self.tell(self.model.recover(), step)
        self.broken.append(step)
        if self.policy == "stop" or self.too_often():
            self.checkpoints.save(self.model, self.progress, "latest")
            kept = "all else is" if self.checkpoints.written() else "what is in the last save is"
            if not is_main():
                raise SystemExit(2)
            often = f", the last of {len(self.broken)} such steps" if self.too_often() else ""
            advice = "" if often else ", with --on_nan skip whenever it happens"
            raise UserError(
                f"{told}{often}; {kept} saved: --continue_train goes on with the next batch"
                f"{advice}; a lower --lr may help"
            )
        if self.policy == "rollback" and self.can_go_back():
            self.go_back(told)
        tqdm.write(f"warning: {told}")

    def too_often(self) -> bool:
        return self.within(MOST, 2 * MOST) or self.within(IN_A_ROW, IN_A_ROW)

    def within(self, count: int, steps: int) -> bool:
        """Whether so many of the last so many steps were broken."""
        latest = self.broken[-count:]
        return len(latest) == count and latest[-1] - latest[0] < steps * self.progress.step

    def can_go_back(self) -> bool:
        """Whether there is a checkpoint, once process 0 has written the last one."""
        self.checkpoints.written()
        return from_main(self.checkpoints.has_state())

    def go_back(self, told: str) -> None:
        """Go to the last checkpoint, to go on without the step that was broken."""
        self.left_out.add(self.broken[-1])
        self.checkpoints.resume(self.model, self.progress)
        tqdm.write(f"warning: {told}; back to {place(self.progress)}, to go on without that batch")
        raise RolledBack

    def tell(self, moment: "Moment | None", step: int) -> str:
        """Have the update written for `scripts/replay_step.py`; what happened, in words.

        Gradients are exchanged, so that what breaks in one process breaks in all: those write it
        down whose losses are not finite, or all of them if it is a gradient.
        """
        where = f"epoch {self.progress.epoch}, step after picture {step}"
        own = f"process {rank()}: " if world_size() > 1 else ""
        at_fault = share(bool(moment and moment.bad_losses()))
        told = ""
        if moment and (at_fault[rank()] or not any(at_fault)):
            told = f"{own}{moment.describe()}; {self.write_down(moment, step, where)}"
        told = "; ".join(words for words in share(told) if words)
        return f"{where}: that update was not made, {told}"

    def write_down(self, moment: "Moment", step: int, where: str) -> str:
        """Returns how to make the update again, or why it could not be written."""
        if len(self.broken) >= DUMPS:
            return f"like the {DUMPS} that were written down"
        path = self.checkpoints.own_path(f"broken_{step}")
        try:
            self.model.write_moment(path, moment, f"{where}: {moment.describe()}")
        except OSError as error:
            return f"it could not be written down ({error})"
        return f"`python scripts/replay_step.py {path}` makes it again"


def place(progress: Progress) -> str:
    return f"epoch {progress.epoch}, {progress.images} pictures into it"
