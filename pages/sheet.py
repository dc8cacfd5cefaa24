"""Contact sheets: labelled rows of pictures in one PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from util.errors import UserError
from util.images import COLORS, outline

GAP = 4  # pixels between tiles
TEXT = 13  # height of a label's letters, in pixels
PAPER, INK = "white", (60, 60, 60)

Row = tuple[str, Sequence[np.ndarray | None]]  # a label, and tiles; None leaves a place empty


def tile(pixels: np.ndarray, side: int, masks: Sequence[np.ndarray] = ()) -> np.ndarray:
    """A picture, uint8 [H, W, 3], `side` pixels wide, with the outlines of masks, bool [H, W]."""
    size = (side, max(1, round(side * pixels.shape[0] / pixels.shape[1])))
    enlarged = side >= pixels.shape[1]
    method = Image.NEAREST if enlarged else Image.BICUBIC
    scaled = np.array(Image.fromarray(pixels).convert("RGB").resize(size, method))
    for i, mask in enumerate(masks):
        large = np.array(Image.fromarray(mask).resize(size, Image.NEAREST))
        scaled[outline(large)] = COLORS[i % len(COLORS)]
    return scaled


def mask_tile(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask, bool [H, W], white on black."""
    return tile(np.repeat(mask[..., None].astype(np.uint8) * 255, 3, -1), side)


def sheet(rows: Sequence[Row], header: Sequence[str] = ()) -> Image.Image:
    """Rows of tiles, their labels on the left; the header's texts stand above the columns."""
    font = ImageFont.load_default(TEXT)
    tiles = [one for _, row in rows for one in row if one is not None]
    height, width = (max(one.shape[axis] for one in tiles) for axis in (0, 1))
    columns = max(len(row) for _, row in rows)
    longest = max(font.getlength(line) for label, _ in rows for line in label.split("\n"))
    left = round(longest) + 3 * GAP if longest else 0
    top = TEXT + 3 * GAP if any(header) else 0
    size = (left + columns * (width + GAP) - GAP, top + len(rows) * (height + GAP) - GAP)
    canvas = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(canvas)
    for x, text in enumerate(header):
        place = (left + x * (width + GAP) + width / 2, top - 2 * GAP)
        pen.text(place, shortened(text, width, font), INK, font, anchor="ms")
    for y, (label, row) in enumerate(rows):
        edge = top + y * (height + GAP)
        place = (left - 2 * GAP, edge + height / 2)
        pen.multiline_text(place, label, INK, font, anchor="rm", align="right")
        for x, one in enumerate(row):
            if one is not None:
                canvas.paste(Image.fromarray(one), (left + x * (width + GAP), edge))
    return canvas


def check_name(path: Path) -> None:
    """Raise UserError if a sheet cannot be saved under this name."""
    if path.suffix.lower() != ".png":
        raise UserError(f"{path}: sheets are PNG files, name one that ends in .png")


def save_sheet(picture: Image.Image, path: Path) -> None:
    """Write a sheet, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, optimize=True)


def shortened(text: str, width: float, font) -> str:
    """The text, or its beginning and an ellipsis, not wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
