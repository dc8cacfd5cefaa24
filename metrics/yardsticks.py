"""Metrics by name, each made for a direction of a folder; what they share is made once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from metrics.appearance import Appearance, looks_file, read_looks
from metrics.attention import Attention
from metrics.background import Background
from metrics.base import Metric
from metrics.classification import Classification
from metrics.detection import Detection
from metrics.detectors import ShapeDetector, category_id
from metrics.diversity import (
    Diversity,
    InceptionScores,
    classifier_distance,
    lpips_distance,
)
from metrics.features import (
    FeatureDistances,
    check_package,
)
from metrics.instances import Instances
from metrics.labels import Labels
from metrics.learned import Learned
from metrics.masks import Masks
from metrics.pairs import PairFolder
from metrics.perceptual import Perceptual
from metrics.provenance import check_sources, untranslated
from metrics.reals import Preparation
from metrics.scores import AUTO, SCORES
from metrics.shapes import TARGETS, Backgrounds, Shapes, background_folder
from util.errors import UserError

METRICS = tuple(SCORES)
SOME = 60  # real pictures of a domain that are compared with one another
BY_CLASSIFIER = {"classification", "masked_classification", "inception", "labels"}
OF_MASKS = (
    *("shapes", "background", "lpips", "mask", "masked_classification", "detection"),
    *("appearance", "instances"),
)


@dataclass(frozen=True)
class Subject:
    """One direction of a folder: what is scored, and what it was made of."""

    folder: Path
    source: str
    target: str
    root: Path
    phase: str
    preparation: Preparation
    annotated: bool
    suited: Sequence[str]  # metrics that suit the model

    @property
    def drawn(self) -> bool:
        return (self.root / f"{self.phase}{self.source}_geometry.json").is_file()

    def backgrounds(self) -> Backgrounds:
        return Backgrounds(self.root, self.phase, self.source, self.preparation)


class Yardsticks:
    """The metrics that the options ask for; what cannot be had is said at once."""

    def __init__(self, opt, device: torch.device):
        self.opt = opt
        self.device = device
        self.root = Path(opt.dataroot)
        self.notes: list[str] = []  # what a reader of a folder's scores has to know
        self.said: set[str] = set()
        self.shared = Learned(opt, device)
        self.check()

    def check(self) -> None:
        """Raise UserError for packages, weights and names that are not there."""
        names = {*self.opt.metrics}
        drawn = any(self.root.glob("*_geometry.json"))
        distances = names & {"fid", "kid"}
        if distances:
            check_package()
            self.shared.inception()
        by_features = "diversity" in names and not self.shared.by_lpips()
        if names & BY_CLASSIFIER or by_features or (distances and not self.shared.inception()):
            self.shared.classifier()
        if "lpips" in names or ("diversity" in names and not by_features):
            self.shared.lpips()
        by_shape = self.opt.detector == "shapes" or (self.opt.detector == "auto" and drawn)
        if "detection" in names and not by_shape:
            self.check_categories()
            self.shared.mask_rcnn()

    def check_categories(self) -> None:
        if {*self.opt.categories} != {"A", "B"}:
            raise UserError("--metrics detection: name the two classes, --categories sheep,giraffe")
        for name in self.opt.categories.values():
            category_id(name)

    # ---- the metrics of a direction

    def subject(self, folder: PairFolder, source: str) -> Subject:
        """A direction of a folder, in the phase that was translated."""
        said = folder.listing["data"]["phase"] if folder.listing else None
        if said and self.opt.phase and said != self.opt.phase:
            raise UserError(f"--phase {self.opt.phase}: {folder.folder} has results of {said}")
        size = folder.pairs[source][0].load().image.shape[:2]
        preparation = Preparation.of(folder.listing, size)
        phase = said or self.opt.phase or "test"
        annotated = folder.annotated(source)
        suited = (folder.listing or {}).get("scored_by") or AUTO
        subject = Subject(
            folder.folder, *folder.ways[source], self.root, phase, preparation, annotated, suited
        )
        if folder.listing or self.reads_by_name(subject):
            check_sources(folder, source, self.root, phase, preparation)
        self.warn(untranslated(folder, source, self.root, phase))
        return subject

    def reads_by_name(self, subject: Subject) -> bool:
        """Whether a metric takes a clean background of each picture from the dataset."""
        names = self.names(subject)
        wanted = "shapes" in names or ("detection" in names and self.detects_shapes(subject))
        folder = background_folder(self.root, subject.phase, subject.source)
        return wanted and folder.is_dir()

    def knows_looks(self, subject: Subject) -> bool:
        return looks_file(self.root, subject.phase, subject.target).is_file()

    def detects_shapes(self, subject: Subject) -> bool:
        kind = self.opt.detector
        return kind == "shapes" or (kind == "auto" and subject.drawn)

    def names(self, subject: Subject) -> list[str]:
        """The metrics for it, `auto` spelled out, in the order of METRICS."""
        usual = {*subject.suited} - (set() if subject.drawn else {"shapes"})
        usual = usual - {"appearance"} | ({"appearance"} if self.knows_looks(subject) else set())
        wanted = {*self.opt.metrics} - {"auto"}
        if not subject.annotated:
            if refused := [name for name in METRICS if name in wanted & {*OF_MASKS}]:
                raise UserError(
                    f"--metrics {refused[0]}: {subject.folder} has no masks of {subject.source}, "
                    f"images/STEM_real_{subject.source}_mask_0.png"
                )
            self.note(f"no masks in {subject.folder}: nothing is known of its background")
        elif "auto" in self.opt.metrics:
            wanted |= usual
        if not wanted:
            self.note(
                f"auto: nothing of it suits these results of {subject.source}: name what to "
                "measure, such as --metrics diversity,inception,fid (see evaluate.py --help)"
            )
        return [name for name in METRICS if name in wanted]

    def of(self, subject: Subject) -> Iterator[Metric]:
        """The metrics of one direction."""
        names = self.names(subject)
        makers: dict[str, Callable[[], Metric]] = {
            "shapes": lambda: Shapes(subject.source, subject.backgrounds()),
            "background": lambda: Background(self.device),
            "lpips": lambda: Perceptual(self.shared.lpips(), self.device),
            "mask": Masks,
            "classification": lambda: self.classification(subject, False),
            "masked_classification": lambda: self.classification(subject, True),
            "detection": lambda: self.detection(subject),
            "appearance": lambda: self.appearance(subject),
            "diversity": lambda: self.diversity(subject),
            "inception": lambda: self.inception_scores(subject),
            "labels": lambda: self.labels(subject),
            "attention": Attention,
            "instances": Instances,
        }
        yield from (makers[name]() for name in names if name in makers)
        if distances := [name for name in names if name in ("fid", "kid")]:
            reals = self.shared.reals(subject.phase, subject.preparation)
            self.warn(reals.few(subject.target))
            if not self.shared.inception():
                self.warn_of_training(subject, False)
                self.note(
                    f"FID and KID use the features of the classifier {self.opt.classifier}: to be "
                    "compared with one another, not with those of papers"
                )
            features = self.shared.features(subject.preparation)
            yield FeatureDistances(distances, features, reals, subject.target, self.opt.seed)

    def classification(self, subject: Subject, masked: bool) -> Classification:
        trained = self.shared.trained(subject.preparation, masked)
        self.warn_of_training(subject, masked)
        test = self.shared.reals(subject.phase, subject.preparation)
        if test.folder(subject.target).is_dir():
            self.warn(test.few(subject.target, masked))
        return Classification(trained, test, subject.target)

    def warn_of_training(self, subject: Subject, masked: bool) -> None:
        for domain in "AB":
            train = self.shared.reals(self.opt.train_phase, subject.preparation)
            self.warn(train.few(domain, masked))

    def detection(self, subject: Subject) -> Detection:
        if self.detects_shapes(subject):
            detector = ShapeDetector(subject.backgrounds())
            return Detection(detector, TARGETS[subject.source], "the exact detector of shapes")
        self.check_categories()
        protocol = f"Mask R-CNN (ResNet-50, FPN), weights {self.opt.detector_weights}"
        return Detection(self.shared.mask_rcnn(), self.opt.categories[subject.target], protocol)

    def appearance(self, subject: Subject) -> Appearance:
        if not self.knows_looks(subject):
            raise UserError(
                f"--metrics appearance: {looks_file(self.root, subject.phase, subject.target)} is "
                "missing; it is for pictures of generate_shapes_dataset.py --task appearance"
            )
        return Appearance(read_looks(self.root, subject.phase, subject.target))

    def diversity(self, subject: Subject) -> Diversity:
        real = self.shared.reals(subject.phase, subject.preparation)
        there = real.folder(subject.target).is_dir()
        reals = [image for image, _ in real.of(subject.target, most=SOME)] if there else []
        if self.shared.by_lpips():
            return Diversity("lpips", lpips_distance(self.shared.lpips()), reals, self.device)
        self.warn_of_training(subject, False)
        self.note(
            f"diversity is in the features of the classifier {self.opt.classifier}: to be compared "
            "with one another, not with LPIPS of papers"
        )
        classifier = self.shared.trained(subject.preparation, False).classifier
        return Diversity(self.opt.classifier, classifier_distance(classifier), reals, self.device)

    def inception_scores(self, subject: Subject) -> InceptionScores:
        self.warn_of_training(subject, False)
        classifier = self.shared.sorter(subject.preparation)
        name = f"{classifier.name} of {', '.join(classifier.classes)}"
        return InceptionScores(
            lambda pictures: classifier.scores(pictures).softmax(1), name, self.device
        )

    def labels(self, subject: Subject) -> Labels:
        test = self.shared.reals(subject.phase, subject.preparation)
        classifier = self.shared.reader(subject.preparation, subject.target)
        return Labels(classifier, test, subject.source, subject.target)

    # ---- notes

    def warn(self, text: str) -> None:
        if text:
            self.note(text)

    def note(self, text: str) -> None:
        """Something that a reader of the scores has to know; it is printed once."""
        if text not in self.notes:
            self.notes.append(text)
        if text not in self.said:
            self.said.add(text)
            print(text)
