"""A broken update as a file, and from it again: to be looked at where and when one likes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils._pytree import (
    tree_flatten,
    tree_map_only,
    tree_unflatten,
    treespec_dumps,
    treespec_loads,
)

from training.guard import Update
from training.state_file import write_state

PLAIN = ("kind", "method", "names", "divisor", "pools", "random")  # of an update


def write_dump(path: Path, state: Mapping, update: Update, options: Mapping, where: str) -> None:
    """Write an update with all it is made of, as tensors and plain values. Raises OSError."""
    leaves, structure = tree_flatten(tuple(update.inputs))
    dump = {
        "where": where,
        "options": dict(options),
        "model": state,
        **{name: getattr(update, name) for name in PLAIN},
        "inputs": leaves,
        "structure": treespec_dumps(structure),
        "losses": {name: float(value) for name, value in update.losses.items()},
    }
    dump["pools"] = {name: list(snapshot) for name, snapshot in update.pools.items()}
    write_state(path, tree_map_only(Tensor, lambda tensor: tensor.detach().cpu(), dump))


def update_of(dump: Mapping, device: torch.device) -> Update:
    """The update that a dump holds, on the device."""

    def moved(tree):
        return tree_map_only(Tensor, lambda tensor: tensor.to(device), tree)

    plain = {name: dump[name] for name in PLAIN}
    plain["pools"] = {name: (moved(items), state) for name, (items, state) in dump["pools"].items()}
    inputs = tree_unflatten(moved(dump["inputs"]), treespec_loads(dump["structure"]))
    return Update(**plain, inputs=inputs)


@contextmanager
def first_not_finite(networks: Mapping[str, nn.Module]) -> Iterator[list[str]]:
    """Within the block, notes the layers whose output is not finite though their input is."""
    found: list[str] = []

    def watch(name: str):
        def look(_, inputs, output) -> None:
            if finite(inputs) and not finite(output):
                found.append(name)

        return look

    hooks = [
        layer.register_forward_hook(watch(f"{network}.{name}"))
        for network, module in networks.items()
        for name, layer in module.named_modules()
        if not list(layer.children())
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def finite(values) -> bool:
    """Whether all numbers in nested tensors are finite."""
    good = []
    tree_map_only(Tensor, lambda tensor: good.append(bool(torch.isfinite(tensor).all())), values)
    return all(good)
