"""Tensors to pixels and files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor


def to_pixels(tensor: Tensor) -> np.ndarray:
    """[C, H, W] in [-1, 1] -> uint8 [H, W, C], or [H, W] if C is 1."""
    pixels = ((tensor.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).byte()
    return pixels.permute(1, 2, 0).squeeze(-1).numpy()


def save_png(pixels: np.ndarray, path: Path, aspect_ratio: float = 1.0) -> None:
    """Write uint8 pixels; an aspect ratio stretches the width (> 1) or the height (< 1)."""
    picture = Image.fromarray(pixels)
    size = stretched(*picture.size, aspect_ratio)
    save_picture(picture if size == picture.size else picture.resize(size, Image.BICUBIC), path)


def save_picture(picture: Image.Image, path: Path, **how) -> None:
    """Write a picture. On a full disk nothing of it is left, and the OSError names it."""
    try:
        picture.save(path, **how)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def stretched(width: int, height: int, aspect_ratio: float) -> tuple[int, int]:
    """(width, height) of a picture whose width, or for a ratio below 1 height, is stretched."""
    if aspect_ratio > 1:
        return round(width * aspect_ratio), height
    return width, round(height / aspect_ratio)


COLORS = (  # of instances, distinct for most colour-blind readers, and light enough for black text
    *((230, 159, 0), (86, 180, 233), (0, 200, 130), (240, 228, 66), (255, 120, 60)),
    *((235, 140, 190), (180, 180, 255), (160, 230, 60)),
)


def outline(mask: np.ndarray, width: int = 1) -> np.ndarray:
    """The pixels of a mask that are at most `width` from its outside, bool [H, W]."""
    inner = mask
    for _ in range(width):
        padded = np.pad(inner, 1, mode="edge")
        sides = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        inner = inner & sides
    return mask & ~inner


def outline_layer(masks: Mapping[int | str, np.ndarray], size: tuple[int, int]) -> Image.Image:
    """Coloured outlines and numbers of masks, bool [H, W], on nothing: RGBA, size (width, height).

    The first mask has the first of COLORS, and so on.
    """
    layer = np.zeros((size[1], size[0], 4), np.uint8)
    places = []
    for i, (number, mask) in enumerate(masks.items()):
        color = COLORS[i % len(COLORS)]
        scaled = np.asarray(Image.fromarray(mask).resize(size, Image.NEAREST))
        layer[outline(scaled, 2)] = (*color, 255)
        rows, columns = np.nonzero(scaled)
        if len(rows):
            middle = np.argmin(np.hypot(rows - rows.mean(), columns - columns.mean()))
            places.append((str(number), (int(columns[middle]), int(rows[middle])), color))
    picture = Image.fromarray(layer)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for text, place, color in places:
        left, top, right, bottom = pen.textbbox(place, text, font, anchor="mm")
        pen.rectangle((left - 3, top - 2, right + 3, bottom + 2), fill=(*color, 255))
        pen.text(place, text, "black", font, anchor="mm")
    return picture


def draw_instances(pixels: np.ndarray, masks: Mapping[str, np.ndarray], side: int) -> Image.Image:
    """A picture, uint8 [H, W, 3], with coloured outlines and the numbers of its masks [H, W].

    It is scaled so that its longer side has `side` pixels, and never enlarged more than four times.
    """
    size = shown_size(pixels.shape[:2], side)
    picture = Image.fromarray(pixels).resize(size, Image.BICUBIC)
    picture.paste(layer := outline_layer(masks, size), mask=layer)
    return picture


def shown_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) of a picture of (height, width) whose longer side is to have `side` pixels.

    None is enlarged more than four times.
    """
    scale = min(side / max(size), 4)
    return max(1, round(size[1] * scale)), max(1, round(size[0] * scale))
