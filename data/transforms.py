"""Geometry, drawn once for an image and all its masks, and what becomes of a set of masks."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

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
    multiple: int = 4  # that the model needs of sizes that no crop makes
    least: int = 24  # height and width at the least

    @property
    def crops(self) -> bool:
        return self.mode.endswith("crop")


@dataclass(frozen=True)
class Crop:
    """One draw: cut height x width pixels at (top, left), flip."""

    top: int
    left: int
    height: int
    width: int
    flip: bool

    @property
    def window(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        rows = slice(self.top, self.top + self.height)
        return rows, slice(self.left, self.left + self.width)

    def cut(self, pixels: Tensor) -> Tensor:
        """[..., H, W] -> [..., height, width]."""
        pixels = pixels[(..., *self.window)]
        return pixels.flip(-1) if self.flip else pixels


def fit(size: tuple[int, int], how: Preprocessing, name: str) -> tuple[int, int]:
    """The (height, width) that a picture is resized to before the crop.

    Raises UserError, with `name` in it, if that is smaller than the crop.
    """
    height, width = size
    if how.mode == "resize_and_crop":
        height, width = how.load_size
    elif how.mode.startswith("scale_width"):
        height, width = height * how.load_size[1] / width, how.load_size[1]
    elif how.mode.startswith("scale_shorter"):
        scale = min(how.load_size) / min(height, width)
        height, width = height * scale, width * scale
    elif how.mode == "enlarge_and_crop":
        scale = max(1, how.fine_size[0] / height, how.fine_size[1] / width)
        height, width = height * scale, width * scale
    if not how.crops:
        height, width = (round(side / how.multiple) * how.multiple for side in (height, width))
        height, width = max(how.least, height), max(how.least, width)
    height, width = round(height), round(width)
    if how.crops and (height < how.fine_size[0] or width < how.fine_size[1]):
        raise UserError(
            f"{name}: {height}x{width} (height x width) is smaller than the crop of "
            f"{how.fine_size[0]}x{how.fine_size[1]}: lower --fineSizeH and --fineSizeW or use "
            "--resize_or_crop resize_and_crop"
        )
    return height, width


def draw_crop(size: tuple[int, int], how: Preprocessing, generator: torch.Generator) -> Crop:
    """A crop of a picture that was resized to this (height, width)."""
    target = how.fine_size if how.crops else size
    slack = (size[0] - target[0], size[1] - target[1])
    if not how.random:
        return Crop(slack[0] // 2, slack[1] // 2, *target, flip=False)
    top, left = (int(torch.randint(s + 1, (), generator=generator)) for s in slack)
    flip = how.flip and bool(torch.rand((), generator=generator) < 0.5)
    return Crop(top, left, *target, flip)


def resize_image(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """uint8 [C, H, W] -> uint8 [C, *size], bicubic."""
    if pixels.shape[-2:] == size:
        return pixels
    return interpolate(pixels[None], size, mode="bicubic", antialias=True)[0]


def resize_masks(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """bool [N, H, W] -> bool [N, *size], nearest neighbour."""
    if masks.shape[-2:] == size:
        return masks
    return interpolate(masks[:, None].to(torch.uint8), size, mode="nearest-exact")[:, 0].bool()


def order_instances(
    masks: Tensor, numbers: tuple[int, ...], ins_max: int, order: str, generator: torch.Generator
) -> tuple[Tensor, tuple[int, ...]]:
    """The `ins_max` largest of the masks [N, H, W], bool or in {-1, +1}, by area or shuffled.

    With the order `given` the first ones instead, as they are numbered. Area is counted in
    foreground pixels; ties keep their order, empty masks are dropped.
    Section 2.3 of the paper: decreasing order works better, small instances tend to be occluded.
    """
    pixels = masks.numpy()
    foreground = pixels if pixels.dtype == bool else pixels > 0
    areas = [np.count_nonzero(mask) for mask in foreground]
    places = [*range(len(areas))]
    if order != "given":
        places.sort(key=lambda i: -areas[i])
    kept = [i for i in places if areas[i]][:ins_max]
    if order == "random":
        kept = [kept[i] for i in torch.randperm(len(kept), generator=generator).tolist()]
    return torch.from_numpy(pixels[kept]), tuple(numbers[i] for i in kept)


def make_scene(
    image: Tensor,
    masks: Tensor,
    name: str,
    numbers: tuple[int, ...],
    extras: Mapping[str, Tensor] | None = None,
) -> Scene:
    """A scene of one from an image [C, H, W] and masks [N, H, W]; without any, one absent mask."""
    present = torch.ones(1, len(masks), dtype=torch.bool)
    more = {key: tensor[None] for key, tensor in (extras or {}).items()}
    return Scene(image[None], masks[None], present, [name], [numbers], more).padded(1)


def pad_scene(scene: Scene, multiple: int, least: int) -> Scene:
    """The scene grown at the bottom and the right, by reflection, to sides the networks take."""
    height, width = scene.image.shape[-2:]
    grow = [-(-max(side, least) // multiple) * multiple - side for side in (height, width)]
    return scene.map(lambda t: reflect(reflect(t, grow[0], -2), grow[1], -1) if t.dim() == 4 else t)


def reflect(pixels: Tensor, amount: int, dim: int) -> Tensor:
    """`amount` more rows or columns by reflection, repeated where the picture is too small."""
    while amount > 0:
        step = min(amount, max(pixels.shape[dim] - 1, 1))
        mode = "reflect" if pixels.shape[dim] > 1 else "replicate"
        pixels = pad(pixels, (0, step, 0, 0) if dim == -1 else (0, 0, 0, step), mode=mode)
        amount -= step
    return pixels
