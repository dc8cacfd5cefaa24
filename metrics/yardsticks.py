"""Metrics by name, each made for a direction; what they share is made once."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import torch

from metrics.background import Background
from metrics.base import Metric
from metrics.classification import Classification, TrainedClassifier
from metrics.classifier import Classifier
from metrics.detection import Detection, Detector
from metrics.detectors import MaskRCNN, ShapeDetector, category_id
from metrics.features import (
    INCEPTION,
    FeatureDistances,
    Features,
    classifier_features,
    inception_features,
    inception_file,
)
from metrics.masks import Masks
from metrics.pairs import swapped
from metrics.perceptual import Perceptual, load_lpips
from metrics.reals import RealPictures
from metrics.shapes import TARGETS, Backgrounds, Shapes
from util.errors import UserError

METRICS = (
    *("shapes", "background", "lpips", "mask", "classification", "masked_classification"),
    *("fid", "kid", "detection"),
)


class Yardsticks:
    """The metrics that the options ask for. size is that of the results, (H, W)."""

    def __init__(self, opt, device: torch.device):
        self.opt = opt
        self.device = device
        self.root = Path(opt.dataroot)
        self.drawn = (self.root / f"{opt.phase}A_geometry.json").is_file()
        self.names = self.chosen(opt.metrics)
        self.notes: list[str] = []
        self.trained = cache(self.train)
        self.features = cache(self.make_features)
        self.mask_rcnn = cache(lambda: MaskRCNN(opt.detector_weights, device))
        self.lpips = cache(lambda: load_lpips(device))

    def chosen(self, names: list[str]) -> list[str]:
        """The names, `auto` spelled out, in the order of METRICS."""
        usual = {"background", "mask", *(["shapes"] if self.drawn else [])}
        wanted = {*names} - {"auto"} | (usual if "auto" in names else set())
        return [name for name in METRICS if name in wanted]

    def of(self, source: str, size: tuple[int, int]) -> Iterator[Metric]:
        """The metrics of one direction."""
        target = swapped(source)
        makers: dict[str, Callable[[], Metric]] = {
            "shapes": lambda: Shapes(source, self.backgrounds(source)),
            "background": lambda: Background(self.device),
            "lpips": lambda: Perceptual(self.lpips(), self.device),
            "mask": Masks,
            "classification": lambda: Classification(self.trained(size, False), target),
            "masked_classification": lambda: Classification(self.trained(size, True), target),
            "detection": lambda: self.detection(source),
        }
        yield from (makers[name]() for name in self.names if name in makers)
        if distances := [name for name in self.names if name in ("fid", "kid")]:
            reals = self.reals(self.opt.phase, size)
            yield FeatureDistances(distances, self.features(size), reals, target, self.opt.seed)

    def backgrounds(self, source: str) -> Backgrounds:
        return Backgrounds(self.root, self.opt.phase, source)

    def reals(self, phase: str, size: tuple[int, int]) -> RealPictures:
        pictures = RealPictures(self.root, phase, size)
        for line in pictures.few():
            self.note(f"warning: {line}")
        return pictures

    def train(self, size: tuple[int, int], masked: bool) -> TrainedClassifier:
        opt = self.opt
        print(f"fitting the classifier {opt.classifier}{' to masked pictures' * masked}")
        classifier = Classifier(opt.classifier, opt.weights, self.device, opt.seed)
        train, test = (self.reals(phase, size) for phase in (opt.train_phase, opt.phase))
        return TrainedClassifier(classifier, train, test, masked)

    def make_features(self, size: tuple[int, int]) -> Features:
        path = inception_file(self.opt.inception_weights)
        if path and self.opt.features != "classifier":
            return inception_features(path, self.device)
        if self.opt.features == "inception":
            raise UserError(
                f"--features inception: put {INCEPTION} into {torch.hub.get_dir()}/checkpoints, or "
                "name the file: --inception_weights FILE"
            )
        self.note(
            f"FID and KID use the features of the classifier {self.opt.classifier}: numbers to "
            "compare with one another, not with those of papers"
        )
        return classifier_features(self.trained(size, False).classifier)

    def detection(self, source: str) -> Detection:
        kind = self.opt.detector
        if kind == "shapes" or (kind == "auto" and self.drawn):
            detector: Detector = ShapeDetector(self.backgrounds(source))
            return Detection(detector, TARGETS[source], "the exact detector of drawn shapes")
        classes = self.opt.categories
        if {*classes} != {"A", "B"}:
            raise UserError("--metrics detection: name the two classes, --categories sheep,giraffe")
        for name in classes.values():
            category_id(name)
        protocol = f"Mask R-CNN (ResNet-50, FPN), weights {self.opt.detector_weights}"
        return Detection(self.mask_rcnn(), classes[swapped(source)], protocol)

    def note(self, text: str) -> None:
        """Something that a reader of the scores has to know, said once."""
        if text not in self.notes:
            self.notes.append(text)
            print(text)
