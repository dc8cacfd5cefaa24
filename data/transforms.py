"""Geometry, drawn once for an image and all its masks, and what becomes of a set of masks."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from data.scene import Scene
from util.errors import UserError


@dataclass(frozen=True)
class Preprocessing:
    """How pictures are brought to size: --resize_or_crop and its sizes, (height, width) in pixels.

    random draws the crop and the flip; otherwise the crop is the middle and nothing is flipped.
    """

    mode: str
    load_size: tuple[int, int]
    fine_size: tuple[int, int]
    flip: bool
    random: bool


@dataclass(frozen=True)
class Geometry:
    """One draw: resize to `size`, cut `crop` (top, left, height, width), flip."""

    size: tuple[int, int]
    crop: tuple[int, int, int, int]
    flip: bool

    def apply(self, pixels: Tensor, smooth: bool) -> Tensor:
        """uint8 [C, H, W] -> uint8 [C, h, w]; bicubic for images, nearest neighbour for masks."""
        if pixels.shape[-2:] != self.size:
            mode = InterpolationMode.BICUBIC if smooth else InterpolationMode.NEAREST_EXACT
            pixels = F.resize(pixels, list(self.size), interpolation=mode, antialias=smooth)
        pixels = F.crop(pixels, *self.crop)
        return F.horizontal_flip(pixels) if self.flip else pixels


def draw_geometry(
    size: tuple[int, int], how: Preprocessing, generator: torch.Generator, name: str
) -> Geometry:
    """The geometry of a picture of this (height, width); `name` is for the error message."""
    height, width = size
    if how.mode == "resize_and_crop":
        height, width = how.load_size
    elif how.mode.startswith("scale_width"):
        height, width = height * how.load_size[1] / width, how.load_size[1]
    crops = how.mode.endswith("crop")
    if not crops:  # the generator halves the picture twice
        height, width = (max(24, round(side / 4) * 4) for side in (height, width))
    height, width = round(height), round(width)
    target = how.fine_size if crops else (height, width)
    slack = (height - target[0], width - target[1])
    if min(slack) < 0:
        raise UserError(
            f"{name}: {height}x{width} (height x width) is smaller than the crop of "
            f"{target[0]}x{target[1]}: lower --fineSizeH and --fineSizeW or use "
            "--resize_or_crop resize_and_crop"
        )
    top, left = (s // 2 for s in slack)
    flip = False
    if how.random:
        top, left = (int(torch.randint(s + 1, (), generator=generator)) for s in slack)
        flip = how.flip and bool(torch.rand((), generator=generator) < 0.5)
    return Geometry((height, width), (top, left, *target), flip)


def normalize_image(pixels: Tensor) -> Tensor:
    """uint8 in 0 ... 255 -> float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1


def normalize_masks(pixels: Tensor) -> Tensor:
    """uint8 -> float32 in {-1, +1}: an instance is where a mask is brighter than 127."""
    return (pixels > 127).float() * 2 - 1


def order_instances(
    masks: Tensor, numbers: tuple[int, ...], ins_max: int, order: str, generator: torch.Generator
) -> tuple[Tensor, tuple[int, ...]]:
    """The `ins_max` largest of the masks [N, H, W] in {-1, +1}, by decreasing area or shuffled.

    Area is counted in foreground pixels; ties keep their order, empty masks are dropped.
    Section 2.3 of the paper: decreasing order works better, small instances tend to be occluded.
    """
    areas = (masks > 0).sum((1, 2))
    kept = areas.argsort(descending=True, stable=True)[: int((areas > 0).sum().clamp(max=ins_max))]
    if order == "random":
        kept = kept[torch.randperm(len(kept), generator=generator)]
    return masks[kept], tuple(numbers[i] for i in kept.tolist())


def make_scene(image: Tensor, masks: Tensor, name: str, numbers: tuple[int, ...]) -> Scene:
    """A scene of one from an image [C, H, W] and masks [N, H, W]; without any, one absent mask."""
    present = torch.ones(1, len(masks), dtype=torch.bool)
    return Scene(image[None], masks[None], present, [name], [numbers]).padded(1)


def pad_scene(scene: Scene, multiple: int = 4, least: int = 24) -> Scene:
    """The scene grown at the bottom and the right, by reflection, to sides the networks take."""
    height, width = scene.image.shape[-2:]
    grow = [max(least, -(-side // multiple) * multiple) - side for side in (height, width)]
    return scene.map(lambda t: reflect(reflect(t, grow[0], -2), grow[1], -1) if t.dim() == 4 else t)


def reflect(pixels: Tensor, amount: int, dim: int) -> Tensor:
    """`amount` more rows or columns by reflection, repeated where the picture is too small."""
    while amount > 0:
        step = min(amount, max(pixels.shape[dim] - 1, 1))
        mode = "reflect" if pixels.shape[dim] > 1 else "replicate"
        pixels = pad(pixels, (0, step, 0, 0) if dim == -1 else (0, 0, 0, step), mode=mode)
        amount -= step
    return pixels
