"""Masks against the boxes that annotations give beside them: two accounts of one thing."""

import numpy as np

from datasets.making.annotations.regions import (
    Polygons,
    Rectangle,
    Region,
    Runs,
    Size,
    decode_runs,
)

ENOUGH = 0.5  # IoU of the two boxes
SLACK = 2  # pixels that the edges of a box may be off in any case, of rounding

Box = tuple[float, float, float, float]  # left, top, right, bottom


def box_of(value, annotated: Size) -> Box | None:
    """COCO's [x, y, width, height] as edges within the picture; None if it says nothing."""
    try:
        x, y, width, height = (float(number) for number in value)
    except (TypeError, ValueError):
        return None
    # All below 1: shares of the picture, or nothing at all.
    if not np.isfinite([x, y, width, height]).all() or min(width, height) <= 0:
        return None
    if max(x, y, width, height) <= 1:
        return None
    return clipped((x, y, x + width, y + height), annotated)


def clipped(box: Box, size: Size) -> Box:
    height, width = size
    left, top, right, bottom = box
    return (max(0.0, left), max(0.0, top), min(width, right), min(height, bottom))


def mask_box(mask: np.ndarray) -> Box:
    """The edges of what a mask covers; it is not empty."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def agree(box: Box, other: Box) -> bool:
    """Whether two boxes are the same, give or take."""
    if max(abs(a - b) for a, b in zip(box, other, strict=True)) <= SLACK:
        return True
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return shared >= ENOUGH * (areas - shared)


def misfit(region: Region, mask: np.ndarray, value, annotated: Size) -> str | None:
    """What is wrong if a mask is not where its annotation's box is; '' if it is, None without one.

    mask is the region at its annotated size. Boxes that hold two corners are as good.
    """
    if not mask.any() or (box := box_of(value, annotated)) is None:
        return None
    corners = clipped(tuple(float(number) for number in value), annotated)
    own = mask_box(mask)
    in_order = corners[0] < corners[2] and corners[1] < corners[3]
    if agree(own, box) or (in_order and agree(own, corners)):
        return ""
    return f"its box is {spoken(box)} and its mask lies in {spoken(own)}{cause(region, box)}"


def outside(region: Rectangle, annotated: Size) -> str:
    """What is wrong if an annotated box reaches out of its picture; '' if it does not."""
    if not region.reaches_out(annotated, SLACK):
        return ""
    height, width = annotated
    return f"its box is {spoken(region.edges)} and the picture {width} wide and {height} high"


def cause(region: Region, box: Box) -> str:
    """Why a mask may lie beside its box, if something else would bring it there."""
    if isinstance(region, Runs) and len(region.parts) == 1:
        part = region.parts[0]
        if agree(mask_box(decode_runs(part, part["size"], "C")), box):
            return " (its runs seem to go along rows, and COCO's go down columns)"
        turned = {"size": part["size"][::-1], "counts": part["counts"]}
        if agree(mask_box(decode_runs(turned, turned["size"])), box):
            return " (height and width of its runs seem to be swapped)"
    if isinstance(region, Polygons):
        points = np.concatenate([np.reshape(ring, (-1, 2)) for ring in region.points])
        (left, top), (right, bottom) = points.min(0), points.max(0)
        if agree((top, left, bottom, right), box):
            return " (x and y of its points seem to be swapped)"
    return ""


def spoken(box: Box) -> str:
    left, top, right, bottom = box
    return f"x {left:g}..{right:g}, y {top:g}..{bottom:g}"
