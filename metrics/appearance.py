"""How drawn shapes look in a picture's translations: exact yardsticks for the appearance task.

Colours are levels of 255. Objects stay where they are, so the masks of the picture say where they
are in all of its translations.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from metrics.base import Better, Metric, Value
from metrics.pair import Pair
from metrics.reals import RealPictures

Color = tuple[int, int, int]


def looks_file(root: Path, phase: str, domain: str) -> Path:
    return root / f"{phase}{domain}_appearance.json"


def read_looks(root: Path, phase: str, domain: str) -> dict[str, dict]:
    """What was drawn in each picture of a domain, by its stem."""
    return json.loads(looks_file(root, phase, domain).read_text())


def colors_of(looks: dict[str, dict]) -> list[Color]:
    """The colours that objects of a domain have, one for each mode."""
    return sorted({tuple(picture["color"]) for picture in looks.values()})


def color_error(image: np.ndarray, mask: np.ndarray, colors: Sequence[Color]) -> tuple[float, int]:
    """How far the mean colour on a mask is from the nearest of the colours, and which that is.

    The distance is the mean absolute difference of the three channels.
    """
    mean = image[mask].astype(float).mean(0)
    distances = np.abs(mean - np.array(colors, float)).mean(1)
    return float(distances.min()), int(distances.argmin())


class Appearance(Metric):
    """`object_color_error` of each instance, the mean over a picture's translations.

    `modes_shown` is the share of the domain's modes, such as red and green, that the translations
    of one picture show. It says nothing of a model with one result for each picture.
    """

    scores = {"object_color_error": Better.LESS, "modes_shown": Better.MORE}

    def __init__(self, looks: dict[str, dict]):
        """looks are those of the target domain."""
        self.colors = colors_of(looks)

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        return [self.score(pair) if len(pair.masks) else {} for pair in pairs]

    def score(self, pair: Pair) -> dict[str, Value]:
        results = pair.results()
        found = [[color_error(x, mask, self.colors) for mask in pair.masks] for x in results]
        errors = np.array([[error for error, _ in own] for own in found])  # [results, instances]
        values: dict[str, Value] = {"object_color_error": errors.mean(0).tolist()}
        if len(results) > 1 and len(self.colors) > 1:
            shown = {int(np.bincount([mode for _, mode in own]).argmax()) for own in found}
            values["modes_shown"] = len(shown) / len(self.colors)
        return values


def by_class(reals: RealPictures, most: int) -> dict[str, list[torch.Tensor]]:
    """Real pictures, uint8 [3, H, W], by what a classifier is to tell apart; of a domain so many.

    That is their domain, and where they were drawn in several modes, the mode as well.
    """
    found: dict[str, list[torch.Tensor]] = {}
    for domain in "AB":
        known = looks_file(reals.root, reals.phase, domain).is_file()
        looks = read_looks(reals.root, reals.phase, domain) if known else {}
        scenes, images = reals.some(domain, False, most), reals.of(domain, most=most)
        for scene, (image, _) in zip(scenes, images, strict=True):
            mode = looks[scene.image.stem]["mode"] if looks else ""
            picture = torch.from_numpy(image).permute(2, 0, 1)
            found.setdefault(f"{domain}{mode}", []).append(picture)
    return dict(sorted(found.items()))
