"""MMR, MODS and MVIS of MGD-GAN (Su et al., IJCAI 2021): can a detector find what was drawn?

The paper leaves the exact rule to an appendix that is not public. This is one of two readings that
fit its printed numbers; the other is computed beside it (`pooled`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from metrics.base import Better, Metric, SetScore, Value
from metrics.masks import iou
from metrics.pair import Pair

NAMES = ("mmr", "mods", "mvis")
MATCH_IOU = 0.5  # a mask and a detection match from here on


@dataclass(frozen=True)
class Detections:
    """What a detector found of one class: masks bool [M, H, W] and scores [M] in 0 ... 1."""

    masks: np.ndarray
    scores: np.ndarray


Detector = Callable[[Sequence[Pair], str], list[Detections]]  # in translations, of a class


def pairwise_iou(masks: np.ndarray, detected: np.ndarray) -> np.ndarray:
    """IoU of every mask [N, H, W] with every detection [M, H, W]: [N, M]."""
    table = [[iou(mask, other) for other in detected] for mask in masks]
    return np.array(table).reshape(len(masks), len(detected))


def match(overlap: np.ndarray, threshold: float = MATCH_IOU) -> list[tuple[int, int]]:
    """Greedy one-to-one matching of IoUs [N, M]: the largest first, as long as they suffice."""
    overlap, pairs = overlap.copy(), []
    while overlap.size and overlap.max() >= threshold:
        i, j = np.unravel_index(overlap.argmax(), overlap.shape)
        pairs.append((int(i), int(j)))
        overlap[i], overlap[:, j] = -1, -1
    return pairs


def match_scores(overlap: np.ndarray, scores: np.ndarray) -> tuple[float, float, float]:
    """MR, ODS and VIS of one picture with N >= 1 masks, from IoUs [N, M] and scores [M].

    The share of masks that were matched, and the mean score and IoU of the matched ones (0 if
    there are none).
    """
    pairs = match(overlap)
    if not pairs:
        return 0.0, 0.0, 0.0
    rows, columns = zip(*pairs, strict=True)
    return (
        len(pairs) / len(overlap),
        float(scores[list(columns)].mean()),
        float(overlap[list(rows), list(columns)].mean()),
    )


def pooled_scores(overlap: np.ndarray, scores: np.ndarray) -> list[tuple[float, float, float]]:
    """The other reading: for each mask its best detection's match, score and IoU, else 0."""
    if not overlap.size:
        return [(0.0, 0.0, 0.0) for _ in overlap]
    best = overlap.argmax(1)
    return [
        (float(row[j] >= MATCH_IOU), float(scores[j]), float(row[j])) if row[j] > 0 else (0.0,) * 3
        for row, j in zip(overlap, best, strict=True)
    ]


class Detection(Metric):
    """`mmr`, `mods` and `mvis`, in per cent: the means over the pictures that have an instance.

    detector finds objects of the class `category`; protocol says which one it is.
    """

    scores = {name + end: Better.MORE for name in NAMES for end in ("", "_pooled")}

    def __init__(self, detector: Detector, category: str, protocol: str):
        self.detector = detector
        self.category = category
        self.protocol = protocol
        self.pooled: list[tuple[float, float, float]] = []

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        rows: list[dict[str, Value]] = [{} for _ in pairs]
        places = [i for i, p in enumerate(pairs) if p.foreground.any() and not p.unpaired]
        there = [pairs[i] for i in places]
        found = self.detector(there, self.category) if there else []
        for i, pair, own in zip(places, there, found, strict=True):
            rows[i] = self.picture(pair, own)
        return rows

    def picture(self, pair: Pair, found: Detections) -> dict[str, Value]:
        masks = pair.translated_masks
        if masks is None:  # not told apart: then an object should be where each instance was
            masks = pair.masks if len(pair.masks) else pair.foreground[None]
        overlap = pairwise_iou(masks, found.masks)
        self.pooled += pooled_scores(overlap, found.scores)
        shares = match_scores(overlap, found.scores)
        return {name: 100 * share for name, share in zip(NAMES, shares, strict=True)}

    def whole(self) -> dict[str, SetScore]:
        if not self.pooled:
            return {}
        protocol = f"{self.protocol}; over all {len(self.pooled)} masks, the other reading"
        return {
            f"{name}_pooled": SetScore(float(100 * value), len(self.pooled), protocol)
            for name, value in zip(NAMES, np.mean(self.pooled, 0), strict=True)
        }
