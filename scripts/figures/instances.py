#!/usr/bin/env python3
"""Figure 7: choosing what is translated. Each instance alone, by its number, then all of them.

python scripts/figures/instances.py instances.png --dataroot datasets/shapes --name shapes
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dataclasses import replace

from data.scene import Scene
from pages.sheet import tile
from scripts.figures.common import Figure, masks_of, pixels_of
from util.errors import command


@command
def main(argv: list[str] | None = None) -> None:
    figure = Figure(__doc__, argv)
    figure.need_masks()
    translate = figure.translator()
    scenes = figure.chosen()
    numbers = sorted({number for scene in scenes for number in scene.numbers[0]})
    rows = []
    for scene in scenes:
        tiles = [tile(pixels_of(scene.image), figure.side, masks_of(scene))]
        for wanted in [*([number] for number in numbers), numbers]:
            slots = [i for i, number in enumerate(scene.numbers[0]) if number in wanted]
            fake = translate(only(scene, slots)).fakes[0]
            shown = tile(pixels_of(fake.image), figure.side, masks_of(fake))
            tiles.append(shown if slots else None)
        rows.append((scene.names[0], tiles))
    figure.write(rows, ["source", *(f"only {number}" for number in numbers), "all"])


def only(scene: Scene, instances: list[int]) -> Scene:
    """A scene of one with some of its instances."""
    return replace(
        scene,
        masks=scene.masks[:, instances],
        present=scene.present[:, instances],
        numbers=[tuple(scene.numbers[0][i] for i in instances)],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
