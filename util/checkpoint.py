"""Saving and loading: one state file that a run continues from, and the official .pth files."""

import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch

from models.networks.official import infer_generator
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
        """Save the state, then the weights under each label."""
        state = {
            "model": model.state_dict(),
            "progress": progress.state_dict(),
            "random": random_states(),
            "torch": str(torch.__version__),
        }
        write_atomic(self.folder / STATE_FILE, lambda file: torch.save(state, file))
        for label in labels:
            for name, weights in state["model"]["networks"].items():
                write_atomic(
                    self.weights_path(label, name), lambda file, w=weights: torch.save(w, file)
                )

    # ---- loading

    def continue_run(self, model, progress: Progress, label: str) -> str:
        """Go on from the state file, or from the weights `label` alone; returns a line to print."""
        if label == "latest" and self.has_state():
            self.resume(model, progress)
            return f"continuing at epoch {progress.epoch}, {progress.images} pictures into it"
        self.load_weights(model, label)
        return (
            f"starting from the weights `{label}` with fresh optimisers, at epoch {progress.epoch}"
        )

    def has_state(self) -> bool:
        return (self.folder / STATE_FILE).is_file()

    def resume(self, model, progress: Progress) -> None:
        """Put model, progress and random states where the run stopped."""
        path = self.folder / STATE_FILE
        state = load_file(path)
        try:
            explain_mismatch(path, model, state["model"]["networks"])
            model.load_state_dict(state["model"])
            progress.load_state_dict(state["progress"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(f"{path} does not fit this model ({first_line(error)})") from None
        set_random_states(state["random"])

    def load_weights(self, model, label: str) -> None:
        """Load the weights saved as `label` into all of the model's networks.

        Where the label is `latest` and its .pth files are gone, they come from the state file.
        """
        states = {name: self.weights(label, name) for name in model.networks}
        for name, state in states.items():
            explain_mismatch(self.weights_path(label, name), model, {name: state})
        model.load_network_states(states)

    def weights(self, label: str, name: str) -> dict:
        """One network's weights with the official keys."""
        path = self.weights_path(label, name)
        if not path.is_file() and label == "latest" and self.has_state():
            return load_file(self.folder / STATE_FILE)["model"]["networks"][name]
        if not path.is_file():
            labels = self.labels(name)
            raise UserError(
                f"{path}: there is no such checkpoint; saved there: "
                f"{', '.join(labels) or 'nothing'} (see --name, --checkpoints_dir and --epoch)"
            )
        return load_file(path)

    def generator_options(self, label: str, name: str) -> dict:
        """Width, depth and kind of a saved generator, as options."""
        try:
            return infer_generator(self.weights(label, name))
        except (KeyError, ValueError, AttributeError):
            raise UserError(
                f"{self.weights_path(label, name)} does not hold a generator's weights"
            ) from None

    def labels(self, name: str) -> list[str]:
        """What `--epoch` can be for the network `name`: numbers first."""
        found = (re.fullmatch(rf"(.+)_net_{name}\.pth", p.name) for p in self.folder.glob("*.pth"))
        return sorted((m[1] for m in found if m), key=lambda label: (label.zfill(9), label))

    def weights_path(self, label: str, name: str) -> Path:
        return self.folder / f"{label}_net_{name}.pth"


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


def explain_mismatch(path: Path, model, states: Mapping[str, Mapping]) -> None:
    """Raise a UserError that names the first difference, if weights are of another architecture."""
    for name, state in states.items():
        if name not in model.networks:
            raise UserError(
                f"{path} holds a network {name} that --model {model.opt.model} does not have"
            )
        if difference := model.architecture_difference(name, state):
            raise UserError(
                f"{path} is of another architecture: {difference}; type the --netG, "
                "--netD, --ngf, --ndf, --n_blocks, --n_layers_D, --norm or --dropout it has"
            )


def random_states() -> dict:
    """The states of torch's global generators."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def set_random_states(states: dict) -> None:
    torch.set_rng_state(states["cpu"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
