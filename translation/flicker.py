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


def around(one: Region, other: Region) -> tuple[slice, slice]:
    """A part of the frame that holds both: frames are large."""
    top, left = min(one.box[0], other.box[0]), min(one.box[2], other.box[2])
    bottom, right = max(one.box[1], other.box[1]), max(one.box[3], other.box[3])
    return np.s_[top:bottom, left:right]


class ShapeFlicker:
    """Mean `shape_change` of the masks of a video, over successive frames and instances."""

    def __init__(self):
        self.changes: list[float] = []
        self.seen: dict[int, tuple[int, np.ndarray]] = {}  # number -> its last frame and mask
        self.frames = 0

    def add(self, masks: Masks) -> None:
        """The next frame. An instance that was away has changed twice, by 1 each time."""
        for number, mask in masks.items():
            if not mask.any():
                continue
            frame, before = self.seen.get(number, (self.frames, None))
            if before is not None and frame == self.frames - 1:
                self.changes.append(shape_change(before, mask))
            elif before is not None:
                self.changes += [1.0, 1.0]
            self.seen[number] = (self.frames, mask)
        self.frames += 1

    @property
    def score(self) -> float | None:
        """None before an instance was seen twice."""
        return float(np.mean(self.changes)) if self.changes else None


class Flicker:
    """The scores of a video and its translation, frame by frame."""

    def __init__(self):
        self.shapes = {kind: ShapeFlicker() for kind in KINDS}
        self.changes: dict[str, list[float]] = {"source": [], "output": []}
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
                self.changes[name] += [] if value is None else [value]
        self.last = (pictures, inside)

    def scores(self) -> dict[str, float]:
        """`source` and `output`: change outside of instances, of 255; `found`, `smoothed` and
        `translated`: change of the shape of masks, 0 to 1. What cannot be told is left out.
        """
        means = {name: np.mean(values) for name, values in self.changes.items() if values}
        means |= {kind: shape.score for kind, shape in self.shapes.items()}
        return {name: float(value) for name, value in means.items() if value is not None}
