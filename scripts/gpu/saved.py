"""Whether two runs saved the same numbers."""

from collections.abc import Iterator
from pathlib import Path

import torch

from scripts.gpu.job import Failed
from training.state_file import load_file


def same_tensors(one: Path, other: Path) -> int:
    """The number of tensors that two runs saved. Raises Failed if any is not equal to the bit."""
    first, second = saved_tensors(one), saved_tensors(other)
    if first.keys() != second.keys() or not first:
        raise Failed("the unbroken run and the continued one saved different things")
    different = [name for name, own in first.items() if not torch.equal(own, second[name])]
    if different:
        raise Failed(f"{len(different)} of {len(first)} tensors differ, first {different[0]}")
    return len(first)


def saved_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a run's state and of its weights, by file and place."""
    files = sorted([*folder.glob("*_net_*.pth"), folder / "state.pt"])
    return {name: own for path in files for name, own in tensors(load_file(path), path.name)}


def tensors(content, place: str) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors in nested dictionaries and lists, and where they are."""
    if isinstance(content, torch.Tensor):
        yield place, content
    elif isinstance(content, dict | list | tuple):
        for key, own in content.items() if isinstance(content, dict) else enumerate(content):
            yield from tensors(own, f"{place}:{key}")
