"""Pictures and masks from Python, in whatever form they come, as arrays."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from data.masks import read_mask, read_masks, understand
from data.pictures import read_image, to_mode
from util.errors import UserError

Picture = str | Path | Image.Image | np.ndarray | Tensor
FILE = (str, Path)


def as_image(given: Picture, channels: int = 3) -> np.ndarray:
    """A file, a PIL picture, an array [H, W], [H, W, C] or a tensor [C, H, W] as uint8 [H, W, C].

    Numbers are 0 to 255 if they are integers, 0 to 1 if they are floats. Raises UserError.
    """
    if isinstance(given, FILE):
        return read_image(Path(given), channels).transpose(1, 2, 0)
    if not isinstance(given, Image.Image):
        given = Image.fromarray(levels_of(given))
    pixels = np.asarray(to_mode(ImageOps.exif_transpose(given), "RGB" if channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], channels)


def levels_of(given: np.ndarray | Tensor) -> np.ndarray:
    """An array or tensor of pixels as uint8 [H, W] or [H, W, 3]."""
    if not isinstance(given, (np.ndarray, Tensor)):
        raise UserError(
            f"a picture is a path, a PIL picture, an array or a tensor, not {type(given).__name__}"
        )
    pixels = to_array(given)
    if isinstance(given, Tensor) and pixels.ndim == 3:
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[-1] in (1, 4):
        pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels[..., :3]
    if not pixels.size or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] == 3)):
        raise UserError(
            f"a picture of shape {tuple(given.shape)}: arrays are [H, W] or [H, W, 3], tensors "
            "[C, H, W]"
        )
    floats = pixels.dtype.kind in "fb"
    if not (pixels.min() >= 0 and pixels.max() <= (1 if floats else 255)):  # nan is neither
        raise UserError(
            f"a picture of numbers from {pixels.min():.4g} to {pixels.max():.4g}: floats go from "
            "0 to 1, integers from 0 to 255"
        )
    levels = (255 * pixels.astype(float)).round() if floats else pixels
    return np.ascontiguousarray(levels, np.uint8)


def to_array(given: np.ndarray | Tensor) -> np.ndarray:
    return given.detach().cpu().numpy() if isinstance(given, Tensor) else given


def as_masks(
    given: Iterable | np.ndarray | Tensor,
    size: tuple[int, int],
    photo: Picture | None = None,
    exif: str | None = None,
) -> np.ndarray:
    """Masks of a picture of (height, width) as bool [N, H, W].

    An array or tensor [N, H, W], or [H, W] of a single one: booleans, 0 to 1 or 0 to 255; or a
    sequence of files, PIL pictures or arrays. Mask files of a photo that is a file are turned as
    the photo is, see `read_masks`. Raises UserError for another size.
    """
    if isinstance(given, (*FILE, Image.Image)):
        given = [given]
    if isinstance(given, (np.ndarray, Tensor)) and given.ndim == 2:
        given = given[None]
    given = list(given)
    if isinstance(photo, FILE) and all(isinstance(one, FILE) for one in given):
        return read_masks(tuple(map(Path, given)), Path(photo), size, exif)
    masks = [as_mask(one) for one in given]
    for i, mask in enumerate(masks):
        if mask.shape != size:
            name = given[i] if isinstance(given[i], FILE) else f"mask {i}"
            raise UserError(
                f"{name} is {'x'.join(map(str, mask.shape))} and its picture {size[0]}x{size[1]} "
                "(height x width): masks are as large as their picture"
            )
    return np.stack(masks) if masks else np.zeros((0, *size), bool)


def as_mask(given: Picture) -> np.ndarray:
    """One mask as bool [H, W]."""
    if isinstance(given, FILE):
        return read_mask(Path(given))
    if isinstance(given, Image.Image):
        return understand(ImageOps.exif_transpose(given)).pixels
    if not isinstance(given, (np.ndarray, Tensor)):
        raise UserError(f"a mask is a path, a PIL picture or an array, not {type(given).__name__}")
    values = to_array(given)
    if values.ndim == 3:  # [1, H, W] or [H, W, 1]
        values = values[0] if values.shape[0] == 1 else values[..., 0]
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
