"""Scenes as tiles: sources and translations with the outlines of their instances."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from pages.sheet import tile
from util.images import to_pixels

if TYPE_CHECKING:  # for the names of types alone
    from data.scene import Scene

ROLES = (  # of a direction's three scenes, by its source and target
    ("real", "source"),
    ("fake", "target"),
    ("rec", "source"),
)
DIRECTIONS = (("A", "B"), ("B", "A"))
WIDEST = 256  # pixels of a tile


def role_names(scenes: "Mapping[str, Scene]") -> list[str]:
    """real_A, fake_B, rec_A, real_B, …, those that are there."""
    names = [
        f"{role}_{source if of == 'source' else target}"
        for source, target in DIRECTIONS
        for role, of in ROLES
    ]
    return [name for name in names if name in scenes]


def draw_tiles(scene: "Scene", outlines: bool = True, widest: int = WIDEST) -> list[np.ndarray]:
    """Each sample, uint8 [h, w, 3], at most `widest` pixels wide, small ones enlarged."""
    width = scene.image.shape[-1]
    side = min(widest, width * max(1, 96 // width + 1))
    tiles = []
    for i in range(len(scene)):
        pixels = np.atleast_3d(to_pixels(scene.image[i]))
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        there = scene.present[i].tolist()
        masks = [scene.masks[i, n].numpy() > 0 for n, is_there in enumerate(there) if is_there]
        tiles.append(tile(np.ascontiguousarray(pixels), side, masks if outlines else ()))
    return tiles


def draw_grid(scenes: "Mapping[str, Scene]", columns: int) -> np.ndarray:
    """All of them in one picture [H, W, 3]: a sample's source, translation, reconstruction, …

    `columns` tiles make a row, as `--display_ncols` says.
    """
    own = [draw_tiles(scenes[name], not name.startswith("rec")) for name in role_names(scenes)]
    return arrange([one for sample in zip_longest(*own) for one in sample], columns)


def arrange(tiles: Sequence[np.ndarray | None], columns: int) -> np.ndarray:
    """Tiles, uint8 [h, w, 3], in rows of so many; None leaves a place empty."""
    height, width = (max(one.shape[axis] for one in tiles if one is not None) for axis in (0, 1))
    rows = -(-len(tiles) // columns)
    gap = 3
    grid = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for place, one in enumerate(tiles):
        if one is None:  # one domain has fewer samples
            continue
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        grid[top : top + one.shape[0], left : left + one.shape[1]] = one
    return grid
