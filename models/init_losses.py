"""INIT's losses (Eq. 3 and 4) as pure functions, one value per row, [R]."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from models.losses import adversarial_loss


def l1_loss(made: Tensor, given: Tensor) -> Tensor:
    """Eq. 3: what is made again is what it was; pictures, contents or styles [R, ...]."""
    return (made - given).abs().flatten(1).mean(1)


def fooled(scores: Sequence[Tensor]) -> Tensor:
    """LSGAN of a generator: how far scores of each size are from `real`; their sum."""
    return judged(scores, True)


def judged(scores: Sequence[Tensor], real: bool) -> Tensor:
    """LSGAN of scores [R, 1, h, w] of each size; their sum."""
    return sum(adversarial_loss(own, real) for own in scores)


def mean_of(values: Iterable[Tensor]) -> Tensor:
    return torch.stack([*values]).mean(0)


def summed(terms: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Losses of the same name, added up."""
    losses: dict[str, Tensor] = {}
    for own in terms:
        for name, value in own.items():
            losses[name] = losses.get(name, 0) + value
    return losses
