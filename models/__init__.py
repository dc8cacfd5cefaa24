"""Models, found by name: a new one is a file `models/NAME_model.py` with a subclass of BaseModel.

Shapes, everywhere below: images [B, 3, H, W], masks [B, N, H, W], present [B, N].
"""

import json
from pathlib import Path

import torch

from loggers.records import Curves
from util.errors import UserError
from util.registry import find_class, names_in


def names() -> list[str]:
    """The models there are."""
    return names_in("models", "model")


def find_model(name: str) -> type:
    """The class of a model; a UserError lists the known ones."""
    return find_class("models", "model", name, "--model")


def create_model(opt, device: torch.device):
    """The model that the options name, on the device."""
    return find_model(opt.model)(opt, device)


def curves_of_run(folder: Path) -> Curves:
    """What the model of a run's folder declares of its curves; nothing if it is not known."""
    try:
        return Curves.of(find_model(json.loads((folder / "options.json").read_text())["model"]))
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return Curves()
