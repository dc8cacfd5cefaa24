"""Pictures and masks from Python, in whatever form they come, as arrays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from data.masks import read_mask, understand
from data.pictures import read_image, to_mode
from util.errors import UserError

Picture = str | Path | Image.Image | np.ndarray | Tensor


def as_image(given: Picture, channels: int = 3) -> np.ndarray:
    """A file, a PIL picture, an array [H, W], [H, W, C] or a tensor [C, H, W] as uint8 [H, W, C].

    Numbers are 0 to 255 if they are integers, 0 to 1 if they are floats.
    """
    if isinstance(given, (str, Path)):
        return read_image(Path(given), channels).transpose(1, 2, 0)
    if not isinstance(given, Image.Image):
        given = Image.fromarray(levels_of(given))
    pixels = np.asarray(to_mode(ImageOps.exif_transpose(given), "RGB" if channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], channels)


def levels_of(given: np.ndarray | Tensor) -> np.ndarray:
    """An array or tensor of pixels as uint8 [H, W] or [H, W, 3]."""
    pixels = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given)
    if isinstance(given, Tensor) and pixels.ndim == 3:
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[-1] in (1, 4):
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]
    if pixels.ndim != 2 and not (pixels.ndim == 3 and pixels.shape[-1] == 3):
        raise UserError(
            f"a picture of shape {tuple(given.shape)}: arrays are [H, W] or [H, W, 3], tensors "
            "[C, H, W]"
        )
    if pixels.dtype.kind == "f":
        if pixels.min() < 0 or pixels.max() > 1:
            raise UserError(
                f"a picture of floats from {pixels.min():.3g} to {pixels.max():.3g}: give 0 to 1, "
                "or integers from 0 to 255"
            )
        pixels = (255 * pixels).round()
    elif pixels.min() < 0 or pixels.max() > 255:
        raise UserError(
            f"a picture of integers from {pixels.min()} to {pixels.max()}: give 0 to 255"
        )
    return np.ascontiguousarray(pixels.astype(np.uint8))


def as_masks(given: Sequence | np.ndarray | Tensor, size: tuple[int, int]) -> np.ndarray:
    """Masks of a picture of (height, width) as bool [N, H, W].

    An array or tensor [N, H, W], or [H, W] of a single one, inside where it is above the middle of
    its range; or a sequence of files, PIL pictures or arrays. Raises UserError for another size.
    """
    if isinstance(given, (str, Path, Image.Image)):
        given = [given]
    if isinstance(given, (np.ndarray, Tensor)):
        given = [given] if given.ndim == 2 else list(given)
    masks = [as_mask(one) for one in given]
    for i, mask in enumerate(masks):
        if mask.shape != size:
            name = given[i] if isinstance(given[i], (str, Path)) else f"mask {i}"
            raise UserError(
                f"{name} is {'x'.join(map(str, mask.shape))} and its picture {size[0]}x{size[1]} "
                "(height x width): masks are as large as their picture"
            )
    return np.stack(masks) if masks else np.zeros((0, *size), bool)


def as_mask(given: Picture) -> np.ndarray:
    """One mask as bool [H, W]."""
    if isinstance(given, (str, Path)):
        return read_mask(Path(given))
    if isinstance(given, Image.Image):
        return understand(given).pixels
    values = np.asarray(given.detach().cpu() if isinstance(given, Tensor) else given).squeeze()
    if values.dtype == bool:
        return values
    return values > (127 if values.max(initial=0) > 1 else 0.5)


def box_masks(
    boxes: Sequence[tuple[int, int, int, int]], size: tuple[int, int], path: Path | str
) -> np.ndarray:
    """Boxes (left, top, right, bottom) in a picture of (height, width) as masks, bool [N, H, W].

    Raises UserError, naming the picture, for one that reaches beyond it.
    """
    masks = np.zeros((len(boxes), *size), bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        if right > size[1] or bottom > size[0]:
            raise UserError(
                f"--box {left},{top},{right},{bottom}: {path} is {size[1]} pixels wide and "
                f"{size[0]} high"
            )
        mask[top:bottom, left:right] = True
    return masks
