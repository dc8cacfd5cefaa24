#!/usr/bin/env python3
"""Figures 8 and 12: translations with masks that were found in the pictures, beside given ones.

--masks auto:RUN is a trained --model mask_predictor, --masks maskrcnn:CATEGORY is Mask R-CNN.
Below a name are the IoUs of its masks with those that were found for them; `extra` are found ones
that belong to none of them.

    python scripts/figures/predicted_masks.py predicted.png --masks auto:shapes_masks \\
        --dataroot datasets/shapes --name shapes
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np

from data.scene import Scene
from pages.sheet import tile
from scripts.figures.common import Figure, masks_of, pixels_of
from scripts.reproduce.found_masks import MASKS_HELP, Found, WithFoundMasks
from util.command_line import OneLineParser
from util.errors import UserError, command

COLUMNS = ["given masks", "translation", "predicted masks", "translation"]


@command
def main(argv: list[str] | None = None) -> None:
    parser = OneLineParser(add_help=False)  # the figure's own tells of the flag in its text
    parser.add_argument("--masks")
    args, rest = parser.parse_known_args(argv)
    figure = Figure(__doc__, rest)
    if not args.masks:
        raise UserError(f"--masks is missing: {MASKS_HELP}")
    figure.need_masks()
    with_given = figure.translator()
    with_found = WithFoundMasks(figure.opt, figure.way, args.masks)
    rows = []
    for scene in figure.chosen():
        found, fake = with_found(scene), with_given(scene).fakes[0]
        before, after = by_instance(found)
        pictures = [
            (pixels_of(scene.image), masks_of(scene)),
            (pixels_of(fake.image), masks_of(fake)),
            (pixels_of(scene.image), before),
            (pixels_of(found.scene(scene).image), after),
        ]
        tiles = [tile(pixels, figure.side, masks) for pixels, masks in pictures]
        rows.append((label_of(scene, found), tiles))
    figure.write(rows, COLUMNS)


def by_instance(found: Found) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The found masks and what they became, in the order of the scene's instances.

    So an instance has one colour in all pictures; what was found besides stands at the end.
    """
    result = found.result
    empty = np.zeros(result.source.shape[:2], bool)
    own = [found.matches.get(place) for place in range(len(found.overlaps))]
    own += [k for k in range(len(result.masks)) if k not in own]
    return tuple(
        [empty if k is None else masks[k] for k in own]
        for masks in (result.source_masks, result.masks)
    )


def label_of(scene: Scene, found: Found) -> str:
    """The picture's name, the IoUs, and what was found besides."""
    overlaps = (f"IoU {iou:.2f}" if iou else "not found" for iou in found.overlaps)
    besides = [f"{found.besides} extra"] if found.besides else []
    return "\n".join([scene.names[0], *overlaps, *besides])


if __name__ == "__main__":
    main(sys.argv[1:])
