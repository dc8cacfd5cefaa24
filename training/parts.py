"""A batch in parts (`--accumulate`): inputs divided by samples, results joined."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.utils._pytree import tree_map


def parts_of(
    inputs: Sequence[Any], size: int, pieces: int, networks: Mapping[str, nn.Module]
) -> Iterator[Sequence[Any]]:
    """Inputs of `size` samples in so many parts, in order; none of them is empty.

    Every part starts from the same vectors of spectral norms, which each forward pass advances. The
    weights are the same for all parts of an update, so that the vectors advance as often as for an
    undivided batch, and all parts are judged as in it.
    """
    saved = [(vector, vector.clone()) for vector in spectral_vectors(networks)]
    for i in range(pieces):
        if own := range(size * i // pieces, size * (i + 1) // pieces):
            for vector, before in saved:
                vector.copy_(before)
            yield tree_map(lambda leaf, own=own: selected(leaf, own), inputs, is_leaf=divides)


def spectral_vectors(networks: Mapping[str, nn.Module]) -> list[Tensor]:
    """Those of all spectral norms."""
    layers = [layer for network in networks.values() for layer in network.modules()]
    norms = [layer for layer in layers if isinstance(layer, _SpectralNorm)]
    return [vector for norm in norms for vector in (norm._u, norm._v)]


def divides(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) or hasattr(leaf, "select")


def selected(leaf: Any, samples: range) -> Any:
    """The part of an input that belongs to some samples; plain values belong to all."""
    if isinstance(leaf, Tensor):
        return leaf[samples.start : samples.stop] if leaf.dim() else leaf
    return leaf.select(samples) if hasattr(leaf, "select") else leaf


def joined(results: list) -> Any:
    """The results of all parts as one, in the order of samples."""
    if len(results) == 1:
        return results[0]

    def join(first, *others):
        if isinstance(first, Tensor):
            return torch.cat([first, *others])
        return type(first).cat([first, *others]) if hasattr(first, "cat") else first

    return tree_map(join, *results, is_leaf=divides)
