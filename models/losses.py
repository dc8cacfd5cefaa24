"""The paper's losses as pure functions of scenes, one value per sample, [B]; and a count of masks.

x, a are a source image and its masks, y', b' their translation. Weights and the mean over the batch
are the model's business.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from data.scene import Scene

GAN_MODES = ("lsgan", "vanilla")
FULL = 0.95  # of the picture: such a mask marks no instance any more


def adversarial_loss(scores: Tensor, real: bool, mode: str = "lsgan") -> Tensor:
    """LSGAN (Eq. 3): mean (D - 1)^2 for real, mean D^2 for fake; `vanilla` is cross-entropy.

    scores [B, 1, h, w] -> [B].
    """
    target = scores.new_full((), float(real)).expand_as(scores)
    loss = F.mse_loss if mode == "lsgan" else F.binary_cross_entropy_with_logits
    return loss(scores, target, reduction="none").mean((1, 2, 3))


def set_l1_loss(scene: Scene, other: Scene, slots: int) -> Tensor:
    """L1 over the channels of image and masks together: Eq. 4 (cycle) and Eq. 5 (identity).

    `slots` is the number of masks that the mean counts. It comes from the options and never from
    the data, so that a picture with few instances weighs as much as the official code gives it.
    """
    image = (scene.image - other.image).abs().sum((1, 2, 3))
    masks = (scene.masks - other.masks).abs().sum((1, 2, 3))
    _, channels, height, width = scene.image.shape
    return (image + masks) / ((channels + slots) * height * width)


def context_loss(source: Scene, fake: Scene) -> Tensor:
    """Context preserving loss (Eq. 6): L1 between x and y' where both scenes are background.

    The gradient flows through the weight as well: it shapes the masks b'.
    """
    background = 1 - (source.union() + fake.union()).clamp(max=1)
    return (background * (source.image - fake.image).abs()).mean((1, 2, 3))


@torch.no_grad()
def mask_counts(source: Scene, fake: Scene) -> Tensor:
    """Instances, their area, that of their translations, and how many are empty or full: [5]."""
    there = source.present
    real, new = ((masks > 0).flatten(2).sum(2) * there for masks in (source.masks, fake.masks))
    full = new > FULL * source.masks.shape[-2:].numel()
    empty = there & (new == 0)
    return torch.stack([x.sum().float() for x in (there, real, new, empty, full)])
