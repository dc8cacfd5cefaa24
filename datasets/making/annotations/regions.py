"""Where an instance is, in each way that annotation files say it, as pixels.

Every region has `decode(size, annotated)`: its mask, bool [H, W], on a picture of size (H, W); its
own coordinates are in a picture of the (height, width) `annotated`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from datasets.making.label_maps import read_map

Size = tuple[int, int]
SIDES = 64  # of the polygon that stands for a circle


class NoRegionError(Exception):
    """An annotation that says nothing of where its instance is; the text is the reason."""


@dataclass(frozen=True)
class Polygons:
    """The inside of polygons, x, y, x, y, … each; shares: of width and height, not in pixels."""

    points: list[list[float]]
    shares: bool = False

    def decode(self, size: Size, annotated: Size) -> np.ndarray:
        """Raises ValueError for coordinates far outside of the picture."""
        height, width = (1, 1) if self.shares else annotated
        scale = np.array([size[1] / width, size[0] / height])
        scaled = [(np.reshape(points, (-1, 2)) * scale).reshape(-1) for points in self.points]
        if not all((np.abs(points) <= 10 * max(size)).all() for points in scaled):  # nor is NaN
            raise ValueError(f"coordinates far outside of {annotated[0]}x{annotated[1]}")
        encoded = coco_mask.frPyObjects([points.tolist() for points in scaled], *size)
        return coco_mask.decode(coco_mask.merge(encoded)).astype(bool)


@dataclass(frozen=True)
class Runs:
    """COCO's run lengths, as numbers or compressed; several parts are one instance."""

    parts: list[dict]

    def decode(self, size: Size, annotated: Size) -> np.ndarray:
        """Raises ValueError for runs that are not of such a picture."""
        mask = np.any([decode_runs(part, annotated) for part in self.parts], axis=0)
        return resized(mask, size)


@dataclass(frozen=True)
class Patch:
    """A small mask at a place (top, left) of the picture: the bytes of bool [h, w], and (h, w)."""

    pixels: bytes
    shape: Size
    place: tuple[int, int]

    def decode(self, size: Size, annotated: Size) -> np.ndarray:
        mask = np.zeros(annotated, bool)
        pixels = np.frombuffer(self.pixels, bool).reshape(self.shape)
        (top, left), (height, width) = self.place, self.shape
        first, last = np.clip([top, top + height], 0, annotated[0])
        start, stop = np.clip([left, left + width], 0, annotated[1])
        mask[first:last, start:stop] = pixels[first - top : last - top, start - left : stop - left]
        return resized(mask, size)


@dataclass(frozen=True)
class Rectangle:
    """All that is in a box: its edges left, top, right, bottom, in pixels."""

    edges: tuple[float, float, float, float]

    def decode(self, size: Size, annotated: Size) -> np.ndarray:
        """Edges at the nearest lines between pixels; what is left of a narrow box is a pixel."""
        height, width = size
        across, down = width / annotated[1], height / annotated[0]
        mask = np.zeros(size, bool)
        left, top, right, bottom = self.edges
        if right <= 0 or bottom <= 0 or left >= annotated[1] or top >= annotated[0]:
            return mask
        first, last = span(top * down, bottom * down, height)
        start, stop = span(left * across, right * across, width)
        mask[first:last, start:stop] = True
        return mask

    def reaches_out(self, annotated: Size, slack: float) -> bool:
        """Whether an edge is further than `slack` pixels outside of the picture."""
        left, top, right, bottom = self.edges
        most = max(-left, -top, right - annotated[1], bottom - annotated[0])
        return most > slack


@dataclass(frozen=True)
class MapValue:
    """The pixels of a label map that have one code; see `read_map`."""

    path: Path
    value: int

    def decode(self, size: Size, annotated: Size) -> np.ndarray:
        return resized(read_map(self.path)[0] == self.value, size)


@dataclass(frozen=True)
class Joined:
    """Several regions that are one instance."""

    parts: list["Region"]

    def decode(self, size: Size, annotated: Size) -> np.ndarray:
        return np.any([part.decode(size, annotated) for part in self.parts], axis=0)


Region = Polygons | Runs | Patch | Rectangle | MapValue | Joined


def span(start: float, stop: float, side: int) -> tuple[int, int]:
    """The pixels between two places on a side of a picture, at least one."""
    first = min(max(0, round(start)), side - 1)
    return first, min(max(first + 1, round(stop)), side)


def joined(regions: list[Region]) -> Region:
    return regions[0] if len(regions) == 1 else Joined(regions)


def resized(mask: np.ndarray, size: Size) -> np.ndarray:
    if mask.shape == size:
        return mask
    return np.asarray(Image.fromarray(mask).resize(size[::-1], Image.NEAREST))


# ---- shapes as the points of a polygon, [N, 2]


