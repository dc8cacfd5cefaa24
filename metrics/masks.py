"""What became of the masks: how many are left, how large they are, and how far they moved."""

from collections.abc import Sequence

import numpy as np

from metrics.base import Better, Metric, Value
from metrics.pair import Pair

OF_UNIONS = {  # scores of instances -> what the same of their union is called
    "mask_area_ratio": "union_area_ratio",
    "mask_iou": "union_iou",
    "all_empty": "all_empty",
    "all_full": "union_full",
}
FULL = 0.95  # share of the picture: a mask that covers more tells nothing


def iou(mask: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks; of two empty ones, 0."""
    return float((mask & other).sum() / max((mask | other).sum(), 1))


def mask_scores(masks: np.ndarray, translated: np.ndarray) -> dict[str, Value]:
    """The scores of one picture's masks before and after, bool [N, H, W] in one order, N >= 1.

    mask_kept        for each instance, whether anything is left of its mask
    mask_area_ratio  for each instance, its area after over before
    mask_iou         for each instance, the IoU of its masks: 1 if nothing moved
    all_empty        whether nothing is left of any of them
    all_full         whether every one covers (nearly) the whole picture
    """
    before, after = masks.sum((1, 2)), translated.sum((1, 2))
    return {
        "mask_kept": [bool(area) for area in after],
        "mask_area_ratio": [
            float(new / old) for new, old in zip(after, before, strict=True) if old
        ],
        "mask_iou": [iou(*pair) for pair in zip(masks, translated, strict=True)],
        "all_empty": not after.any(),
        "all_full": bool((after >= FULL * masks[0].size).all()),
    }


class Masks(Metric):
    """Scores of every picture whose masks were translated; of their union, if that is all.

    Scores of unions have names of their own, not to be compared with those of instances, and one
    value for a picture. More IoU means that instances stay where they were; it is 1 of a model that
    changes nothing. How large a translated instance should be is not known.
    """

    scores = {
        "mask_kept": Better.MORE,
        "mask_area_ratio": Better.NEITHER,
        "mask_iou": Better.MORE,
        "all_empty": Better.LESS,
        "all_full": Better.LESS,
        "union_area_ratio": Better.NEITHER,
        "union_iou": Better.MORE,
        "union_full": Better.LESS,
    }

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        return [self.picture(pair) for pair in pairs]

    def picture(self, pair: Pair) -> dict[str, Value]:
        if pair.translated_masks is not None:
            return mask_scores(pair.masks, pair.translated_masks)
        if pair.translated_foreground is None or pair.untouched or pair.unpaired:
            return {}
        scores = mask_scores(pair.foreground[None], pair.translated_foreground[None])
        return {
            name: value[0] if isinstance(value := scores[of], list) else value
            for of, name in OF_UNIONS.items()
        }
