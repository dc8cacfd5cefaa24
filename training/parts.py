"""A batch in parts (`--accumulate`): inputs divided by samples, results joined."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map


def parts_of(
    inputs: Sequence[Any], pieces: int, networks: Mapping[str, nn.Module]
) -> Iterator[Sequence[Any]]:
    """Inputs in so many parts, in order: each scene and each tensor divided by its own samples.

    Parts without any sample are left out, but for one if there are no others. Every part starts
    from the same vectors of spectral norms, which each forward pass advances. The weights are the
    same for all parts of an update, so that the vectors advance as often as for an undivided batch,
    and all parts are judged as in it.
    """
    saved = [(vector, vector.clone()) for vector in spectral_vectors(networks)]
    divided = [leaf for leaf in tree_leaves(inputs, is_leaf=divides) if divides(leaf)]
    empty = not any(map(len, divided))
    for i in range(1 if empty else pieces):
        if empty or any(part_of(len(leaf), i, pieces) for leaf in divided):
            for vector, before in saved:
                vector.copy_(before)
            yield tree_map(lambda leaf, i=i: selected(leaf, i, pieces), inputs, is_leaf=divides)


def part_of(length: int, i: int, pieces: int) -> range:
    """The samples of the i-th of so many parts."""
    return range(length * i // pieces, length * (i + 1) // pieces)


def spectral_vectors(networks: Mapping[str, nn.Module]) -> list[Tensor]:
    """Those of all spectral norms, by the names that PyTorch gives them."""
    named = [pair for network in networks.values() for pair in network.named_buffers()]
    return [vector for name, vector in named if name.endswith((".0._u", ".0._v"))]


def divides(leaf: Any) -> bool:
    """Whether it has samples; what has none belongs to all of them."""
    return leaf.dim() > 0 if isinstance(leaf, Tensor) else hasattr(leaf, "select")


def selected(leaf: Any, i: int, pieces: int) -> Any:
    """The i-th of so many parts of an input."""
    if not divides(leaf):
        return leaf
    own = part_of(len(leaf), i, pieces)
    return leaf[own.start : own.stop] if isinstance(leaf, Tensor) else leaf.select(own)


def joined(results: list) -> Any:
    """The results of all parts as one, in the order of samples."""
    if len(results) == 1:
        return results[0]

    def join(first, *others):
        if isinstance(first, Tensor):
            return torch.cat([first, *others])
        return type(first).cat([first, *others]) if hasattr(first, "cat") else first

    return tree_map(join, *results, is_leaf=divides)
