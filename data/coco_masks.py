"""Segmentations of the COCO format as masks."""

from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from util.errors import UserError


def decode_mask(segmentation, size: tuple[int, int], picture: Path) -> np.ndarray:
    """A segmentation of any kind as bool [H, W]: polygons, RLE with numbers, RLE as text."""
    try:
        if isinstance(segmentation, dict):
            return decode_rle(segmentation, size)
        if isinstance(segmentation[0], dict):
            return np.any([decode_rle(part, size) for part in segmentation], axis=0)
        return decode_polygons(segmentation, size)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise UserError(
            f"{picture}: a segmentation of it is neither polygons nor RLE ({error}): "
            "export the annotations again"
        ) from None


def decode_polygons(segmentation: list, size: tuple[int, int]) -> np.ndarray:
    """The inside of polygons, [x, y, x, y, …] each, or of one that is not in a list of its own."""
    nested = not np.isscalar(segmentation[0])
    polygons = [np.asarray(p, float) for p in (segmentation if nested else [segmentation])]
    for polygon in polygons:
        if len(polygon) % 2:
            raise ValueError(f"{len(polygon)} coordinates are not pairs")
        if not (np.abs(polygon) <= 10 * max(size)).all():  # nor is NaN
            raise ValueError(f"coordinates far outside of {size[0]}x{size[1]}")
    polygons = [p.tolist() for p in polygons if len(p) >= 6]  # of 4 numbers it would make a box
    if not polygons:
        return np.zeros(size, bool)
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *size))).astype(bool)


def decode_rle(rle: dict, size: tuple[int, int]) -> np.ndarray:
    """A run-length encoding, its runs known to fill the picture: pycocotools does not look."""
    if tuple(rle["size"]) != size:
        raise ValueError(f"it is of a picture of {rle['size'][0]}x{rle['size'][1]}, not {size}")
    counts = rle["counts"]
    if not isinstance(counts, list):
        counts = run_lengths(counts.encode() if isinstance(counts, str) else counts)
    runs = np.asarray(counts, np.int64)
    if runs.min(initial=0) < 0 or runs.sum() != size[0] * size[1]:
        raise ValueError(f"its runs do not fill {size[0]}x{size[1]}")
    values = np.arange(len(runs)) % 2 == 1  # background first
    return np.repeat(values, runs).reshape(size[1], size[0]).T  # column after column


def run_lengths(text: bytes) -> list[int]:
    """The runs of COCO's compressed text, in base 32, the lowest digit first.

    From the third on a run is stored as its difference from the last but one.
    """
    counts: list[int] = []
    value = shift = 0
    for byte in text:
        digit = byte - 48
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:  # more of this number follows
            continue
        if digit & 16:  # negative
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    return counts
