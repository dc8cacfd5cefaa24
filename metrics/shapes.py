"""How well disks became triangles: exact yardsticks for the shapes dataset.

Pure functions of arrays. Masks are bool [H, W] or [N, H, W], images uint8 [H, W, 3].
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from metrics.base import Better, Metric, Value
from metrics.masks import iou
from metrics.pair import Pair
from metrics.reals import Preparation
from util.errors import UserError

SHAPE_IOU = 0.75  # an instance succeeds if its shape is the target's to this IoU
STRICT_IOU = 0.85  # reported beside it
PLACE_IOU = 0.3  # and, of a mask, if its bounding box is where the source's was
PIXEL_CHANGE = 48  # of 255: a pixel shows an object if some channel differs by more
SEAM = 4  # pixels around objects in which a seam may be seen
TARGETS = {"A": "triangle", "B": "disk"}  # by the source's domain


def bounding_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """top, left, bottom, right of a mask that is not empty; bottom and right are exclusive."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return rows[0], columns[0], rows[-1] + 1, columns[-1] + 1


def box_iou(mask: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of the bounding boxes of two masks; 0 if one is empty."""
    if not (mask.any() and other.any()):
        return 0.0
    a, b = bounding_box(mask), bounding_box(other)
    height = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = height * width
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return float(shared / (areas - shared))


def ideal_shape(mask: np.ndarray, shape: str) -> np.ndarray:
    """The disk or upright equilateral triangle with the area and centroid of `mask`, [H, W]."""
    area = mask.sum()
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    dy, dx = y - y[mask].mean(), x - x[mask].mean()
    if shape == "disk":
        return dx**2 + dy**2 <= area / np.pi
    inradius = np.sqrt(area / (3 * np.sqrt(3)))
    slope = np.sqrt(3) / 2
    return (dy <= inradius) & (slope * np.abs(dx) - dy / 2 <= inradius)


def shape_success(source: np.ndarray, translated: np.ndarray, shape: str) -> tuple[float, float]:
    """IoU of a translated mask with its ideal shape, and of its box with the source's."""
    if not translated.any():
        return 0.0, 0.0
    return iou(translated, ideal_shape(translated, shape)), box_iou(translated, source)


def levels_apart(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The difference of a picture from its clean background, in levels of 255: [H, W, 3]."""
    return np.abs(image.astype(int) - background)


def shown(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Where a picture differs from its clean background as an object does, bool [H, W]."""
    return levels_apart(image, background).max(-1) > PIXEL_CHANGE


def window_of(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the box around a mask that is twice as high and wide as its own."""
    top, left, bottom, right = bounding_box(mask)
    grow_y, grow_x = (bottom - top + 1) // 2, (right - left + 1) // 2
    return (
        slice(max(top - grow_y, 0), bottom + grow_y),
        slice(max(left - grow_x, 0), right + grow_x),
    )


def image_shape_ious(
    translated: np.ndarray, background: np.ndarray, masks: np.ndarray, shape: str
) -> list[float | None]:
    """How well the target shape can be seen where each instance was: from the picture alone.

    For each source instance that overlaps no other: the pixels within twice its box that show an
    object, against the target shape of their area and centroid. Of two instances whose boxes share
    pixels, each has those that it is nearer to. None for those that overlap another.
    """
    seen = shown(translated, background)
    nearest = np.stack([distance_transform_edt(~mask) for mask in masks]).argmin(0)
    ious: list[float | None] = []
    for i, mask in enumerate(masks):
        if (np.delete(masks, i, 0) & mask).any():
            ious.append(None)
            continue
        own = np.zeros_like(seen)
        own[window_of(mask)] = True
        own &= seen & (nearest == i)
        ious.append(iou(own, ideal_shape(own, shape)) if own.any() else 0.0)
    return ious


def score_picture(pair: Pair, background: np.ndarray, shape: str) -> dict[str, Value]:
    """The yardsticks of one picture, background being its clean one [H, W, 3].

    image_shape_success     whether the shape is right in the picture, for each instance; None if it
                            overlaps another
    image_shape_success_85  the same to an IoU of 0.85
    mask_shape_success      whether the translated mask is right in shape and place, each instance
    image_mask_iou          what the picture shows against the union of the translated masks
    seam_l1                 how far the picture is from its clean background where there should be
                            background: outside the translated masks, up to SEAM pixels around them
                            and in and around those of the source; in levels of 255
    """
    scores: dict[str, Value] = {}
    if len(pair.masks):
        seen = image_shape_ious(pair.translated, background, pair.masks, shape)
        for name, enough in (("", SHAPE_IOU), ("_85", STRICT_IOU)):
            succeeds = [None if value is None else value >= enough for value in seen]
            scores[f"image_shape_success{name}"] = succeeds
    if pair.translated_masks is not None:
        matches = [
            shape_success(*masks, shape)
            for masks in zip(pair.masks, pair.translated_masks, strict=True)
        ]
        scores["mask_shape_success"] = [s >= SHAPE_IOU and p >= PLACE_IOU for s, p in matches]
    if pair.translated_foreground is not None and pair.foreground.any():
        where = shown(pair.translated, background)
        scores["image_mask_iou"] = iou(where, pair.translated_foreground)
        both = pair.foreground | pair.translated_foreground
        seam = (distance_transform_edt(~both) <= SEAM) & ~pair.translated_foreground
        if seam.any():
            scores["seam_l1"] = float(levels_apart(pair.translated, background)[seam].mean())
    return scores


def background_folder(root: Path, phase: str, domain: str) -> Path:
    return root / f"{phase}{domain}_background"


class Backgrounds:
    """The clean backgrounds that the shapes generator wrote for a phase's domain, by name."""

    def __init__(self, root: Path, phase: str, domain: str, preparation: Preparation):
        self.folder = background_folder(root, phase, domain)
        self.preparation = preparation
        if not self.folder.is_dir():
            raise UserError(
                f"{self.folder}: there is no such folder; --metrics shapes and --detector shapes "
                "are for drawn shapes (datasets/generate_shapes_dataset.py)"
            )

    def __call__(self, pair: Pair) -> np.ndarray:
        """What a pair's pictures would show without their instances, uint8 [H, W, 3]."""
        pixels = self.preparation.image(self.folder / f"{pair.name}.png")
        if pixels.shape != pair.image.shape:
            raise UserError(
                f"{self.folder / pair.name}.png is not as large as the results: translate anew "
                "without --aspect_ratio"
            )
        return pixels


class Shapes(Metric):
    """The yardsticks of drawn shapes, by their clean backgrounds."""

    scores = {
        "image_shape_success": Better.MORE,
        "image_shape_success_85": Better.MORE,
        "mask_shape_success": Better.MORE,
        "image_mask_iou": Better.MORE,
        "seam_l1": Better.LESS,
    }

    def __init__(self, source: str, background: Callable[[Pair], np.ndarray]):
        self.shape = TARGETS[source]
        self.background = background

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        return [score_picture(pair, self.background(pair), self.shape) for pair in pairs]
