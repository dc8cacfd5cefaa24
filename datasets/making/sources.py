"""Annotated pictures of any kind, on their way into a dataset."""

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from data.pictures import decode, to_mode

OTHER_CATEGORY = "of other categories"
NO_PIXEL = "without a pixel in the picture"
TOO_SMALL = "too small for a pixel of the written picture"
CUT_AWAY = "outside of the part of the picture that is written"
BELOW_AREA = "smaller than --min_area"
BEYOND_NUMBER = "beyond --max_instances"


@dataclass(frozen=True)
class Task:
    """One picture for one domain of one split.

    name is its stem in the dataset, the source's own id; annotation whatever the source needs to
    read its masks; files what must be there beside the picture; instances how many annotations it
    stands for, None if that is known only when it is read.
    """

    split: str
    domain: str
    name: str
    picture: Path
    annotation: Any = None
    files: tuple[Path, ...] = ()
    instances: int | None = None


@dataclass(frozen=True)
class Listing:
    """What a source can write.

    read      how many annotations its files hold, as far as that is known before pictures are read
    left_out  those of them that are in no task, counted by (domain, reason); the domain is '' for
              what belongs to neither
    """

    tasks: list[Task]
    read: int = 0
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(frozen=True)
class Annotated:
    """A picture, RGB uint8 [H, W, 3], and its masks, bool [N, H, W]; None if it has no masks.

    left_out  annotations of it that have no mask here, counted by their reason
    notes     what a user has to know of how it was read
    compared  masks that were compared with a box that their annotation gives beside them
    misfits   what is wrong with those that are not where their box is
    """

    image: np.ndarray
    masks: np.ndarray | None
    left_out: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    compared: int = 0
    misfits: tuple[str, ...] = ()

    def without_empty(self, reason: str) -> "Annotated":
        """The same without masks that have no pixel, which are counted under this reason."""
        there = self.masks.any((1, 2))
        if there.all():
            return self
        left_out = self.left_out + Counter({reason: int((~there).sum())})
        return replace(self, masks=self.masks[there], left_out=left_out)


class Source(ABC):
    """Annotated pictures of one kind, e.g. COCO.

    misfits are what `Annotated.misfits` are, and the remedy; bare: whether a picture without an
    instance is written as well.
    """

    title: str
    misfits = ("masks are not where the box beside them is", "take the boxes out of them")
    bare = False

    @abstractmethod
    def listing(self) -> Listing:
        """Everything that can be written. Raises UserError if the annotations will not do."""

    @abstractmethod
    def read(self, task: Task) -> Annotated:
        """One picture with the masks of its domain's categories, at the size to be written."""


def read_rgb(path: Path) -> np.ndarray:
    """Any picture as RGB, uint8 [H, W, 3]. Raises UnreadableError."""
    return np.asarray(to_mode(decode(path), "RGB"))


def resize(found: Annotated, size: tuple[int, int]) -> Annotated:
    """Picture and masks at another (height, width).

    A pixel belongs to a mask if more than half of what it covers does: an instance stays where the
    smoothed picture shows it, and one that covers no pixel's half is gone, which is counted.
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
    return replace(found, image=np.asarray(picture), masks=resized).without_empty(TOO_SMALL)


def center_crop(found: Annotated, size: tuple[int, int]) -> Annotated:
    """The middle of picture and masks; where the picture is too small its border is repeated.

    Masks outside of it are gone, which is counted.
    """
    sides = found.image.shape[:2]
    missing = [max(0, target - side) for target, side in zip(size, sides, strict=True)]
    margins = [(gap // 2, gap - gap // 2) for gap in missing]
    image = np.pad(found.image, (*margins, (0, 0)), mode="edge")
    masks = np.pad(found.masks, ((0, 0), *margins))
    top, left = (max(0, side - target) // 2 for side, target in zip(sides, size, strict=True))
    rows, columns = slice(top, top + size[0]), slice(left, left + size[1])
    cut = replace(found, image=image[rows, columns], masks=masks[:, rows, columns])
    return cut.without_empty(CUT_AWAY)


def choose(
    masks: np.ndarray, min_area: float, max_instances: int | None
) -> tuple[np.ndarray, Counter[str]]:
    """The largest masks, in their order, of those that are at least this share of the picture.

    Returns them, and how many are left out for which reason.
    """
    areas = masks.mean((1, 2)) if masks.size else np.zeros(0)
    by_area = [int(i) for i in np.argsort(-areas, kind="stable")]
    large = [i for i in by_area if areas[i] > 0 and areas[i] >= min_area]
    kept = large[:max_instances]
    left_out = {
        NO_PIXEL: int((areas == 0).sum()),
        BELOW_AREA: int((areas > 0).sum()) - len(large),
        BEYOND_NUMBER: len(large) - len(kept),
    }
    return masks[sorted(kept)], +Counter(left_out)


def split_components(masks: np.ndarray) -> np.ndarray:
    """Every mask as its connected parts; parts that touch at a corner are connected."""
    parts = []
    for mask in masks:
        labels, count = ndimage.label(mask, np.ones((3, 3)))
        parts += [labels == label for label in range(1, count + 1)]
    return np.stack(parts) if parts else masks[:0]
