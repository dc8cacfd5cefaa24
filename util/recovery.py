"""What becomes of a run when a loss or gradient is not finite: `--on_nan`."""

import math

from tqdm import tqdm

from util.checkpoint import Checkpoints
from util.errors import UserError
from util.progress import Progress

MOST = 20  # broken steps among twice as many end a run, whatever the options say


class RolledBack(Exception):  # noqa: N818, it is no error
    """The run stands at an earlier place than it did."""


class Recovery:
    """Writes an update down that could not be made, and stops, goes on, or goes back.

    The update itself was not made by then, see `models.guard.Guard`. Steps are known by the number
    of pictures before them.
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
        moment = self.model.recover()
        what = f"epoch {self.progress.epoch}, step after picture {step}: {describe(moment)}"
        told = f"{what}; that update was not made, {self.write_down(moment, step, what)}"
        self.broken.append(step)
        if self.policy == "stop" or self.too_often():
            self.checkpoints.save(self.model, self.progress, "latest")
            often = f", the last of {len(self.broken)} such steps" if self.too_often() else ""
            raise UserError(
                f"{told}{often}; all else is saved: --continue_train goes on with the next batch, "
                "with --on_nan skip whenever it happens; a lower --lr may help"
            )
        if self.policy == "rollback" and self.checkpoints.has_state():
            self.go_back(told)
        tqdm.write(f"warning: {told}")

    def too_often(self) -> bool:
        latest = self.broken[-MOST:]
        return len(latest) == MOST and latest[-1] - latest[0] < 2 * MOST * self.progress.step

    def go_back(self, told: str) -> None:
        """Go to the last checkpoint, to go on without the step that was broken."""
        self.left_out.add(self.broken[-1])
        self.checkpoints.finish()
        self.checkpoints.resume(self.model, self.progress)
        tqdm.write(f"warning: {told}; back to {place(self.progress)}, to go on without that batch")
        raise RolledBack

    def write_down(self, moment, step: int, what: str) -> str:
        """Have the update written for `scripts/replay_step.py`; returns words."""
        if moment is None:
            return "which another process wrote down"
        path = self.checkpoints.own_path(f"broken_{step}")
        try:
            self.model.write_moment(path, moment, what)
        except OSError as error:
            return f"nor could it be written down ({error})"
        return f"`python scripts/replay_step.py {path}` makes it again"


def place(progress: Progress) -> str:
    return f"epoch {progress.epoch}, {progress.images} pictures into it"


def describe(moment) -> str:
    """Which update is not finite, and of which pictures, in words."""
    if moment is None:
        return "an update of another process is not finite"
    bad = [name for name, value in moment.losses.items() if not math.isfinite(float(value))]
    scenes = [scene for part in moment.parts for scene in part.scenes.values()]
    names = [name for scene in scenes for name in scene.names]
    what = f"loss {', '.join(bad)}" if bad else "a gradient"
    return f"{what} is not finite in the update of {moment.kind} by {', '.join(names)}"
