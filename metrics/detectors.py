"""Detectors for `metrics/detection.py`: torchvision's Mask R-CNN, and an exact one for shapes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import label
from torchvision.models.detection import (
    MaskRCNN_ResNet50_FPN_Weights,
    maskrcnn_resnet50_fpn,
)

from metrics.detection import Detections
from metrics.masks import iou
from metrics.pairs import Pair
from metrics.shapes import SHAPE_IOU, TARGETS, ideal_shape, shown
from metrics.weights import load_weights
from util.errors import UserError, did_you_mean

LEAST_SCORE = 0.05
COCO = {  # the 91-index ids of COCO that torchvision's detectors give, by name
    name: i
    for i, name in enumerate(MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"])
    if name not in ("__background__", "N/A")
}


class MaskRCNN:
    """torchvision's Mask R-CNN (ResNet-50, FPN) trained on COCO.

    weights is `coco`, for torchvision's own, or a file of a state dict.
    """

    def __init__(self, weights: str, device: torch.device):
        self.device = device
        self.network = maskrcnn_resnet50_fpn(
            weights=None, weights_backbone=None, box_score_thresh=LEAST_SCORE
        )
        load_weights(
            self.network,
            MaskRCNN_ResNet50_FPN_Weights.COCO_V1 if weights == "coco" else Path(weights),
            "--detector_weights",
        )
        self.network.eval().to(device)

    @torch.no_grad()
    def __call__(self, pair: Pair, category: str) -> Detections:
        pixels = torch.from_numpy(pair.translated.copy()).permute(2, 0, 1).to(self.device) / 255
        found = self.network([pixels])[0]
        keep = (found["labels"] == category_id(category)) & (found["scores"] >= LEAST_SCORE)
        masks = (found["masks"][keep, 0] > 0.5).cpu().numpy()
        return Detections(masks, found["scores"][keep].cpu().numpy())


def category_id(name: str) -> int:
    """COCO's id of a category; a UserError lists the known ones."""
    if name not in COCO:
        raise UserError(
            f"--categories {name}: the detector knows no such class; {did_you_mean(name, COCO)}"
        )
    return COCO[name]


class ShapeDetector:
    """Finds drawn shapes exactly: what differs from the clean background, in connected parts.

    A part is of the class whose ideal shape fits it better, if it fits as well as `SHAPE_IOU`; how
    well it does is its score.
    """

    def __init__(self, background: Callable[[str, tuple[int, int]], np.ndarray], least: int = 9):
        self.background = background
        self.least = least  # pixels of a part

    def __call__(self, pair: Pair, category: str) -> Detections:
        size = pair.image.shape[:2]
        parts, count = label(shown(pair.translated, self.background(pair.name, size)))
        masks = [parts == i + 1 for i in range(count)]
        fits = [
            {shape: iou(mask, ideal_shape(mask, shape)) for shape in TARGETS.values()}
            for mask in masks
        ]
        chosen = [
            (mask, fit[category])
            for mask, fit in zip(masks, fits, strict=True)
            if mask.sum() >= self.least and fit[category] >= max(*fit.values(), SHAPE_IOU)
        ]
        empty = np.zeros((0, *size), bool)
        return Detections(
            np.stack([mask for mask, _ in chosen]) if chosen else empty,
            np.array([score for _, score in chosen]),
        )
