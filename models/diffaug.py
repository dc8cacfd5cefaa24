"""Differentiable augmentation of what discriminators see (`--diffaug`), for few pictures.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training": reals and fakes
alike, in the updates of both players. Generators are not shown augmented pictures and so do not
learn to make them. Strengths are the paper's.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from data.scene import Scene

SHIFT = 1 / 8  # the farthest move, as a share of the picture's height and width
CUT = 1 / 2  # height and width of what is cut out, as a share of the picture's


def augmented(scene: Scene, kinds: Sequence[str]) -> Scene:
    """Every sample by its own draw, which its image and its masks share."""
    for kind in kinds:
        scene = KINDS[kind](scene)
    return scene


def color(scene: Scene) -> Scene:
    """Other brightness, saturation and contrast of the images."""
    image = scene.image
    image = image + draw(scene, -0.5, 0.5)
    grey = image.mean(1, keepdim=True)
    image = grey + (image - grey) * draw(scene, 0, 2)
    mean = image.mean((1, 2, 3), keepdim=True)
    return replace(scene, image=mean + (image - mean) * draw(scene, 0.5, 1.5))


def translation(scene: Scene) -> Scene:
    """Moved by up to SHIFT; what comes in is grey, and no instance."""
    height, width = scene.image.shape[-2:]
    rows = moved_places(scene, height)[:, None, :, None]  # [B, 1, H, 1]
    columns = moved_places(scene, width)[:, None, None, :]  # [B, 1, 1, W]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    samples = torch.arange(len(scene), device=rows.device)[:, None, None, None]

    def move(values: Tensor, outside: float) -> Tensor:
        channels = torch.arange(values.shape[1], device=rows.device)[None, :, None, None]
        found = values[samples, channels, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
        return torch.where(inside, found, outside)

    return replace(scene, image=move(scene.image, 0.0), masks=move(scene.masks, scene.absent))


def cutout(scene: Scene) -> Scene:
    """Without a rectangle, which is grey, and no instance."""
    height, width = scene.image.shape[-2:]
    rows = cut_places(scene, height)[:, None, :, None]
    columns = cut_places(scene, width)[:, None, None, :]
    cut = rows & columns
    return replace(
        scene,
        image=scene.image.masked_fill(cut, 0.0),
        masks=scene.masks.masked_fill(cut, scene.absent),
    )


KINDS: dict[str, Callable[[Scene], Scene]] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
}


def draw(scene: Scene, low: float, high: float) -> Tensor:
    """A number from low to high for each sample, [B, 1, 1, 1]."""
    # drawn on the CPU, whose generator is saved with a run and with an update to be made again
    numbers = low + (high - low) * torch.rand(len(scene), 1, 1, 1)
    return numbers.to(scene.image, non_blocking=True)


def moved_places(scene: Scene, length: int) -> Tensor:
    """Where each row (or column) of the moved samples comes from, [B, length]; may lie outside."""
    most = round(length * SHIFT)
    shift = torch.randint(-most, most + 1, (len(scene), 1))
    return (torch.arange(length) - shift).to(scene.image.device, non_blocking=True)


def cut_places(scene: Scene, length: int) -> Tensor:
    """Which rows (or columns) each sample's rectangle covers, bool [B, length]."""
    side = round(length * CUT)
    start = torch.randint(-(side // 2), length - side // 2, (len(scene), 1))
    places = torch.arange(length)
    return ((places >= start) & (places < start + side)).to(scene.image.device, non_blocking=True)
