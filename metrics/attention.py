"""Whether a model that looks through windows sees the objects; masks say where these are."""

from collections.abc import Sequence

import numpy as np

from metrics.base import Better, Metric, Value
from metrics.pair import Pair

WINDOWS = "windows"  # of `Pair.numbers`: left, top, right and bottom of each, as shares


class Attention(Metric):
    """`attention_recall` of a picture, and `centre_error` of each of its instances.

    The first is the share of all that masks cover that is in some window, the second how far the
    centre of the nearest window is from an instance's, as a share of the picture's side.
    """

    scores = {"attention_recall": Better.MORE, "centre_error": Better.LESS}

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        return [score(pair) for pair in pairs]


def score(pair: Pair) -> dict[str, Value]:
    windows = np.array(pair.numbers.get(WINDOWS, ()), float).reshape(-1, 4)
    if not (len(windows) and len(pair.masks)):
        return {}
    height, width = pair.foreground.shape
    y, x = (np.arange(side) + 0.5 for side in (height, width))
    seen = np.zeros((height, width), bool)
    for left, top, right, bottom in windows * [width, height, width, height]:
        seen |= ((y >= top) & (y < bottom))[:, None] & ((x >= left) & (x < right))[None]
    centres = (windows[:, :2] + windows[:, 2:]) / 2
    places = [
        ((x * mask.sum(0)).sum() / width, (y * mask.sum(1)).sum() / height) / mask.sum()
        for mask in pair.masks
    ]
    errors = [float(np.hypot(*(centres - place).T).min()) for place in places]
    covered = pair.masks.any(0)
    return {"attention_recall": float(seen[covered].mean()), "centre_error": errors}
