"""How well a model found the instances of pictures, by COCO's rules (pycocotools)."""

from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval as Scoring
from pycocotools.mask import area, encode

from metrics.base import Better, Metric, SetScore, Value
from metrics.masks import iou
from metrics.pair import Pair

AVERAGES = {"instance_ap": 0, "instance_ap50": 1, "instance_ap75": 2, "instance_recall": 8}
SCORES = "scores"  # of `Pair.numbers`: how sure the model is of each mask, those found first
PROTOCOL = "COCO's average precision of masks, over the pictures of all sizes"


class Instances(Metric):
    """`foreground_iou` of each picture, and COCO's average precision of instances.

    A model that gives no scores is as sure of one mask as of any other.
    """

    scores = dict.fromkeys(["foreground_iou", *AVERAGES], Better.MORE)

    def __init__(self):
        self.images: list[dict] = []
        self.given: list[dict] = []
        self.found: list[dict] = []

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        return [self.picture(pair) for pair in pairs]

    def picture(self, pair: Pair) -> dict[str, Value]:
        own = pair.translated_foreground
        if own is None or (own.any() and not pair.told_apart):
            return {}
        number, (height, width) = len(self.images) + 1, pair.foreground.shape
        self.images.append({"id": number, "height": height, "width": width})
        for mask in pair.masks:
            about = {"id": len(self.given) + 1, "iscrowd": 0, **annotation(mask, number)}
            self.given.append(about)
        sure = pair.numbers.get(SCORES, [1.0] * len(pair.found))[: len(pair.found)]
        for mask, score in zip(pair.found, sure, strict=True):
            if mask.any():
                self.found.append({"score": float(score), **annotation(mask, number)})
        if not (pair.foreground.any() or pair.found.any()):
            return {}
        return {"foreground_iou": iou(pair.foreground, pair.found.any(0))}

    def whole(self) -> dict[str, SetScore]:
        if not self.given:
            return {}
        values = self.evaluated() if self.found else dict.fromkeys(AVERAGES, 0.0)
        count = len(self.given)
        return {name: SetScore(values[name], count, PROTOCOL) for name in AVERAGES}

    def evaluated(self) -> dict[str, float]:
        """COCO's averages by our names."""
        truth = COCO()
        categories = [{"id": 1, "name": "instance"}]
        truth.dataset = {
            "info": {},
            "images": self.images,
            "annotations": self.given,
            "categories": categories,
        }
        with redirect_stdout(StringIO()):  # it prints a table, and what it does
            truth.createIndex()
            scoring = Scoring(truth, truth.loadRes(self.found), "segm")
            scoring.evaluate()
            scoring.accumulate()
            scoring.summarize()
        return {name: float(scoring.stats[place]) for name, place in AVERAGES.items()}


def annotation(mask: np.ndarray, picture: int) -> dict:
    """A mask, bool [H, W], as COCO writes it down."""
    coded = encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"image_id": picture, "category_id": 1, "segmentation": coded, "area": int(area(coded))}
