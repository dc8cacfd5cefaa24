"""DA-GAN's losses (Eq. 5 to 9) as pure functions, one value per picture, [B]."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from data.labels import NONE

TINY = 1e-6


def judged(logits: Tensor, real: bool) -> Tensor:
    """What a discriminator loses on logits [B] of pictures that are real, or not (Eq. 7 and 8)."""
    wanted = torch.full_like(logits, float(real))
    return binary_cross_entropy_with_logits(logits, wanted, reduction="none")


def taken_for_real(logits: Tensor) -> Tensor:
    """What the generator loses: −log D, which does not saturate (section 3.3)."""
    return judged(logits, True)


def squared_distance(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared difference of codes [B, …]."""
    return (first - second).square().flatten(1).mean(1)


def feature_distance(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """How far features [B, …] of several layers are apart, as shares of how large the first are."""
    found = []
    for one, other in zip(first, second, strict=True):
        apart, size = ((x.flatten(1)).abs().mean(1) for x in (one - other, one.detach()))
        found.append(apart / (size + TINY))
    return torch.stack(found).mean(0)


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of logits [B, classes] and labels [B]; 0 for a picture without a label."""
    return cross_entropy(logits, labels, ignore_index=NONE, reduction="none")
