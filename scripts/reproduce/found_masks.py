#!/usr/bin/env python3
"""Translate a dataset with masks that are found in its pictures; its own masks are the truth.

    python scripts/reproduce/found_masks.py --masks auto:mymasks --dataroot MYDATA --name myrun
    python evaluate.py --dataroot MYDATA --results results/myrun/test_latest

writes results as test.py does, whose options it takes. Masks of sources are the dataset's. An
instance's translated mask is that of the found instance that overlaps it by an IoU of 0.5 or more;
an instance that was not found has vanished: its translated mask is empty. What was found besides
is translated as well and has no mask here: it shows in the picture.
"""

import argparse
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from data import create_dataset
from data.direction import Direction
from data.scene import Scene, normalized
from metrics.masks import iou
from models import find_model
from models.showcase import Shown
from options.test_options import TestOptions
from pages.results import Results, masks_of
from translation.finders import finder_of
from translation.result import Result
from translation.translator import Translator
from util.command_line import OneLineParser
from util.errors import UserError, command
from util.images import to_pixels
from util.stamp import now, typed_command, versions

LEAST_IOU = 0.5
MASKS_HELP = "auto:RUN, a trained --model mask_predictor, or maskrcnn:CATEGORY"


@command
def main(argv: list[str] | None = None) -> None:
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s --masks FROM --dataroot FOLDER --name RUN [options of test.py]",
    )
    parser.add_argument("--masks", required=True, metavar="FROM", help=MASKS_HELP)
    args, rest = parser.parse_known_args(argv)
    translate_all(args.masks, TestOptions().parse(rest))


def translate_all(masks: str, opt) -> None:
    """Translate what the options of test.py ask for, and write it down as that does."""
    ways = [way for way in find_model(opt.model).directions if opt.direction in (way.name, "both")]
    translators = {way: WithFoundMasks(opt, way, masks) for way in ways}
    dataset = create_dataset(opt)
    folder = Path(opt.results_dir) / opt.name / f"{opt.phase}_{opt.label}"
    how = asdict(dataset.how) if dataset.how else None
    results = Results(folder, opt, how, about(masks, translators[ways[0]], opt))
    for way, translate in translators.items():
        scenes = dataset.domain(way.source)
        count = min(len(scenes), opt.num_test or len(scenes))
        for i in range(count):
            scene = scenes[i]
            found = translate(scene)
            columns = columns_of(scene, found, way)
            results.add([i], scene, columns, way, numbers=found.numbers)
            results.report(way.source, i + 1, count, len(scenes), None)
    results.write()


def about(masks: str, translate: "WithFoundMasks", opt) -> dict:
    """What the head of the page says."""
    model = translate.translate.run.model
    return {
        "model": opt.model,
        "epoch": model.loaded,
        "data": opt.dataroot,
        "date": now(),
        "masks": f"found by {masks}",
        **model.remarks(opt),
        "command": typed_command(),
        "options": {name: vars(opt)[name] for name in opt.typed if name in vars(opt)},
        "versions": versions(),
    }


@dataclass(frozen=True)
class Found:
    """What became of a scene of one by the masks that were found in it.

    overlaps  for each of its instances the IoU with the found one that was matched to it, or 0
    matches   the places of these among the result's masks, by the instance's place
    """

    result: Result
    overlaps: list[float]
    matches: Mapping[int, int]

    @property
    def besides(self) -> int:
        """Found instances that are none of the scene's."""
        return len(self.result.source_masks) - len(self.matches)

    @property
    def numbers(self) -> dict[str, torch.Tensor]:
        """What is written down of the picture, [1, N] and [1, 1]."""
        besides = torch.tensor([[self.besides]])
        return {"found_iou": torch.tensor([self.overlaps]), "found_besides": besides}

    def scene(self, scene: Scene) -> Scene:
        """The translation; masks are by the instances of the scene."""
        pixels = self.result.pictures[0].transpose(2, 0, 1)
        masks = torch.full_like(scene.masks, -1)
        for place, own in self.matches.items():
            masks[0, place] = torch.from_numpy(self.result.masks[own]) * 2.0 - 1
        image = normalized(torch.from_numpy(np.ascontiguousarray(pixels))[None])
        return replace(scene, image=image, masks=masks)


class WithFoundMasks:
    """Scenes of one, translated in a direction with the masks that are found in their pictures."""

    def __init__(self, opt, way: Direction, masks: str):
        """opt are options of test.py, masks says what finds them. Raises UserError."""
        model = find_model(opt.model)
        if not model.tells_instances_apart or "masks" not in model.needs:
            raise UserError(
                f"--name {opt.name}: --model {opt.model} translates no instances by their masks"
            )
        more = {"direction": way.name, "size": None, "keep_size": True, "maskrcnn_weights": "coco"}
        own = Namespace(**vars(opt) | more)
        self.translate = Translator(own, finder_of(masks, own))

    def __call__(self, scene: Scene) -> Found:
        result = self.translate(to_pixels(scene.image[0]))
        given = list(masks_of(scene, 0).values())
        pairs = matched(given, result.source_masks)
        overlaps = [pairs[i][1] if i in pairs else 0.0 for i in range(len(given))]
        return Found(result, overlaps, {i: own for i, (own, _) in pairs.items()})


def matched(
    given: Sequence[np.ndarray], found: Sequence[np.ndarray]
) -> dict[int, tuple[int, float]]:
    """The found mask of each given one, by their places, and their IoU: the largest sum of IoUs.

    Masks are bool [H, W]. Pairs of an IoU below LEAST_IOU are none.
    """
    overlaps = np.array([[iou(mask, other) for other in found] for mask in given])
    overlaps = overlaps.reshape(len(given), len(found))
    overlaps[overlaps < LEAST_IOU] = 0
    rows, columns = linear_sum_assignment(-overlaps)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {i: (k, float(overlaps[i, k])) for i, k in pairs if overlaps[i, k]}


def columns_of(scene: Scene, found: Found, way: Direction) -> list[Shown]:
    """The source, its translation, and all masks that were found in it, white on black."""
    union = torch.from_numpy(found.result.source_masks.any(0)) * 2.0 - 1
    picture = replace(scene.slots(0, 0), image=union.expand_as(scene.image))
    return [
        Shown(f"real_{way.source}", "source", scene),
        Shown(f"fake_{way.target}", "translation", found.scene(scene)),
        Shown(f"found_{way.source}", "found masks", picture),
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