def rectangle(points: np.ndarray) -> np.ndarray:
    """The four corners of a rectangle that has two."""
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def circle(middle: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """A polygon for the circle around a point through another."""
    return ellipse(middle, *[float(np.hypot(*(rim - middle)))] * 2)


def ellipse(middle: np.ndarray, across: float, down: float, angle: float = 0.0) -> np.ndarray:
    """A polygon for an ellipse of these radii, turned by an angle in radians."""
    t = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    x, y = across * np.cos(t), down * np.sin(t)
    turned = (x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle))
    return np.asarray(middle) + np.stack(turned, 1)


# ---- what COCO files, and those of tools like it, have under "segmentation"


def region_of(segmentation) -> Region:
    """A segmentation of any kind.

    Raises NoRegionError if it has no area, ValueError if it is no segmentation.
    """
    if not segmentation:
        raise NoRegionError("without a segmentation")
    try:
        if isinstance(segmentation, dict):
            return Runs([checked_runs(segmentation)])
        if isinstance(segmentation, list) and all(
            isinstance(part, dict) and "counts" in part for part in segmentation
        ):
            return Runs([checked_runs(part) for part in segmentation])
        return polygons_of(segmentation)
    except (TypeError, KeyError, IndexError, OverflowError) as error:
        raise ValueError(str(error)) from None


def rectangle_of(box) -> Rectangle:
    """The box [x, y, width, height] of an annotation that has nothing else.

    Raises NoRegionError if there is none, ValueError if it is no box.
    """
    if not box:
        raise NoRegionError("without a segmentation or a box")
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise ValueError(f"its box {box!r} is not x, y, width and height")
    x, y, width, height = box
    return rectangle_between(x, y, x + width, y + height)


def rectangle_between(left: float, top: float, right: float, bottom: float) -> Rectangle:
    """Raises NoRegionError if there is nothing between the edges, ValueError for no numbers."""
    if not np.isfinite([left, top, right, bottom]).all():
        raise ValueError("an edge of its box is no number")
    if right <= left or bottom <= top:
        raise NoRegionError("whose box has no area")
    return Rectangle((left, top, right, bottom))


def checked_runs(part: dict) -> dict:
    height, width = part["size"]
    if not isinstance(part["counts"], (list, str, bytes)):
        raise ValueError("its counts are neither numbers nor text")
    if isinstance(part["counts"], list) and not all(map(is_number, part["counts"])):
        raise ValueError("one of its counts is no number")
    return {"size": (int(height), int(width)), "counts": part["counts"]}


def polygons_of(value) -> Polygons:
    """Polygons of at least three points, however the lists are nested."""
    rings = [[float(number) for number in ring] for ring in flat_rings(value)]
    for ring in rings:
        if len(ring) % 2:
            raise ValueError(f"{len(ring)} coordinates are not pairs")
        if not np.isfinite(ring).all():
            raise ValueError("a coordinate is no number")
    rings = [ring for ring in rings if len(ring) >= 6]  # of 4 numbers pycocotools makes a box
    if not rings:
        raise NoRegionError("without a polygon of 3 points")
    if max(map(max, rings)) <= 1:
        raise NoRegionError("with coordinates from 0 to 1, which are no pixels")
    return Polygons(rings)


def flat_rings(value) -> Iterator[list]:
    """The polygons in nested lists, each as x, y, x, y, …

    [x, y, x, y, …] or [[x, y], …] or [{x:, y:}, …] is one, as is OpenCV's [[[x, y]], [[x, y]], …];
    a list of any of these is several.
    """
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no list of points")
    if value and all(map(is_number, value)):
        yield value
        return
    points = [point_of(part) for part in value]
    if points and all(point is not None for point in points):
        yield [number for point in points for number in point]
        return
    for part in value:
        yield from flat_rings(part)


def point_of(part) -> Sequence[float] | None:
    """A point as two numbers; None if this is something else."""
    if isinstance(part, dict):
        return (part["x"], part["y"])
    if isinstance(part, list) and len(part) == 1 and isinstance(part[0], list):
        part = part[0]
    pair = isinstance(part, list) and len(part) == 2 and all(map(is_number, part))
    return part if pair else None


def is_number(value) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def decode_runs(part: dict, size: Size, order: str = "F") -> np.ndarray:
    """Runs, known to fill the picture: pycocotools does not look. Column by column, or order C."""
    if part["size"] != size:
        swapped = "; height and width may be swapped" * (part["size"] == size[::-1])
        own, other = ("x".join(map(str, sides)) for sides in (part["size"], size))
        raise ValueError(f"its size is {own}, and that of its picture {other}{swapped}")
    counts = part["counts"]
    if not isinstance(counts, list):
        counts = run_lengths(counts.encode() if isinstance(counts, str) else counts)
    runs = np.asarray(counts, np.int64)
    if runs.min(initial=0) < 0 or runs.sum() != size[0] * size[1]:
        raise ValueError(f"its runs do not fill {size[0]}x{size[1]}")
    values = np.arange(len(runs)) % 2 == 1  # background first
    return np.repeat(values, runs).reshape(size, order=order)


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
