"""Mask files, as whichever tool wrote them, as the pixels of an instance.

Most are bright on dark. Others hold 0 and 1, or have the instance in their alpha channel, or lie on
a photo as its camera stored it, before its EXIF orientation turns it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from data.pictures import (
    Header,
    decode,
    is_deep,
    own_values,
    read_header,
    to_eight_bits,
    turn,
)
from util.errors import UserError

ALPHA, VALUES = "alpha", "values"  # where an unusual mask has its instance
EXTREME = 16  # levels from black and from white that still are a mask's, not a photo's
NEARLY_ALL = 0.9


class Mask(NamedTuple):
    """Where an instance is, bool [H, W]; habit: how the file says so, '' for bright on dark."""

    pixels: np.ndarray
    habit: str = ""


def read_mask(path: Path) -> np.ndarray:
    """Any mask as bool [H, W]."""
    return understand(decode(path)).pixels


def read_masks(
    paths: tuple[Path, ...], photo: Path, size: tuple[int, int], exif: str | None = None
) -> np.ndarray:
    """All masks of a photo that is shown at this (height, width), bool [N, H, W].

    exif is `stored` if masks whose size does not tell lie on the photo as it is stored, and are to
    be turned with it. Raises UserError for a mask that fits neither way.
    """
    masks = [read_mask(path) for path in paths]
    if exif == "stored" or any(mask.shape != size for mask in masks):
        header = read_header(photo)
        masks = [
            turn(mask, header.orientation)
            if lies_on_stored(read_header(path), header, exif)
            else mask
            for path, mask in zip(paths, masks, strict=True)
        ]
    for path, mask in zip(paths, masks, strict=True):
        if mask.shape != size:
            raise UserError(
                f"{path} is {mask.shape[0]}x{mask.shape[1]} and its picture {size[0]}x{size[1]}"
            )
    return np.stack(masks) if masks else np.empty((0, *size), bool)


def lies_on_stored(mask: Header, photo: Header, exif: str | None) -> bool:
    """Whether a mask lies on its photo's stored pixels, and not on those that are shown.

    Its size decides; where it fits both ways, `exif` does. One that has a turn of its own was made
    for the photo as it is shown.
    """
    if photo.orientation == 1 or mask.orientation != 1 or mask.size != photo.stored_size:
        return False
    return mask.size != photo.size or exif == "stored"


# ---- what the pixels of one file mean


def understand(picture: Image.Image) -> Mask:
    """A decoded mask file as the pixels of its instance."""
    return by_alpha(picture) if has_alpha(picture) else by_brightness(picture)


def has_alpha(picture: Image.Image) -> bool:
    # Pillow shows no transparency of deep pictures.
    return not is_deep(picture.mode) and (
        picture.mode[-1] in "Aa" or "transparency" in picture.info
    )


def by_brightness(picture: Image.Image) -> Mask:
    """The instance where the picture is bright; where it is nowhere, by its two values.

    A palette that is bright everywhere says nothing either: there its indices count.
    """
    mask = brightness(picture) > 127
    if not mask.any() or (picture.mode == "P" and mask.all()):
        values = own_values(picture)
        if holds_two(values):
            return Mask(values > 0, VALUES)
    return Mask(mask)


def by_alpha(picture: Image.Image) -> Mask:
    """The instance where a picture is opaque; where alpha is the same everywhere, by brightness.

    What is opaque may itself be a mask, white on black: then its white is the instance.
    """
    pixels = np.asarray(picture.convert("RGBA"))
    alpha = pixels[..., 3]
    opaque = alpha > 0 if alpha.max() <= 127 and holds_two(alpha) else alpha > 127
    if opaque.all() or not opaque.any():
        return by_brightness(picture)
    levels = pixels[..., :3].max(-1)
    return Mask(opaque & (levels > 127) if is_mask(levels[opaque]) else opaque, ALPHA)


def is_mask(levels: np.ndarray) -> bool:
    """Whether brightness [M] is that of a mask, nearly all black or white, and not of a photo."""
    black, white = levels < EXTREME, levels > 255 - EXTREME
    return bool(black.any() and white.any() and (black | white).mean() >= NEARLY_ALL)


def holds_two(values: np.ndarray) -> bool:
    """Whether there is one value besides 0; or 1 alone, of a mask of the whole picture."""
    most = values.max()
    if most == 1 and values.min() == 1:
        return True
    return bool(most > 0 and values.min() == 0 and ((values == 0) | (values == most)).all())


def brightness(picture: Image.Image) -> np.ndarray:
    """uint8 [H, W], of the brightest channel: palette colours count as they look."""
    picture = to_eight_bits(picture)
    if picture.mode in ("1", "L"):
        return np.asarray(picture.convert("L"))
    return np.asarray(picture.convert("RGB")).max(-1)
