#!/usr/bin/env python3
"""Figure 11: how translations change over the epochs whose weights were kept.

python scripts/figures/trend.py trend.png --dataroot datasets/shapes --name shapes
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from options.base_options import run_folder
from pages.sheet import tile
from scripts.figures.common import Figure, masks_of, pixels_of
from training.checkpoint import Checkpoints
from util.errors import UserError, command

MOST = 10  # epochs to show, evenly spread over those there are


@command
def main(argv: list[str] | None = None) -> None:
    figure = Figure(__doc__, argv)
    folder = run_folder(figure.opt)
    labels = [label for label in figure.labels(Checkpoints(folder)) if label.isdecimal()]
    if not labels:
        raise UserError(f"{folder} has weights of no epoch: train with --save_epoch_freq")
    last = len(labels) - 1
    labels = [labels[round(i * last / (MOST - 1))] for i in range(MOST)] if last >= MOST else labels
    scenes = figure.chosen()
    rows = [(s.names[0], [tile(pixels_of(s.image), figure.side, masks_of(s))]) for s in scenes]
    for label in labels:
        translate = figure.translator(label)
        for scene, (_, tiles) in zip(scenes, rows, strict=True):
            fake = translate(scene).fakes[0]
            tiles.append(tile(pixels_of(fake.image), figure.side, masks_of(fake)))
    figure.write(rows, ["source", *(f"epoch {label}" for label in labels)])


if __name__ == "__main__":
    main(sys.argv[1:])
