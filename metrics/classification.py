"""The paper's scores: the share of translations that a classifier takes for the target class.

Tables 1 and 2; the masked score blanks everything outside the instances.
"""

from collections.abc import Sequence

import numpy as np
import torch

from metrics.base import Metric, SetScore, Value, by_size, to_batch
from metrics.classifier import Classifier
from metrics.pairs import Pair
from metrics.reals import RealPictures

BLANK = 128  # the grey of what is masked


def blanked(pixels: np.ndarray, where: np.ndarray) -> np.ndarray:
    """A picture, uint8 [H, W, 3], with grey in place of what lies outside a mask [H, W]."""
    return np.where(where[..., None], pixels, np.uint8(BLANK))


class TrainedClassifier:
    """A classifier fitted to the real training pictures, and how well it knows real pictures."""

    def __init__(
        self, classifier: Classifier, train: RealPictures, test: RealPictures, masked: bool
    ):
        self.classifier = classifier
        self.masked = masked
        shown = {phase: self.prepared(some) for phase, some in (("train", train), ("test", test))}
        classifier.fit(shown["train"])
        self.known = {
            phase: {d: (classifier.accuracy(own, d), len(own)) for d, own in pictures.items()}
            for phase, pictures in shown.items()
        }

    def prepared(self, pictures: RealPictures) -> dict[str, list[torch.Tensor]]:
        return {
            domain: [
                torch.from_numpy(blanked(image, where) if self.masked else image).permute(2, 0, 1)
                for image, where in pictures.of(domain, with_masks=self.masked)
            ]
            for domain in "AB"
        }


class Classification(Metric):
    """`classification` (or `masked_classification`) of every picture, and of the real ones."""

    def __init__(self, trained: TrainedClassifier, target: str):
        self.trained = trained
        self.target = target
        self.name = "masked_classification" if trained.masked else "classification"

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        rows: list[dict[str, Value]] = [{} for _ in pairs]
        classifier, column = self.trained.classifier, "AB".index(self.target)
        for places in by_size(pairs):
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
        name = self.trained.classifier.name
        return {
            f"{self.name}_real_{phase}": SetScore(
                *known[self.target], f"real pictures of {self.target}, by {name}"
            )
            for phase, known in self.trained.known.items()
        }
