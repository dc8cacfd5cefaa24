#!/usr/bin/env python3
"""Figure 28: the crop & attach baseline, without any network.

The training mask nearest to each instance is looked up in the other domain, and its piece of
picture is pasted where it was. --name may be any trained run: only its sizes are used.

    python scripts/figures/crop_attach.py crop.png --dataroot datasets/shapes --name shapes
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from data.scene import Scene
from pages.sheet import mask_tile, tile
from scripts.figures.common import Figure, masks_of, pixels_of
from scripts.figures.neighbors import TrainingMasks
from util.errors import command

MASKS = 2  # of each picture that are shown; all are attached


@command
def main(argv: list[str] | None = None) -> None:
    figure = Figure(__doc__, argv)
    training = TrainingMasks(figure.opt, figure.target)
    rows = []
    for scene in figure.chosen():
        masks = masks_of(scene)
        shown = [mask_tile(mask, figure.side) for mask in masks[:MASKS]]
        tiles = [tile(pixels_of(scene.image), figure.side), *shown]
        tiles += [None] * (MASKS - len(shown))
        rows.append((scene.names[0], [*tiles, tile(attached(scene, training), figure.side)]))
    figure.write(rows, ["source", *(f"mask {i + 1}" for i in range(MASKS)), "crop & attach"])


def attached(scene: Scene, training: TrainingMasks) -> np.ndarray:
    """The picture with the pieces of its instances' nearest neighbours, uint8 [H, W, 3]."""
    picture = pixels_of(scene.image)
    for mask in masks_of(scene):
        where, other = training.nearest(mask)
        picture = np.where(where[..., None], other, picture)
    return picture


if __name__ == "__main__":
    main(sys.argv[1:])
