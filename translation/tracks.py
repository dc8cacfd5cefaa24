"""Instances of a video: masks of successive frames linked, so that instance k stays instance k.

Masks are bool [N, H, W] of one frame, in any order; a track is one instance over time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from scipy.ndimage import distance_transform_edt, shift
from scipy.optimize import linear_sum_assignment

# A disk that moves by 0.87 of its radius still has it, and neighbours that touch have far less.
LEAST_IOU = 0.3
WAIT = 5  # frames for which a track that is not found is looked for, before it ends
HELD = 2  # of these, frames that show its last mask: else a missed detection blinks
RIM = 0.25  # of an instance's size, the square root of its area: as wide is the rim of its levels
STEADY = 0.5  # how much of a track's velocity comes from the frames before

Vector = tuple[float, float]  # (y, x) in pixels


class Region:
    """A mask that is not empty, with its box and centroid."""

    def __init__(self, mask: np.ndarray):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        self.mask = mask
        self.box = (int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)
        top, bottom, left, right = self.box
        inside = mask[top:bottom, left:right]
        self.area = int(np.count_nonzero(inside))
        y, x = np.nonzero(inside)
        self.centroid = (top + float(y.mean()), left + float(x.mean()))


def iou(one: Region, other: Region) -> float:
    """Intersection over union; looks at the boxes alone, for frames are large."""
    top, left = max(one.box[0], other.box[0]), max(one.box[2], other.box[2])
    bottom, right = min(one.box[1], other.box[1]), min(one.box[3], other.box[3])
    if top >= bottom or left >= right:
        return 0.0
    place = np.s_[top:bottom, left:right]
    both = int(np.count_nonzero(one.mask[place] & other.mask[place]))
    return both / (one.area + other.area - both)


def moved(values: np.ndarray, motion: Vector) -> np.ndarray:
    """[H, W] moved by whole pixels, the nearest to (y, x); what comes in at the rim is 0."""
    height, width = values.shape
    dy, dx = (round(step) for step in motion)
    out = np.zeros_like(values)
    if abs(dy) < height and abs(dx) < width:
        out[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = values[
            max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
        ]
    return out


def levels_of(region: Region) -> np.ndarray:
    """A mask as float [H, W] from 0 to 1, above 0.5 inside, with a rim where levels fall evenly.

    The average of two such has its outline between theirs. That of masks has one of the two.
    """
    rim = max(2.0, RIM * region.area**0.5)
    top, bottom, left, right = region.box
    margin = int(rim) + 1
    place = np.s_[max(top - margin, 0) : bottom + margin, max(left - margin, 0) : right + margin]
    distance = signed_distance(region.mask[place])
    levels = np.zeros(region.mask.shape, np.float32)
    levels[place] = np.clip(0.5 + distance / (2 * rim), 0, 1)
    return levels


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """Pixels from the outline of a mask [H, W], at least half a one: positive inside."""
    if mask.all():  # no outline to be seen
        return np.full(mask.shape, np.inf)
    inside = distance_transform_edt(mask)
    return np.where(mask, inside - 0.5, 0.5 - distance_transform_edt(~mask))


def shifted(levels: np.ndarray, motion: Vector) -> np.ndarray:
    """Levels [H, W] moved by parts of a pixel."""
    rows, columns = np.flatnonzero(levels.any(1)), np.flatnonzero(levels.any(0))
    dy, dx = (int(abs(step)) + 2 for step in motion)
    out = np.zeros_like(levels)
    if len(rows):
        place = np.s_[
            max(rows[0] - dy, 0) : rows[-1] + dy + 1, max(columns[0] - dx, 0) : columns[-1] + dx + 1
        ]
        out[place] = shift(levels[place], motion, order=1)
    return out


def seen_before(size: tuple[int, int], motion: Vector) -> tuple[slice, slice]:
    """The part of a frame of (height, width) that was in it before all of it moved."""
    ends = [
        (ceil(max(step, 0)), side - ceil(max(-step, 0)))
        for step, side in zip(motion, size, strict=True)
    ]
    return tuple(slice(begin, max(begin, end)) for begin, end in ends)


def motion_between(before: Region, after: Region) -> Vector:
    """Of the centroid; of what is cut off by the frame, of the edge on the other side."""
    motion = []
    for axis, side in enumerate(after.mask.shape):
        (low, high), (new_low, new_high) = (x.box[2 * axis : 2 * axis + 2] for x in (before, after))
        cut_low, cut_high = 0 in (low, new_low), side in (high, new_high)
        if cut_low == cut_high:
            motion.append(after.centroid[axis] - before.centroid[axis])
        else:
            motion.append(float(new_high - high if cut_low else new_low - low))
    return tuple(motion)


def region_of(mask: np.ndarray) -> Region | None:
    return Region(mask) if mask.any() else None


@dataclass
class Track:
    """One instance: where it was found last, and its smoothed mask as levels from 0 to 1."""

    number: int
    last: Region
    levels: np.ndarray | None  # float [H, W], for `last`; None without smoothing
    velocity: Vector = (0.0, 0.0)  # pixels per frame
    found: int = 1  # frames
    missed: int = 0  # frames since then
    ahead: Region | None = field(default=None, repr=False)  # where it is expected in this frame

    def expect(self) -> None:
        """Look one frame ahead."""
        self.missed += 1
        self.ahead = region_of(moved(self.last.mask, self.way_ahead()))

    def way_ahead(self) -> Vector:
        return (self.velocity[0] * self.missed, self.velocity[1] * self.missed)

    def likeness(self, region: Region) -> float:
        """IoU with where it is expected; if that is none, with where it was: it may have turned."""
        near = iou(self.ahead, region) if self.ahead else 0
        return near if near >= LEAST_IOU else iou(self.last, region)

    def meet(self, region: Region, smooth: float) -> None:
        """Take a mask that was found in this frame."""
        motion = self.motion_to(region)
        if smooth:
            self.blend(region, motion, min(smooth, self.found / (self.found + 1)))
        share = STEADY if self.found > 1 else 0
        now = (motion[0] / self.missed, motion[1] / self.missed)
        self.velocity = tuple(
            share * old + (1 - share) * new for old, new in zip(self.velocity, now, strict=True)
        )
        self.last, self.missed, self.found = region, 0, self.found + 1

    def motion_to(self, region: Region) -> Vector:
        """As it is seen; or as before, if that fits better: a mask may have lost a part."""
        straight, usual = motion_between(self.last, region), self.way_ahead()
        there = region_of(moved(self.last.mask, straight))
        if self.ahead and (not there or iou(self.ahead, region) > iou(there, region)):
            return usual
        return straight

    def blend(self, region: Region, motion: Vector, smooth: float) -> None:
        """An exponential average; the past goes along with the instance, or it would lag.

        At the start, with few frames before, all frames count alike, and what comes into the frame
        has no past.
        """
        past, now = shifted(self.levels, motion), levels_of(region)
        place = seen_before(now.shape, motion)
        now[place] += np.float32(smooth) * (past[place] - now[place])
        self.levels = now

    def shown(self) -> np.ndarray | None:
        """Its mask in this frame, bool [H, W]; None if it is not there.

        A track that was found only once is not held: it may have been an error.
        """
        if self.missed > min(HELD, self.found - 1):
            return None
        mask = self.last.mask if self.levels is None else self.levels > 0.5
        mask = moved(mask, self.way_ahead()) if self.missed else mask
        return mask if mask.any() else None


@dataclass(frozen=True)
class Linked:
    """Masks of a frame by the numbers of their tracks, in their order: bool [H, W] each."""

    found: dict[int, np.ndarray]
    masks: dict[int, np.ndarray]  # smoothed, and of tracks that were missed for a moment as well

    def stacked(self, size: tuple[int, int]) -> np.ndarray:
        """The masks as bool [N, H, W]."""
        masks = list(self.masks.values())
        return np.stack(masks) if masks else np.zeros((0, *size), bool)


class Tracker:
    """Links the masks of frame after frame.

    Numbers count from 0 in the order in which tracks begin, of one frame the largest first, and are
    not given twice. Whoever can take only some takes the first: they are the oldest, and stay.
    """

    def __init__(self, smooth: float = 0.0):
        """smooth is the share of a mask, from 0 to below 1, that comes from the frames before."""
        self.smooth = smooth
        self.tracks: list[Track] = []
        self.count = 0

    def step(self, masks: np.ndarray | Sequence[np.ndarray]) -> Linked:
        """Masks of the next frame, bool [N, H, W]; empty ones are left out."""
        regions = [Region(mask) for mask in masks if mask.any()]
        for track in self.tracks:
            track.expect()
        pairs = self.pairs(regions)
        for track, region in pairs:
            track.meet(region, self.smooth)
        taken = {id(region) for _, region in pairs}
        fresh = [region for region in regions if id(region) not in taken]
        for region in sorted(fresh, key=lambda own: -own.area):
            levels = levels_of(region) if self.smooth else None
            self.tracks.append(Track(self.count, region, levels))
            self.count += 1
        self.tracks = [track for track in self.tracks if track.missed <= WAIT]
        shown = {track.number: track.shown() for track in self.tracks}
        return Linked(
            {track.number: track.last.mask for track in self.tracks if not track.missed},
            {number: mask for number, mask in shown.items() if mask is not None},
        )

    def pairs(self, regions: Sequence[Region]) -> list[tuple[Track, Region]]:
        """Which region belongs to which track: the pairs with the largest sum of IoUs."""
        if not self.tracks or not regions:
            return []
        likeness = np.array([[x.likeness(region) for region in regions] for x in self.tracks])
        likeness[likeness < LEAST_IOU] = 0
        rows, columns = linear_sum_assignment(-likeness)
        return [
            (self.tracks[i], regions[k])
            for i, k in zip(rows, columns, strict=True)
            if likeness[i, k]
        ]
