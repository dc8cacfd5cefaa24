#!/usr/bin/env python3
"""One picture of many results, with the outlines of the instance masks.

    python scripts/contact_sheet.py results/quickstart/test_latest docs/quickstart.png

Each direction gives two rows: sources and, below, their translations.
"""

import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from util.command_line import OneLineParser
from util.errors import UserError, command
from util.images import outline

COLORS = np.array([(255, 255, 255), (20, 20, 20), (255, 0, 255), (0, 255, 0)], np.uint8)
GAP = 4  # pixels between pictures


@command
def main(argv: list[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, help="results folder that test.py wrote")
    parser.add_argument("output", type=Path, help="picture to write")
    parser.add_argument("--columns", type=int, default=8, help="pictures per row (default 8)")
    parser.add_argument(
        "--side", type=int, default=120, help="width of each in pixels (default 120)"
    )
    args = parser.parse_args(argv)
    images = args.results / "images"
    rows = []
    for source, target in ("AB", "BA"):
        stems = sorted(
            p.name.removesuffix(f"_fake_{target}_img.png")
            for p in images.glob(f"*_fake_{target}_img.png")
        )[: args.columns]
        if stems:
            rows.append(
                [tile(images, f"{stem}_real_{source}_img", [], args.side) for stem in stems]
            )
            rows.append(
                [
                    tile(
                        images, f"{stem}_fake_{target}_img", masks(images, stem, target), args.side
                    )
                    for stem in stems
                ]
            )
    if not rows:
        raise UserError(f"{args.results}: no results in it; give a folder that test.py wrote")
    sheet(rows).save(args.output, optimize=True)


def masks(images: Path, stem: str, target: str) -> list[Path]:
    """The masks of a translation, by their numbers."""
    pattern = re.compile(rf"{re.escape(stem)}_fake_{target}_mask_(\d+)\.png")
    found = [(int(m[1]), p) for p in images.iterdir() if (m := pattern.fullmatch(p.name))]
    return [path for _, path in sorted(found)]


def tile(images: Path, name: str, mask_paths: list[Path], side: int) -> np.ndarray:
    """A picture scaled to the width `side`, with the outline of every mask, uint8 [H, W, 3]."""
    picture = Image.open(images / f"{name}.png").convert("RGB")
    size = (side, round(side * picture.height / picture.width))
    pixels = np.array(picture.resize(size, Image.NEAREST))
    for i, path in enumerate(mask_paths):
        mask = np.array(Image.open(path).convert("L").resize(size, Image.NEAREST)) > 127
        pixels[outline(mask)] = COLORS[i % len(COLORS)]
    return pixels


def sheet(rows: list[list[np.ndarray]]) -> Image.Image:
    """Rows of equally large tiles, white between them."""
    height, width = (max(t.shape[axis] for row in rows for t in row) for axis in (0, 1))
    columns = max(len(row) for row in rows)
    canvas = Image.new(
        "RGB", (columns * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP), "white"
    )
    for y, row in enumerate(rows):
        for x, pixels in enumerate(row):
            canvas.paste(Image.fromarray(pixels), (x * (width + GAP), y * (height + GAP)))
    return canvas


if __name__ == "__main__":
    main(sys.argv[1:])
