#!/usr/bin/env python3
"""Figure 7: choosing what is translated. Each instance alone, then all of them.

python scripts/figures/instances.py instances.png --dataroot datasets/shapes --name shapes
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dataclasses import replace

from data.scene import Scene
from scripts.figures.common import Figure, masks_of, pixels_of
from util.errors import command
from util.sheet import tile


@command
def main(argv: list[str] | None = None) -> None:
    figure = Figure(__doc__, argv)
    translate = figure.translator()
    scenes = figure.chosen()
    most = max(scene.masks.shape[1] for scene in scenes)
    rows = []
    for scene in scenes:
        count = len(masks_of(scene))
        wanted = [[i] for i in range(count)] + ([list(range(count))] if count > 1 else [])
        tiles = [tile(pixels_of(scene.image), figure.side, masks_of(scene))]
        for instances in wanted:
            fake, _ = translate(only(scene, instances), figure.source)
            tiles.append(tile(pixels_of(fake.image), figure.side, masks_of(fake)))
        if count > 1:  # all of them stand in the last column
            tiles[-1:] = [None] * (most - count) + tiles[-1:]
        rows.append((scene.names[0], tiles))
    figure.write(rows, ["source", *(f"only {i + 1}" for i in range(most)), "all"])


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
