"""Scenes as tiles: sources and translations with the outlines of their instances."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from loggers.base import Look
from pages.sheet import tile
from util.images import to_pixels

if TYPE_CHECKING:  # for the names of types alone
    from data.scene import Scene

WIDEST = 256  # pixels of a tile


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


def draw_grid(look: Look, columns: int) -> np.ndarray:
    """All of them in one picture [H, W, 3]: of a sample its source, translation, … in a row.

    `columns` tiles make a row, as `--display_ncols` says.
    """
    own = [draw_column(column) for shown in look.values() for column in shown]
    return arrange([one for sample in zip_longest(*own) for one in sample], columns)


def draw_column(column, widest: int = WIDEST) -> list[np.ndarray]:
    """The tiles of one column; where the way back leads, no outlines are drawn."""
    return draw_tiles(column.scene, not column.role.startswith("rec"), widest)


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
