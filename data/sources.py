"""Annotated pictures of any kind, on their way into a dataset."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from data.pictures import UnreadableError, decode, open_picture, to_mode


@dataclass(frozen=True)
class Task:
    """One picture for one domain of one split.

    name is its stem in the dataset, the source's own id; annotation whatever the source needs to
    read its masks; files what must be there beside the picture.
    """

    split: str
    domain: str
    name: str
    picture: Path
    annotation: Any = None
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Annotated:
    """A picture, RGB uint8 [H, W, 3], and its masks, bool [N, H, W]; None if it has no masks.

    note says what had to be done to read it.
    """

    image: np.ndarray
    masks: np.ndarray | None
    note: str = ""


class Source(ABC):
    """Annotated pictures of one kind, e.g. COCO."""

    title: str

    @abstractmethod
    def tasks(self) -> list[Task]:
        """Everything that can be written. Raises UserError if the annotations will not do."""

    @abstractmethod
    def read(self, task: Task) -> Annotated:
        """One picture with the masks of its domain's categories, at the size to be written."""


def read_rgb(path: Path) -> np.ndarray:
    """Any picture as RGB, uint8 [H, W, 3]. Raises UnreadableError."""
    return np.asarray(to_mode(decode(path), "RGB"))


def read_as_annotated(path: Path, size: tuple[int, int] | None) -> np.ndarray:
    """A picture as RGB at its annotated (height, width).

    Some tools annotate a picture as it is shown, others as it is stored, before EXIF turns it.
    Raises UnreadableError if neither fits.
    """
    shown = read_rgb(path)
    if size is None or shown.shape[:2] == size:
        return shown
    with open_picture(path) as picture:
        stored = np.asarray(to_mode(picture, "RGB"))
    if stored.shape[:2] == size:
        return stored
    height, width = shown.shape[:2]
    raise UnreadableError(path, f"it is {height}x{width} and annotated as {size[0]}x{size[1]}")


def resize(found: Annotated, size: tuple[int, int]) -> Annotated:
    """Picture and masks at another (height, width).

    A pixel belongs to a mask if more than half of what it covers does: an instance stays where the
    smoothed picture shows it, and one that covers no pixel's half is gone.
    """
    height, width = size
    if found.image.shape[:2] == size:
        return found
    picture = Image.fromarray(found.image).resize((width, height), Image.BICUBIC)
    masks = [
        np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize((width, height), Image.BOX))
        for mask in found.masks
    ]
    resized = np.stack(masks) > 127 if masks else np.zeros((0, height, width), bool)
    return replace(found, image=np.asarray(picture), masks=resized)


def center_crop(found: Annotated, size: tuple[int, int]) -> Annotated:
    """The middle of picture and masks; where the picture is too small its border is repeated."""
    sides = found.image.shape[:2]
    missing = [max(0, target - side) for target, side in zip(size, sides, strict=True)]
    margins = [(gap // 2, gap - gap // 2) for gap in missing]
    image = np.pad(found.image, (*margins, (0, 0)), mode="edge")
    masks = np.pad(found.masks, ((0, 0), *margins))
    top, left = (max(0, side - target) // 2 for side, target in zip(sides, size, strict=True))
    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
    return replace(found, image=image[rows, columns], masks=masks[:, rows, columns])


def choose(masks: np.ndarray, min_area: float, max_instances: int | None) -> np.ndarray:
    """The largest masks, in their order, of those that are at least this share of the picture."""
    areas = masks.mean((1, 2)) if masks.size else np.zeros(0)
    kept = [i for i in np.argsort(-areas, kind="stable") if areas[i] > 0 and areas[i] >= min_area]
    return masks[sorted(kept[:max_instances])]


def split_components(masks: np.ndarray) -> np.ndarray:
    """Every mask as its connected parts; parts that touch at a corner are connected."""
    parts = []
    for mask in masks:
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        parts += [labels == label for label in range(1, count + 1)]
    return np.stack(parts) if parts else masks[:0]
