"""What every yardstick is: pairs in, numbers out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from torch import Tensor

from metrics.pair import Pair

Value = float | bool | None | list  # of a picture; a list has one per instance


class Better(Enum):
    """Which of two values of a score is the better one."""

    LESS = "less"
    MORE = "more"
    NEITHER = "neither"  # as of a ratio of areas, or of what no translation changes


Declared = Mapping[str, Better]  # by the scores' names, in which `*` stands for any text


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
    """The yardstick of one direction; it is shown all of its pairs, in batches, once.

    Beside its code stands the name of every score that it can give, and which values are better:
    `metrics/scores.py` collects these.
    """

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
