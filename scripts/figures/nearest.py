#!/usr/bin/env python3
"""Figure 27: translated masks beside their nearest training masks. Are they learnt by heart?

python scripts/figures/nearest.py nearest.png --dataroot datasets/shapes --name shapes
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pages.sheet import mask_tile, tile
from scripts.figures.common import Figure, masks_of, pixels_of
from scripts.figures.neighbors import TrainingMasks
from util.errors import command

MASKS = 2  # of each picture


@command
def main(argv: list[str] | None = None) -> None:
    figure = Figure(__doc__, argv)
    figure.need_masks()
    translate = figure.translator()
    training = TrainingMasks(figure.opt, figure.target)
    rows = []
    for scene in figure.chosen():
        fake = translate(scene).fakes[0]
        masks = masks_of(fake)[:MASKS]
        near = [training.nearest(mask)[0] for mask in masks]
        pictures = [
            tile(pixels_of(scene.image), figure.side, masks_of(scene)),
            tile(pixels_of(fake.image), figure.side, masks_of(fake)),
        ]
        blank = [None] * (MASKS - len(masks))
        for kind in (masks, near):
            pictures += [mask_tile(mask, figure.side) for mask in kind] + blank
        rows.append((scene.names[0], pictures))
    kinds = [f"{kind} {i + 1}" for kind in ("mask", "nearest") for i in range(MASKS)]
    figure.write(rows, ["source", "translation", *kinds])


if __name__ == "__main__":
    main(sys.argv[1:])
