"""Whether a translation is still of its picture's class: by a classifier of real target pictures.

The protocol of DA-GAN's domain adaptation (section 4.2): the classifier sees labels of the target
in training, and the model that translates does not.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from data.labels import NONE, find_labels, has_labels
from metrics.base import Better, Metric, SetScore, Value, by_size, to_batch
from metrics.classifier import Classifier
from metrics.diversity import inception_score
from metrics.pair import Pair
from metrics.reals import RealPictures
from util.errors import UserError


def by_label(reals: RealPictures, domain: str, most: int | None = None) -> dict[int, list[Tensor]]:
    """Real pictures of a domain, uint8 [3, H, W], by their labels; others are left out."""
    folder, scenes = f"{reals.phase}{domain}", reals.some(domain, False, most)
    labels = find_labels(reals.root, folder)
    found: dict[int, list[Tensor]] = {}
    images = reals.of(domain, most=most)
    for scene, (image, _) in zip(scenes, images, strict=True):
        label = labels.get(scene.name, NONE)
        if label != NONE:
            found.setdefault(label, []).append(torch.from_numpy(image).permute(2, 0, 1))
    return dict(sorted(found.items()))


class Labels(Metric):
    """`label_accuracy` of translations, and `label_accuracy_untranslated` of their sources.

    Of all together `classes_missed`, how many classes no translation is taken for, and `label_is`,
    the inception score by this classifier, in nats.
    """

    scores = {
        "label_accuracy": Better.MORE,
        "label_accuracy_untranslated": Better.NEITHER,
        "label_accuracy_real": Better.NEITHER,
        "classes_missed": Better.LESS,
        "label_is": Better.MORE,
    }

    def __init__(self, classifier: Classifier, test: RealPictures, source: str, target: str):
        """The classifier's classes are labels, as text."""
        self.classifier = classifier
        self.test = test
        self.target = target
        self.labels = find_labels(test.root, f"{test.phase}{source}")
        self.found: list[Tensor] = []  # probabilities of translations

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        rows: list[dict[str, Value]] = [{} for _ in pairs]
        for places in by_size(pairs):
            images = [[pairs[i].translated for i in places], [pairs[i].image for i in places]]
            after, before = (self.classifier.scores(to_batch(own)) for own in images)
            self.found.append(after.softmax(1).cpu())
            for row, i in enumerate(places):
                wanted = str(self.labels.get(pairs[i].name, NONE))
                if wanted in self.classifier.classes:
                    place = self.classifier.classes.index(wanted)
                    rows[i]["label_accuracy"] = bool(after[row].argmax() == place)
                    rows[i]["label_accuracy_untranslated"] = bool(before[row].argmax() == place)
        return rows

    def whole(self) -> dict[str, SetScore]:
        p = torch.cat(self.found).double()
        seen = len(p.argmax(1).unique())
        protocol = f"{len(p)} translations, by the classifier {self.classifier.name} of labels"
        scores = {
            "classes_missed": SetScore(len(self.classifier.classes) - seen, len(p), protocol),
            "label_is": SetScore(inception_score(p[:, None]), len(p), protocol),
        }
        folder = f"{self.test.phase}{self.target}"
        if self.test.folder(self.target).is_dir() and has_labels(self.test.root, folder):
            real = by_label(self.test, self.target)
            right = sum(
                self.classifier.accuracy(own, str(label)) * len(own)
                for label, own in real.items()
                if str(label) in self.classifier.classes
            )
            count = sum(map(len, real.values()))
            scores["label_accuracy_real"] = SetScore(right / max(count, 1), count, protocol)
        return scores


def fitted(
    make: Callable[[Sequence[str]], Classifier], reals: RealPictures, domain: str, most: int
) -> Classifier:
    """A classifier of the labels of a domain's real pictures, by one that make(classes) makes."""
    pictures = by_label(reals, domain, most)
    if len(pictures) < 2:
        raise UserError(
            f"--metrics labels: {reals.folder(domain)} has pictures of {len(pictures)} labels: a "
            f"file {reals.phase}{domain}_label.csv with lines STEM,number is needed"
        )
    named = {str(label): own for label, own in pictures.items()}
    classifier = make([*named])
    classifier.fit(named)
    return classifier
