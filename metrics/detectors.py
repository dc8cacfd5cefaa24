"""Detectors for `metrics/detection.py`: torchvision's Mask R-CNN, and an exact one for shapes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import label
from torch import nn
from torchvision.models.detection import MaskRCNN as torchvision_mask_rcnn  # noqa: N813
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from metrics.base import to_batch
from metrics.detection import Detections
from metrics.masks import iou
from metrics.pair import Pair
from metrics.shapes import SHAPE_IOU, TARGETS, ideal_shape, shown
from training.pretrained import load_weights
from util.errors import UserError, did_you_mean

COCO_CLASSES = 91
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

    def __init__(self, weights: str, device: torch.device, flag: str = "--detector_weights"):
        self.device = device
        self.network = build_mask_rcnn()
        load_weights(
            self.network,
            MaskRCNN_ResNet50_FPN_Weights.COCO_V1 if weights == "coco" else Path(weights),
            flag,
        )
        self.network.eval().to(device)

    def __call__(self, pairs: Sequence[Pair], category: str) -> list[Detections]:
        return self.find([pair.translated for pair in pairs], category_id(category))

    @torch.no_grad()
    def find(self, images: Sequence[np.ndarray], number: int) -> list[Detections]:
        """What there is of a category, by COCO's id, in pictures uint8 [H, W, 3]."""
        pixels = [to_batch([image], self.device)[0] / 255 for image in images]
        return [self.of_class(found, number) for found in self.network(pixels)]

    def of_class(self, found: dict[str, torch.Tensor], number: int) -> Detections:
        keep = (found["labels"] == number) & (found["scores"] >= LEAST_SCORE)
        masks = (found["masks"][keep, 0] > 0.5).cpu().numpy()
        return Detections(masks, found["scores"][keep].cpu().numpy())


def build_mask_rcnn() -> nn.Module:
    """The network that torchvision's COCO weights fit: frozen batch norms without an epsilon."""
    backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None)
    network = torchvision_mask_rcnn(backbone, COCO_CLASSES, box_score_thresh=LEAST_SCORE)
    for layer in network.modules():
        if isinstance(layer, FrozenBatchNorm2d):
            layer.eps = 0.0
    return network


def category_id(name: str, flag: str = "--categories ") -> int:
    """COCO's id of a category; a UserError, naming the flag, lists the known ones."""
    if name not in COCO:
        raise UserError(
            f"{flag}{name}: the detector knows no such class; {did_you_mean(name, COCO)}"
        )
    return COCO[name]


class ShapeDetector:
    """Finds drawn shapes exactly: what differs from the clean background, in connected parts.

    A part is of the class whose ideal shape fits it better, if it fits as well as `SHAPE_IOU`; how
    well it does is its score.
    """

    def __init__(self, background: Callable[[Pair], np.ndarray], least: int = 9):
        self.background = background
        self.least = least  # pixels of a part

    def __call__(self, pairs: Sequence[Pair], category: str) -> list[Detections]:
        return [self.find(pair, category) for pair in pairs]

    def find(self, pair: Pair, category: str) -> Detections:
        parts, count = label(shown(pair.translated, self.background(pair)))
        masks = [parts == i + 1 for i in range(count)]
        masks = [mask for mask in masks if mask.sum() >= self.least]
        fits = [{s: iou(mask, ideal_shape(mask, s)) for s in TARGETS.values()} for mask in masks]
        chosen = [
            (mask, fit[category])
            for mask, fit in zip(masks, fits, strict=True)
            if fit[category] >= max(*fit.values(), SHAPE_IOU)
        ]
        empty = np.zeros((0, *pair.image.shape[:2]), bool)
        return Detections(
            np.stack([mask for mask, _ in chosen]) if chosen else empty,
            np.array([score for _, score in chosen]),
        )
