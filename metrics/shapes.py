"""How well disks became triangles: exact yardsticks for the shapes dataset.

Pure functions of arrays. Masks are bool [H, W] or [N, H, W], images uint8 [H, W, 3].
"""

from pathlib import Path

import numpy as np
import torch

from data.base_dataset import generator_for
from data.pictures import read_image
from data.scene import Scene
from data.transforms import Preprocessing, draw_crop, fit, resize_image
from util.images import to_pixels

YARDSTICKS = ("mask_shape_success", "image_mask_iou", "background_l1")
THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)  # of the shape's IoU alone
SHAPE_IOU = 0.75  # an instance succeeds if its mask is the target shape to this IoU
PLACE_IOU = 0.3  # and its bounding box is where the source's was
PIXEL_CHANGE = 48  # of 255: a pixel shows an object if some channel differs by more
TARGETS = {"AtoB": "triangle", "BtoA": "disk"}


def iou(mask: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks; of two empty ones, 0."""
    return float((mask & other).sum() / max((mask | other).sum(), 1))


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


def score_picture(
    source_image: np.ndarray,
    translated_image: np.ndarray,
    background: np.ndarray,
    source_masks: np.ndarray,
    translated_masks: np.ndarray,
    shape: str,
) -> dict:
    """The yardsticks of one picture; masks are [N, H, W] in the same order before and after.

    mask_shape_success  N times True or False
    image_mask_iou      what differs from the clean background against the union of translated masks
    background_l1       mean absolute change (0 to 255) outside source and translated masks,
                        None if they leave nothing
    """
    matches = [
        shape_success(*pair, shape) for pair in zip(source_masks, translated_masks, strict=True)
    ]
    changed = np.abs(translated_image.astype(int) - background).max(-1) > PIXEL_CHANGE
    outside = ~(source_masks.any(0) | translated_masks.any(0))
    change = np.abs(translated_image.astype(int) - source_image)[outside]
    return {
        "mask_shape_success": [s >= SHAPE_IOU and p >= PLACE_IOU for s, p in matches],
        "shape_iou": [s for s, _ in matches],
        "place_iou": [p for _, p in matches],
        "image_mask_iou": iou(changed, translated_masks.any(0)),
        "background_l1": float(change.mean()) if outside.any() else None,
    }


class Scores:
    """The yardsticks over a whole test set; empty if the dataset is not one of drawn shapes.

    how is what brought the pictures to size, None if nothing did: the backgrounds go the same way.
    """

    def __init__(self, root: Path, phase: str, how: Preprocessing | None = None):
        self.root = root
        self.phase = phase
        self.how = how
        self.pictures: dict[str, dict[str, dict]] = {}

    def add(self, real: Scene, fake: Scene, domain: str) -> None:
        """Score a batch that was translated from `domain`."""
        if not (self.root / f"{self.phase}{domain}_geometry.json").is_file():
            return
        direction = "AtoB" if domain == "A" else "BtoA"
        scored = self.pictures.setdefault(direction, {})
        for i, name in enumerate(real.names):
            image, translated = (np.atleast_3d(to_pixels(x.image[i])) for x in (real, fake))
            instances = len(real.numbers[i])
            scored[name] = score_picture(
                image,
                translated,
                self.background(domain, name, image.shape[2]),
                real.masks[i, :instances].numpy() > 0,
                fake.masks[i, :instances].numpy() > 0,
                TARGETS[direction],
            )

    def background(self, domain: str, name: str, channels: int) -> np.ndarray:
        """The clean background of a picture as its translation shows it, [H, W, channels]."""
        path = self.root / f"{self.phase}{domain}_background" / f"{name}.png"
        pixels = torch.from_numpy(read_image(path, channels))
        if self.how:
            size = fit(pixels.shape[-2:], self.how, name)
            crop = draw_crop(size, self.how, generator_for(0))
            pixels = crop.cut(resize_image(pixels, size))
        return pixels.permute(1, 2, 0).numpy()

    def values(self, direction: str, name: str) -> list[float]:
        """One value per picture that has one, or per instance for what is counted in instances."""
        values = [picture[name] for picture in self.pictures[direction].values()]
        if values and isinstance(values[0], list):
            values = [value for picture in values for value in picture]
        return [float(value) for value in values if value is not None]

    def summary(self) -> dict[str, dict[str, float | None]]:
        """The mean of each yardstick per direction; None where no picture has a value."""
        return self._each(lambda values: round(float(np.mean(values)), 4) if values else None)

    def intervals(self) -> dict[str, dict[str, tuple[float, float] | None]]:
        """95 per cent bootstrap intervals of the means."""
        return self._each(lambda values: bootstrap_interval(values) if values else None)

    def _each(self, function) -> dict[str, dict]:
        return {
            direction: {name: function(self.values(direction, name)) for name in YARDSTICKS}
            for direction in self.pictures
        }

    def detail(self) -> dict[str, dict]:
        """Intervals, success at further thresholds, and the values of every picture."""
        intervals = self.intervals()
        return {
            direction: {
                "intervals_95": intervals[direction],
                "shape_iou_at_least": {
                    str(threshold): float(
                        np.mean(
                            [value >= threshold for value in self.values(direction, "shape_iou")]
                        )
                    )
                    for threshold in THRESHOLDS
                },
                "pictures": pictures,
            }
            for direction, pictures in self.pictures.items()
        }


def bootstrap_interval(values: list[float], draws: int = 1000) -> tuple[float, float]:
    """The 2.5 and 97.5 percentiles of the mean over resampled values, always the same."""
    rng = np.random.default_rng(0)
    means = rng.choice(values, (draws, len(values))).mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)
