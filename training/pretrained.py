"""Pretrained weights of torchvision's networks, from its servers or from a file."""

from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import torch
from torch import nn
from torchvision.models import WeightsEnum

from training.state_file import load_file
from util.errors import UserError


def load_weights(
    network: nn.Module, weights: WeightsEnum | Path, flag: str, but: tuple[str, ...] = ()
) -> None:
    """Put weights into a network; tensors whose names begin with one of `but` stay as they are.

    A file holds a state dict, bare or under `state_dict`. Raises UserError, naming the flag, if it
    cannot be had or is of another architecture.
    """
    if isinstance(weights, WeightsEnum):
        state, where = download(weights, flag), f"{flag}: {weights}"
    else:
        state, where = load_file(weights), f"{flag} {weights}"
        state = state["state_dict"] if isinstance(state.get("state_dict"), Mapping) else state
    state = {key.removeprefix("module."): value for key, value in state.items()}
    own = network.state_dict()
    for key in [*own, *state]:
        if key.startswith(but):
            continue
        shapes = [getattr(some.get(key), "shape", None) for some in (state, own)]
        if shapes[0] != shapes[1]:
            there, here = (f"of shape {tuple(s)}" if s is not None else "missing" for s in shapes)
            raise UserError(
                f"{where} is of another architecture than {type(network).__name__}: {key} is "
                f"{there} there and {here} here"
            )
    network.load_state_dict({k: v for k, v in state.items() if not k.startswith(but)}, strict=False)


def download(weights: WeightsEnum, flag: str) -> Mapping:
    """torchvision's weights, from its cache if they are there."""
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        name = Path(weights.url).name
        raise UserError(
            f"{flag}: {weights.url} cannot be downloaded ({getattr(error, 'reason', error)}): put "
            f"{name} into {torch.hub.get_dir()}/checkpoints, or name a file"
        ) from None
