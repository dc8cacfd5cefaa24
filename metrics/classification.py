"""The paper's scores: the share of translations that a classifier takes for the target class.

Tables 1 and 2; the masked score blanks everything outside the instances.
"""

from collections.abc import Sequence

import numpy as np
import torch

from metrics.base import Better, Declared, Metric, SetScore, Value, by_size, to_batch
from metrics.classifier import Classifier
from metrics.pair import Pair
from metrics.reals import RealPictures
from util.errors import UserError

BLANK = 128  # the grey of what is masked


def blanked(pixels: np.ndarray, where: np.ndarray) -> np.ndarray:
    """A picture, uint8 [H, W, 3], with grey in place of what lies outside a mask [H, W]."""
    return np.where(where[..., None], pixels, np.uint8(BLANK))


class TrainedClassifier:
    """A classifier fitted to real training pictures of both domains, masked or not."""

    def __init__(self, classifier: Classifier, train: RealPictures, masked: bool):
        self.classifier = classifier
        self.masked = masked
        pictures = {domain: self.prepared(train, domain) for domain in "AB"}
        classifier.fit(pictures)
        self.train_scores = {d: self.score(own, d, train) for d, own in pictures.items()}

    def prepared(self, pictures: RealPictures, domain: str) -> list[torch.Tensor]:
        found = [
            torch.from_numpy(blanked(image, where) if self.masked else image).permute(2, 0, 1)
            for image, where in pictures.of(domain, with_masks=self.masked)
        ]
        if not found:
            raise UserError(f"{pictures.folder(domain)} has no pictures with masks to classify")
        return found

    def score(self, pictures: list[torch.Tensor], domain: str, of: RealPictures) -> SetScore:
        """The share of a domain's real pictures that are recognised as such."""
        protocol = f"real pictures of {of.folder(domain)}, by {self.classifier.name}"
        return SetScore(self.classifier.accuracy(pictures, domain), len(pictures), protocol)


def classification_scores(name: str) -> Declared:
    """What `classification`, or `masked_classification`, gives.

    Those of real pictures say how good the classifier is, and nothing of translations.
    """
    return {name: Better.MORE, f"{name}_real_*": Better.NEITHER}


class Classification(Metric):
    """`classification` (or `masked_classification`) of every picture, and of the real ones."""

    def __init__(self, trained: TrainedClassifier, test: RealPictures, target: str):
        self.trained = trained
        self.test = test
        self.target = target
        self.name = "masked_classification" if trained.masked else "classification"

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        rows: list[dict[str, Value]] = [{} for _ in pairs]
        classifier, column = self.trained.classifier, "AB".index(self.target)
        for places in by_size(pairs):
            if self.trained.masked:  # without an instance there is nothing to show
                places = [i for i in places if pairs[i].foreground.any()]
            if not places:
                continue
            chosen = [pairs[i] for i in places]
            images = [
                blanked(pair.translated, pair.place) if self.trained.masked else pair.translated
                for pair in chosen
            ]
            scores = classifier.scores(to_batch(images, classifier.device))[:, column]
            for i, score in zip(places, scores.tolist(), strict=True):
                rows[i][self.name] = score > 0
        return rows

    def whole(self) -> dict[str, SetScore]:
        scores = {f"{self.name}_real_train": self.trained.train_scores[self.target]}
        if self.test.folder(self.target).is_dir():
            real = self.trained.prepared(self.test, self.target)
            score = self.trained.score(real, self.target, self.test)
            scores[f"{self.name}_real_{self.test.phase}"] = score
        return scores
