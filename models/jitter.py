"""Pictures and masks at other scales and in other colours, drawn anew each time they are seen."""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from data.scene import Scene
from models.diffaug import draw


def jittered(scene: Scene, scale: float, color: float) -> Scene:
    """A scene, every sample by its own draw.

    scale  how much larger or smaller at the most: 0.25 is by 1.25 at most, either way
    color  how far brightness, contrast and saturation go from what they were, of 1
    """
    return rescaled(recolored(scene, color), scale)


def recolored(scene: Scene, most: float) -> Scene:
    """Other brightness, saturation and contrast of the images, which stay in [-1, 1]."""
    if not most:
        return scene
    image = scene.image + draw(scene, -most, most)
    grey = image.mean(1, keepdim=True)
    image = grey + (image - grey) * draw(scene, 1 - most, 1 + most)
    mean = image.mean((1, 2, 3), keepdim=True)
    image = mean + (image - mean) * draw(scene, 1 - most, 1 + most)
    return replace(scene, image=image.clamp(-1, 1))


def rescaled(scene: Scene, most: float) -> Scene:
    """Other scales: a part of a picture, or all of it with grey around, where no instance is."""
    if not most or not len(scene):
        return scene
    limit = torch.log1p(torch.tensor(most)).item()
    scale = draw(scene, -limit, limit).exp().flatten()  # of the part that is seen
    slack = (1 - scale).abs()[:, None] * draw_pairs(scene)
    zero = torch.zeros_like(scale)
    rows = torch.stack(
        [torch.stack([scale, zero, slack[:, 0]], 1), torch.stack([zero, scale, slack[:, 1]], 1)], 1
    )
    where = affine_grid(rows, list(scene.image.shape), align_corners=False)

    def seen(values: Tensor) -> Tensor:  # 0 from outside, which is grey
        return grid_sample(values, where.to(values.dtype), align_corners=False)

    masks = 2 * (seen((scene.masks > 0).to(scene.masks.dtype)) > 0.5).to(scene.masks.dtype) - 1
    return replace(scene, image=seen(scene.image), masks=masks)


def draw_pairs(scene: Scene) -> Tensor:
    """Two numbers in [-1, 1] for each sample, [B, 2]; drawn on the CPU, see `draw`."""
    numbers = 2 * torch.rand(len(scene), 2) - 1
    return numbers.to(scene.image, non_blocking=True)
