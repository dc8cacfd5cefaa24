"""The losses of MGD-GAN (Su et al., IJCAI 2021) as pure functions, with the paper's numbers.

Masks and fusion maps are in [0, 1]. A loss of masks takes [B, N, H, W] and gives a value for each
instance, [B, N]; a loss of pictures gives one for each picture, [B]. The paper writes norms and
sums; here all are means over pixels, which keeps the printed weights at their ratio.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, binary_cross_entropy, interpolate, relu

HINGES = ("standard", "literal")
COMPACT = 4  # by how much a mask is shrunk and enlarged again in Eq. 7
NEARLY = 1e-6  # fusion maps stay away from 0 and 1 by this much


def per_picture(values: Tensor, present: Tensor) -> Tensor:
    """Means over each picture's instances, [B, N] -> [B]; 0 where there is none."""
    there = present.to(values.dtype)
    return (values * there).sum(1) / there.sum(1).clamp(min=1)


def over_pixels(values: Tensor) -> Tensor:
    """Means over the last two dimensions."""
    return values.mean((-2, -1))


# ---- adversarial losses: hinge (Lim and Ye 2017)


def hinge_generator(scores: Tensor, kind: str = "standard") -> Tensor:
    """What a generator loses by scores of its fakes (Eq. 3), of the same shape.

    standard: -D. literal: max(0, 1 - D), as Eq. 3 is printed, which stops at D = 1.
    """
    return -scores if kind == "standard" else relu(1 - scores)


def hinge_discriminator(scores: Tensor, real: bool) -> Tensor:
    """What a discriminator loses (Eq. 4): max(0, 1 - D) for reals, max(0, 1 + D) for fakes."""
    return relu(1 - scores if real else 1 + scores)


# ---- masks


def consistency_loss(levels: Sequence[Tensor]) -> Tensor:
    """Mask consistency (Eq. 6): every finer level, shrunk, is the coarsest one."""
    coarse, *finer = levels
    return sum(
        over_pixels((coarse - avg_pool2d(level, level.shape[-1] // coarse.shape[-1])).abs())
        for level in finer
    )


def compactness_loss(masks: Tensor) -> Tensor:
    """The first part of the mask regularisation (Eq. 7): a mask is what is left of it when small.

    Holes, spots and frayed edges are lost by shrinking.
    """
    small = avg_pool2d(masks, COMPACT)
    again = interpolate(small, masks.shape[-2:], mode="bilinear", align_corners=False)
    return over_pixels((masks - again).abs())


def area_penalty(masks: Tensor) -> Tensor:
    """The second part of Eq. 7: no more of the picture than is needed."""
    return over_pixels(masks)


def mask_l1_loss(masks: Tensor, other: Tensor) -> Tensor:
    """Eq. 5: a mask that is asked to stay in its own domain is the mask itself."""
    return over_pixels((masks - other).abs())


class Binarised(torch.autograd.Function):
    """1 where a mask is over one half, else 0; the gradient goes through as it is.

    The picture generator has seen masks of 0 and 1 alone.
    """

    @staticmethod
    def forward(ctx, masks: Tensor) -> Tensor:
        return (masks > 0.5).to(masks.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


# ---- pictures


def fusion_loss(fusion: Tensor, foreground: Tensor) -> Tensor:
    """Cross-entropy (Eq. 10): the fusion map [B, 1, H, W] is the sum of the masks."""
    clear = fusion.clamp(NEARLY, 1 - NEARLY)
    return binary_cross_entropy(clear, foreground, reduction="none").mean((1, 2, 3))


def score_loss(outputs: Sequence[Sequence[Tensor]], loss) -> Tensor:
    """The mean over sizes of what `loss` makes of a discriminator's scores."""
    return torch.stack([loss(layers[-1]).mean((1, 2, 3)) for layers in outputs]).mean(0)


def feature_loss(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """L_feat of Eq. 11: a discriminator's features of a fake are those of the real picture."""
    sums = [
        (own - other.detach()).abs().mean((1, 2, 3))
        for layers, others in zip(fake, real, strict=True)
        for own, other in zip(layers[:-1], others[:-1], strict=True)
    ]
    return torch.stack(sums).sum(0) / len(fake)


def blended(foreground: Tensor, fusion: Tensor, background: Tensor) -> Tensor:
    """Eq. 9: the foreground where the fusion map says so, on the background."""
    return foreground * fusion + background * (1 - fusion)
