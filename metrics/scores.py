"""Every score that evaluate.py can give: what measures it, and which of its values are better."""

from fnmatch import fnmatchcase
from typing import NamedTuple

from metrics.appearance import Appearance
from metrics.attention import Attention
from metrics.background import Background
from metrics.base import Better, Declared
from metrics.classification import classification_scores
from metrics.detection import Detection
from metrics.diversity import Diversity, InceptionScores
from metrics.features import distance_scores
from metrics.instances import Instances
from metrics.labels import Labels
from metrics.masks import Masks
from metrics.perceptual import Perceptual
from metrics.shapes import Shapes

SCORES: dict[str, Declared] = {  # by the words of --metrics
    "shapes": Shapes.scores,
    "background": Background.scores,
    "lpips": Perceptual.scores,
    "mask": Masks.scores,
    "classification": classification_scores("classification"),
    "masked_classification": classification_scores("masked_classification"),
    "fid": distance_scores("fid"),
    "kid": distance_scores("kid"),
    "detection": Detection.scores,
    "appearance": Appearance.scores,
    "diversity": Diversity.scores,
    "inception": InceptionScores.scores,
    "labels": Labels.scores,
    "attention": Attention.scores,
    "instances": Instances.scores,
}
AUTO = ("background", "mask", "shapes", "appearance")  # what `auto` measures, where it can


class Score(NamedTuple):
    """How a score is declared, the word of --metrics that gives it, and which values are better."""

    declared: str
    metric: str
    better: Better


ALL = [Score(name, word, own[name]) for word, own in SCORES.items() for name in own]
RANKING = [score.declared for score in ALL if score.better is not Better.NEITHER]


def find_score(name: str) -> Score | None:
    """The declaration of a score, by its name; None if no metric gives such a score."""
    return next((score for score in ALL if fnmatchcase(name, score.declared)), None)
