"""Pasting translated instances back on the background they came from."""

from dataclasses import replace

from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from data.scene import Scene


def composite(source: Scene, fake: Scene, feather: int) -> Scene:
    """The fake where source or fake has an instance, the source's picture everywhere else.

    The seam lies outside the masks: from 1 at their edge to 0 about 2 `feather` pixels away. A
    picture without an instance is the source's. With feather 0 the cut is hard.
    """
    objects = (source.union() + fake.union()).clamp(max=1).round()
    weight = feathered(objects, feather)
    return replace(fake, image=weight * fake.image + (1 - weight) * source.image)


def feathered(mask: Tensor, feather: int) -> Tensor:
    """A mask [B, 1, H, W] of 0 and 1, still 1 inside, falling to 0 around it."""
    if feather == 0:
        return mask
    side = 2 * feather + 1
    grown = max_pool2d(mask, side, stride=1, padding=feather)
    return avg_pool2d(pad(grown, [feather] * 4, mode="replicate"), side, stride=1)
