"""Real pictures, networks and what is fitted to them: made once for all directions and folders."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch

from metrics.appearance import by_class
from metrics.classification import TrainedClassifier
from metrics.classifier import Classifier
from metrics.detectors import MaskRCNN
from metrics.features import (
    INCEPTION,
    Features,
    classifier_features,
    inception_features,
    inception_file,
)
from metrics.labels import fitted
from metrics.perceptual import load_lpips, lpips_at_hand
from metrics.reals import Preparation, RealPictures
from util.errors import UserError

MANY = 2000  # real pictures of a domain that its looks are learnt from,
LABELLED = 20_000  # and its labels


class Learned:
    """What metrics share, by the options of evaluate.py."""

    def __init__(self, opt, device: torch.device):
        self.opt = opt
        self.device = device
        self.root = Path(opt.dataroot)
        self.trained, self.features, self.reals = map(cache, (self.train, self.find, self.real))
        self.sorter, self.reader = cache(self.sort), cache(self.read)
        self.mask_rcnn = cache(lambda: MaskRCNN(opt.detector_weights, device))
        asked = "--metrics lpips" if "lpips" in opt.metrics else "--distance lpips"
        self.lpips = cache(lambda: load_lpips(device, asked))

    def real(self, phase: str, preparation: Preparation) -> RealPictures:
        return RealPictures(self.root, phase, preparation)

    def classifier(self) -> Classifier:
        opt = self.opt
        return Classifier(opt.classifier, opt.classifier_weights, self.device, opt.seed)

    def train(self, preparation: Preparation, masked: bool) -> TrainedClassifier:
        opt = self.opt
        print(f"fitting the classifier {opt.classifier}{' to masked pictures' * masked}")
        reals = self.reals(opt.train_phase, preparation)
        return TrainedClassifier(self.classifier(), reals, masked)

    def sort(self, preparation: Preparation) -> Classifier:
        """A classifier of domains, and of the modes of their pictures where these are known."""
        opt = self.opt
        pictures = by_class(self.reals(opt.train_phase, preparation), MANY)
        print(f"fitting the classifier {opt.classifier} to {', '.join(pictures)}")
        classifier = self.classifier_of([*pictures])
        classifier.fit(pictures)
        return classifier

    def classifier_of(self, classes: Sequence[str]) -> Classifier:
        """One that tells classes apart, not trained yet."""
        opt = self.opt
        weights = (opt.classifier, opt.classifier_weights, self.device, opt.seed)
        return Classifier(*weights, classes, exclusive=True)

    def read(self, preparation: Preparation, domain: str) -> Classifier:
        """A classifier of the labels of a domain's real pictures."""
        print(f"fitting the classifier {self.opt.classifier} to the labels of {domain}")
        reals = self.reals(self.opt.train_phase, preparation)
        return fitted(self.classifier_of, reals, domain, LABELLED)

    def inception(self) -> Path | None:
        """Inception's weights, if FID and KID are to use them."""
        path = inception_file(self.opt.inception_weights)
        if self.opt.features == "inception" and not path:
            raise UserError(
                f"--features inception: put {INCEPTION} into {torch.hub.get_dir()}/checkpoints, or "
                "name the file: --inception_weights FILE"
            )
        return path if self.opt.features != "classifier" else None

    def find(self, preparation: Preparation) -> Features:
        if path := self.inception():
            return inception_features(path, self.device)
        return classifier_features(self.trained(preparation, False).classifier)

    def by_lpips(self) -> bool:
        kind = self.opt.distance
        return kind == "lpips" or (kind == "auto" and lpips_at_hand())
