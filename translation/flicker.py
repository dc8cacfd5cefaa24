"""How much a video flickers, told without optical flow: numbers for background and masks.

0 is a still picture, or shapes that move without changing.
"""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import shift

from translation.tracks import Region, iou

Masks = Mapping[int, np.ndarray]  # bool [H, W], by the number of the instance
KINDS = ("found", "smoothed", "translated")  # masks


def change(before: np.ndarray, after: np.ndarray, inside: np.ndarray) -> float | None:
    """Mean absolute difference of two pictures, uint8 [H, W, C], of 255, where no instance is.

    inside is bool [H, W]; None if it is everywhere.
    """
    outside = ~inside
    if not outside.any():
        return None
    return float(np.abs(before[outside].astype(np.int16) - after[outside]).mean())


def shape_change(before: np.ndarray, after: np.ndarray) -> float:
    """1 - IoU of two masks, bool [H, W], the first moved onto the centroid of the second.

    That is by parts of a pixel: rounding would count as a change of shape.
    """
    one, other = Region(before), Region(after)
    motion = np.subtract(other.centroid, one.centroid)
    place = around(one, other)
    there = shift(before[place].astype(np.float32), motion, order=1) > 0.5
    if not there.any():
        return 1.0
    return 1 - iou(Region(there), Region(after[place]))


def around(before: Region, after: Region) -> tuple[slice, slice]:
    """A part of the frame that holds both, the first wherever it is moved: frames are large."""
    top, left = min(before.box[0], after.box[0]), min(before.box[2], after.box[2])
    bottom, right = max(before.box[1], after.box[1]), max(before.box[3], after.box[3])
    height, width = before.box[1] - before.box[0], before.box[3] - before.box[2]
    return np.s_[
        max(top - height - 1, 0) : bottom + height + 1, max(left - width - 1, 0) : right + width + 1
    ]


class Mean:
    """The mean of numbers that are not kept: a video may be long."""

    def __init__(self):
        self.sum, self.count = 0.0, 0

    def add(self, *values: float) -> None:
        self.sum, self.count = self.sum + sum(values), self.count + len(values)

    @property
    def value(self) -> float | None:
        """None before the first number."""
        return self.sum / self.count if self.count else None


class ShapeFlicker:
    """Mean `shape_change` of the masks of a video, over successive frames and instances."""

    def __init__(self):
        self.mean = Mean()
        self.last: Masks = {}  # of the frame before
        self.seen: set[int] = set()  # all numbers until now

    def add(self, masks: Masks) -> None:
        """The next frame. An instance that was away has changed twice, by 1 each time."""
        masks = {number: mask for number, mask in masks.items() if mask.any()}
        for number, mask in masks.items():
            if number in self.last:
                self.mean.add(shape_change(self.last[number], mask))
            elif number in self.seen:
                self.mean.add(1, 1)
        self.last = masks
        self.seen |= {*masks}

    @property
    def score(self) -> float | None:
        """None before an instance was seen twice."""
        return self.mean.value


class Flicker:
    """The scores of a video and its translation, frame by frame."""

    def __init__(self):
        self.shapes = {kind: ShapeFlicker() for kind in KINDS}
        self.changes = {"source": Mean(), "output": Mean()}
        self.last: tuple[dict[str, np.ndarray], np.ndarray] | None = None

    def add(self, source: np.ndarray, output: np.ndarray, masks: Mapping[str, Masks]) -> None:
        """The next frame, uint8 [H, W, C], its translation, and its masks of each of KINDS."""
        inside = np.zeros(source.shape[:2], bool)
        for kind, own in masks.items():
            self.shapes[kind].add(own)
            for mask in own.values():
                inside |= mask
        pictures = {"source": source, "output": output}
        if self.last:
            before, inside_before = self.last
            for name, pixels in pictures.items():
                value = change(before[name], pixels, inside | inside_before)
                if value is not None:
                    self.changes[name].add(value)
        self.last = (pictures, inside)

    def scores(self) -> dict[str, float]:
        """`source` and `output`: change outside of instances, of 255; `found`, `smoothed` and
        `translated`: change of the shape of masks, 0 to 1. What cannot be told is left out.
        """
        means = {name: mean.value for name, mean in self.changes.items()}
        means |= {kind: shape.score for kind, shape in self.shapes.items()}
        return {name: value for name, value in means.items() if value is not None}
