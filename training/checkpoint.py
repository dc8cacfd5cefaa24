"""Saving and loading: one state file that a run continues from, and the official .pth files."""

import os
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from training.distributed import from_main, gather, is_main, rank
from training.progress import Progress
from training.run_state import (
    arithmetic,
    difference,
    process_state,
    random_states,
    set_random_states,
)
from training.saver import KeptCopy, Saver
from training.state_file import TornError, first_line, load_file, read_state, save, write_state
from util.errors import UserError
from util.files import keep_as, remove, remove_leftovers, sole_owner, sync_folder, write_atomic

STATE_FILE = "state.pt"
COMING_FILE = "state_coming.pt"  # the save that is being written
EARLIER_FILE = "state_before.pt"  # the save before, should the newest one be lost
AVERAGED = "_ema"  # ends the names of averaged networks' files
RUNNING_FILE = ".running"  # which the run that writes in the folder has locked
OF_A_RUN = ("*_net_*.pth", "broken_*.pt", "val_scores.jsonl", "val", "starts.jsonl")
PATIENCE = 600.0  # seconds that the end of a run waits for room on the disk


class Checkpoints:
    """The checkpoints in one run's folder, written while the run goes on.

    `state.pt` holds everything a step depends on; renaming it into place is the commit. The files
    `LABEL_net_NAME.pth`, plain weights that the official code reads too, are written after it and
    never needed to continue. Of the numbered ones `keep` are kept, 0: all.
    """

    def __init__(self, folder: Path, keep: int = 0, asked_to_end: Callable[[], bool] = bool):
        self.folder = folder
        self.keep = keep
        self.owner = ExitStack()
        self.saver = Saver(asked_to_end)
        self.kept = KeptCopy()
        self.newest_counts = True  # it stays as the one before when another is saved

    def begin(self, model, progress: Progress) -> None:
        """Make the folder ready for a run: one that goes on saves first, a new one clears it.

        A state that was read is written again, should its save have been cut short. Until its block
        ends no other process may train here: raises UserError if one does.
        """
        if is_main():
            self.folder.mkdir(parents=True, exist_ok=True)
            (mark := self.folder / RUNNING_FILE).touch()
            self.owner.enter_context(sole_owner(mark, f"the run in {self.folder}"))
            remove_leftovers(self.folder)
            (self.folder / COMING_FILE).unlink(missing_ok=True)
        if model.opt.continue_train:
            self.save(model, progress, "latest")
        elif is_main():
            self.clear()

    def clear(self) -> None:
        """Delete what an earlier run left and this one would seem to have made."""
        for path in [*self.states(), *(p for kind in OF_A_RUN for p in self.folder.glob(kind))]:
            if path.exists():
                remove(path)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind, *_) -> None:
        with self.owner:
            if kind is None:
                self.finish()
                return
            with suppress(UserError):  # there is a better reason for the end
                self.finish(patience=0)

    # ---- saving

    def save(self, model, progress: Progress, *labels: str) -> None:
        """Save the state, then the weights under each label; every process has to call it.

        Returns when all is copied; it is written in the background, one save after the other.
        """
        processes = gather({"model": model.own_state(), "random": random_states()})
        if not is_main():
            return
        self.saver.ready()
        state = self.kept.copy(
            {
                "model": model.state_dict(),
                "progress": progress.state_dict(),
                "processes": processes,
                "options": model.lasting_options(),
                "arithmetic": arithmetic(model.device),
            }
        )
        self.saver.start(lambda: self.write(state, labels))

    def write(self, state: Mapping, labels: tuple[str, ...]) -> None:
        """Write a save. Raises OSError; what is there stays whole."""
        self.kept.wait()
        path, coming = self.folder / STATE_FILE, self.folder / COMING_FILE
        write_state(coming, state)  # until it is whole, both saves before it stay
        if path.exists() and self.newest_counts:
            keep_as(path, self.folder / EARLIER_FILE)
        os.replace(coming, path)
        sync_folder(self.folder)
        self.newest_counts = True
        for label in labels:
            self.save_weights(weights_of(state), label)
        self.thin_out()

    def save_weights(self, states: Mapping[str, Mapping], label: str) -> None:
        """Write one .pth file per network; averages of an earlier save under this label go."""
        for name, weights in states.items():
            path = self.weights_path(label, name)
            write_atomic(path, lambda file, weights=weights: save(weights, file))
            if name + AVERAGED not in states:
                self.weights_path(label, name + AVERAGED).unlink(missing_ok=True)

    def own_path(self, stem: str) -> Path:
        """A file of this process alone."""
        return self.folder / f"{stem}{f'_rank{rank()}' if rank() else ''}.pt"

    def thin_out(self) -> None:
        """Delete all but the last `keep` of the epochs' checkpoints, and of those inside epochs."""
        for series in ("", "iter_") if self.keep else ():
            found = (re.fullmatch(rf"{series}(\d+)", label) for label in self.labels(".+"))
            for number in sorted(int(match[1]) for match in found if match)[: -self.keep]:
                for path in self.folder.glob(f"{series}{number}_net_*.pth"):
                    path.unlink(missing_ok=True)

    def written(self) -> bool:
        """Whether the last save is written, once that has been tried; the same in all processes."""
        try:
            self.finish(patience=0)
        except UserError:
            return from_main(False)
        return from_main(True)

    def finish(self, patience: float = PATIENCE) -> None:
        """Wait until the last save is written. Raises UserError if it cannot be."""
        self.saver.finish(patience)

    # ---- loading

    def has_state(self) -> bool:
        return any(path.is_file() for path in self.states())

    def states(self) -> list[Path]:
        """The files that a run may continue from, the newest first."""
        return [self.folder / name for name in (STATE_FILE, EARLIER_FILE)]

    def newest_state(self) -> tuple[Path, dict]:
        """The newest save that is whole, and its file; what is torn is named and left out.

        Raises UserError if none is whole.
        """
        torn: TornError | None = None
        for path in filter(Path.is_file, self.states()):
            try:
                state = read_state(path)
            except TornError as error:
                torn = torn or error
                continue
            if torn:
                print(f"warning: {torn.fact}; going on from the save before, {path.name}")
            return path, state
        raise torn or UserError(f"{self.folder / STATE_FILE}: there is no such file")

    def resume(self, model, progress: Progress) -> None:
        """Put model, progress and random states where the run stopped."""
        path, state = self.newest_state()
        self.newest_counts = False  # it is torn, or what is saved next is the same
        try:
            self.explain_mismatch(path, model, state["model"]["networks"])
            model.load_state_dict(state["model"])
            progress.load_state_dict(state["progress"])
            if own := process_state(state["processes"]):
                model.load_own_state(own["model"])
                set_random_states(own["random"])
            if other := difference(state["options"], model.lasting_options()):
                print(f"note: since the last save {other}")
            if other := difference(state["arithmetic"], arithmetic(model.device)):
                print(f"note: {other}: what follows differs in the last bits from an unbroken run")
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise UserError(f"{path} does not fit this model ({first_line(error)})") from None

    def holds_run(self) -> bool:
        """Whether there is anything that a new run would take the place of."""
        return self.has_state() or any(self.folder.glob("*_net_*.pth"))

    def has_weights(self, label: str, name: str) -> bool:
        """Whether `weights` would find something."""
        fallback = label == "latest" and self.has_state()
        return self.weights_path(label, name).is_file() or fallback

    def has_averages(self, label: str, names: Collection[str]) -> bool:
        """Whether there are averaged weights of all these networks.

        The state is asked only where it is the one to have weights at all.
        """
        files = [self.weights_path(label, name) for name in names]
        if all(map(Path.is_file, files)) or label != "latest" or not self.has_state():
            return all(self.weights_path(label, name + AVERAGED).is_file() for name in names)
        return {name + AVERAGED for name in names} <= self.state_weights()[1].keys()

    def state_weights(self) -> tuple[Path, dict[str, Mapping]]:
        """The newest state's file, and the weights in it. Raises UserError if it has none."""
        path, state = self.newest_state()
        try:
            return path, weights_of(state)
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{path} holds no networks: it is no state of ours") from None

    def weights(self, label: str, name: str) -> dict:
        """One network's weights with the official keys."""
        path = self.weights_path(label, name)
        if not path.is_file() and label == "latest" and self.has_state():
            path, weights = self.state_weights()
            if name not in weights:
                raise UserError(f"{path} holds no network {name}: it is no state of ours")
            return weights[name]
        if not path.is_file():
            labels = self.labels(name)
            raise UserError(
                f"{path}: there is no such checkpoint; saved there: "
                f"{', '.join(labels) or 'nothing'} (see --name, --checkpoints_dir and --epoch)"
            )
        return load_file(path)

    def networks(self, label: str) -> list[str]:
        """The networks that there are weights of under a label, without averages."""
        found = [p.stem.removeprefix(f"{label}_net_") for p in self.folder.glob(f"{label}_net_*")]
        if not found and label == "latest" and self.has_state():
            found = list(self.state_weights()[1])
        return sorted(name for name in found if not name.endswith(AVERAGED))

    def labels(self, name: str) -> list[str]:
        """What `--epoch` can be for the network `name`: numbers first."""
        found = (re.fullmatch(rf"(.+)_net_{name}\.pth", p.name) for p in self.folder.glob("*.pth"))
        return sorted({m[1] for m in found if m}, key=lambda label: (label.zfill(9), label))

    @staticmethod
    def explain_mismatch(path: Path, model, states: Mapping[str, Mapping]) -> None:
        """Raise a UserError that names the first difference to another architecture."""
        for name, state in states.items():
            if name not in model.networks:
                raise UserError(
                    f"{path} holds a network {name} that --model {model.opt.model} does not have"
                )
            if difference := model.architecture_difference(name, state):
                flags = ", ".join(f"--{name}" for name in model.architecture_options)
                raise UserError(
                    f"{path} is of another architecture: {difference}; type those it has of {flags}"
                )

    def weights_path(self, label: str, name: str) -> Path:
        return self.folder / f"{label}_net_{name}.pth"


def weights_of(state: Mapping) -> dict[str, Mapping]:
    """All that a state has a .pth file of, by the network's name there."""
    averages = state["model"].get("averages", {})  # none in older states
    return state["model"]["networks"] | {name + AVERAGED: own for name, own in averages.items()}
