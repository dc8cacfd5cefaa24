"""Saving and loading: one state file that a run continues from, and the official .pth files."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch

from util.distributed import gather, is_main, rank, world_size
from util.errors import UserError
from util.files import write_atomic
from util.progress import Progress

STATE_FILE = "state.pt"


class Checkpoints:
    """The checkpoints in one run's folder.

    `state.pt` holds everything a step depends on; renaming it into place is the commit. The files
    `LABEL_net_NAME.pth`, plain weights that the official code reads too, are written after it and
    never needed to continue.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    # ---- saving

    def save(self, model, progress: Progress, *labels: str) -> None:
        """Save the state, then the weights under each label; every process has to call it."""
        processes = gather({"model": model.own_state(), "random": random_states()})
        if not is_main():
            return
        state = {
            "model": model.state_dict(),
            "progress": progress.state_dict(),
            "processes": processes,
            "torch": str(torch.__version__),
        }
        write_atomic(self.folder / STATE_FILE, lambda file: torch.save(state, file))
        for label in labels:
            model.save_networks(self, label)

    def save_weights(self, states: Mapping[str, Mapping], label: str) -> None:
        """Write one .pth file per network."""
        for name, weights in states.items():
            path = self.weights_path(label, name)
            write_atomic(path, lambda file, weights=weights: torch.save(weights, file))

    def set_aside(self) -> str:
        """Keep an earlier run's state under another name; returns a line to print, or ''."""
        if not (self.has_state() and is_main()):
            return ""
        old = self.folder / f"old_{STATE_FILE}"
        (self.folder / STATE_FILE).replace(old)
        return f"note: {self.folder} holds an earlier run; its state is kept as {old.name}"

    # ---- loading

    def has_state(self) -> bool:
        return (self.folder / STATE_FILE).is_file()

    def resume(self, model, progress: Progress) -> None:
        """Put model, progress and random states where the run stopped."""
        path = self.folder / STATE_FILE
        state = load_file(path)
        try:
            self.explain_mismatch(path, model, state["model"]["networks"])
            model.load_state_dict(state["model"])
            progress.load_state_dict(state["progress"])
            if own := process_state(state["processes"]):
                model.load_own_state(own["model"])
                set_random_states(own["random"])
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise UserError(f"{path} does not fit this model ({first_line(error)})") from None

    def has_weights(self, label: str, name: str) -> bool:
        """Whether `weights` would find something."""
        fallback = label == "latest" and self.has_state()
        return self.weights_path(label, name).is_file() or fallback

    def weights(self, label: str, name: str) -> dict:
        """One network's weights with the official keys."""
        path = self.weights_path(label, name)
        if not path.is_file() and label == "latest" and self.has_state():
            path = self.folder / STATE_FILE
            try:
                return load_file(path)["model"]["networks"][name]
            except (KeyError, TypeError):
                raise UserError(f"{path} holds no network {name}: it is no state of ours") from None
        if not path.is_file():
            labels = self.labels(name)
            raise UserError(
                f"{path}: there is no such checkpoint; saved there: "
                f"{', '.join(labels) or 'nothing'} (see --name, --checkpoints_dir and --epoch)"
            )
        return load_file(path)

    def labels(self, name: str) -> list[str]:
        """What `--epoch` can be for the network `name`: numbers first."""
        found = (re.fullmatch(rf"(.+)_net_{name}\.pth", p.name) for p in self.folder.glob("*.pth"))
        return sorted((m[1] for m in found if m), key=lambda label: (label.zfill(9), label))

    @staticmethod
    def explain_mismatch(path: Path, model, states: Mapping[str, Mapping]) -> None:
        """Raise a UserError that names the first difference to another architecture."""
        for name, state in states.items():
            if name not in model.networks:
                raise UserError(
                    f"{path} holds a network {name} that --model {model.opt.model} does not have"
                )
            if difference := model.architecture_difference(name, state):
                raise UserError(
                    f"{path} is of another architecture: {difference}; type the --netG, "
                    "--netD, --ngf, --ndf, --n_blocks, --n_layers_D, --norm, --dropout, "
                    "--double_params or --no_spectral_norm it has"
                )

    def weights_path(self, label: str, name: str) -> Path:
        return self.folder / f"{label}_net_{name}.pth"


def process_state(states: list[dict]) -> dict | None:
    """What this process had of its own; None, with a note, if there were more or fewer of them."""
    if len(states) == world_size():
        return states[rank()]
    print(
        f"note: the number of processes was {len(states)} and is {world_size()}: pools of past "
        "fakes, random states and the mean loss of the epoch start anew"
    )
    return None


def load_file(path: Path) -> dict:
    """A file of tensors and plain values, on the CPU; nothing in it is executed."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than weights and was not loaded: get it from its source again"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{path} cannot be read, it may be truncated ({first_line(error)})"
        ) from None
    if not isinstance(content, Mapping):
        raise UserError(f"{path} is no checkpoint: it holds a {type(content).__name__}")
    return content


def random_states() -> dict:
    """The states of torch's global generators."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def set_random_states(states: dict) -> None:
    torch.set_rng_state(states["cpu"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
