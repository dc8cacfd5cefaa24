"""What every yardstick is: pairs in, numbers out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from metrics.pairs import Pair

LESS = (  # is better
    *("background_l1", "seam_l1", "lpips", "all_empty", "all_full", "union_full", "fid", "kid"),
)
Value = float | bool | None | list  # of a picture; a list has one per instance


@dataclass(frozen=True)
class SetScore:
    """A number that only a whole set of pictures has.

    count is that of what was counted, protocol says how it was made, spread is a standard
    deviation over parts of the set, where the score has parts.
    """

    value: float
    count: int
    protocol: str
    spread: float | None = None


class Metric:
    """The yardstick of one direction; it is shown all of its pairs, in batches, once."""

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        """The values of each pair by name; a pair that has no such value leaves it out."""
        return [{} for _ in pairs]

    def whole(self) -> dict[str, SetScore]:
        """The scores of all pairs together."""
        return {}


def by_size(pairs: Sequence[Pair]) -> Iterator[list[int]]:
    """The places of the pairs of each size."""
    places: dict[tuple, list[int]] = {}
    for i, pair in enumerate(pairs):
        places.setdefault(pair.image.shape[:2], []).append(i)
    yield from places.values()


def to_batch(images: Sequence[np.ndarray], device: torch.device | str = "cpu") -> Tensor:
    """Pictures uint8 [H, W, 3], or masks bool [H, W], of one size as a tensor [B, C, H, W]."""
    batch = torch.from_numpy(np.stack(images)).to(device)
    return batch.permute(0, 3, 1, 2) if batch.dim() == 4 else batch[:, None]
