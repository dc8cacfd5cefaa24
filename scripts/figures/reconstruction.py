#!/usr/bin/env python3
"""Figure 30: pictures, their translations, and these translated back.

python scripts/figures/reconstruction.py back.png --dataroot datasets/shapes --name shapes
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pages.sheet import tile
from scripts.figures.common import Figure, masks_of, pixels_of
from util.errors import UserError, command


@command
def main(argv: list[str] | None = None) -> None:
    figure = Figure(__doc__, argv)
    translate = figure.translator()
    rows = []
    for scene in figure.chosen():
        moved = translate(scene)
        if moved.back is None:
            raise UserError(f"--model {figure.opt.model} translates nothing back")
        fake, back = moved.fakes[0], pixels_of(moved.back.image)
        tiles = [
            tile(pixels_of(scene.image), figure.side, masks_of(scene)),
            tile(pixels_of(fake.image), figure.side, masks_of(fake)),
            tile(back, figure.side),
        ]
        rows.append((scene.names[0], tiles))
    figure.write(rows, ["source", "translation", "reconstruction"])


if __name__ == "__main__":
    main(sys.argv[1:])
