#!/usr/bin/env python3
"""Figures 8 and 12 of the paper with numbers: what is lost by masks that a predictor found.

    bash scripts/reproduce_predicted.sh --dry_run     # what would be run
    bash scripts/reproduce_predicted.sh               # run what is left of it

On drawn shapes, and on photos of pants and shorts if datasets/pnt2sht_ccp is there: InstaGAN and a
mask predictor are trained on the same pictures; the test pictures are translated with their own
masks, and with those that were found. Every finished row is kept in docs/results/predicted_masks
and not made again; tables and pictures go into docs/predicted_masks.md.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pages.results import LISTING, SCORES
from scripts.reproduce import predicted_masks_tables
from scripts.reproduce.drawn import draw, parse, slug
from scripts.reproduce.runs import Laboratory, Row, Training, Words
from util.errors import command
from util.files import write_json

PREDICTOR, GIVEN, PREDICTED = "predictor", "given", "predicted"
SHAPES = "--size 64 --train 400 --test 50"
TWO = "--size 64 --train 1 --test 100 --min_instances 2 --max_instances 2"
QUIET = "--print_freq 400 --display_id 0 --no_html --save_epoch_freq 1000"


@dataclass(frozen=True)
class Task:
    """What is trained and tested, by options of train.py, test.py and evaluate.py.

    tests are folders of test pictures by what they are called, drawn says how they are drawn, by
    the folder; seeds is how many trainings there are at most.
    """

    prefix: str
    data: str
    size: str
    translation: str
    predictor: str
    tests: Mapping[str, str]
    testing: str
    scoring: str
    drawn: Mapping[str, str]
    seeds: int

    @property
    def there(self) -> bool:
        """Whether its pictures are there, or can be drawn."""
        return bool(self.drawn) or Path(self.data).is_dir()

    def training(self, name: str, options: str, seed: int, args: argparse.Namespace) -> Training:
        words = f"{options} {QUIET} --seed {seed} {args.train_options}".split()
        drawn = self.drawn.get(self.data, "")
        return Training(f"{self.prefix}{name}_{seed}", ("--dataroot", self.data, *words), drawn)

    def both(self, seed: int, args: argparse.Namespace) -> tuple[Training, Training]:
        """What translates, and what finds masks."""
        return (
            self.training("instagan", f"{self.size} {self.translation}", seed, args),
            self.training(
                "masks", f"--model mask_predictor {self.size} {self.predictor}", seed, args
            ),
        )


def tasks_of(data: Path) -> dict[str, Task]:
    """Drawn shapes as in the quickstart, and photos."""
    shapes, two = str(data / "shapes"), str(data / "exactly_2")
    photos = "datasets/pnt2sht_ccp"
    return {
        "shapes": Task(
            prefix="",
            data=shapes,
            size="--load_size 64 --crop_size 64",
            translation="--ngf 16 --ndf 16 --n_blocks 2 --batch_size 4 --niter 1 --niter_decay 2 "
            "--precision auto --ins_max 2 --ins_per 2 --paste 0 --paste_on fill",
            predictor="--ngf 16 --niter 2 --niter_decay 2",
            tests={"one or two": shapes, "two": two},
            testing="--ins_max 4",
            scoring="",
            drawn={shapes: SHAPES, two: TWO},
            seeds=3,
        ),
        "photos": Task(
            prefix="ccp_",
            data=photos,
            size="--crop_size 96 64 --load_size 106 70",
            translation="--paste 1 --ngf 12 --ndf 12 --n_blocks 4 --batch_size 1 --ins_max 1 "
            "--ins_per 1 --cache --niter 7 --niter_decay 7",
            predictor="--ngf 16 --cache --niter 12 --niter_decay 12",
            tests={"photos": photos},
            testing="--ins_max 1",
            scoring="--metrics auto,classification,masked_classification --classifier small",
            drawn={},
            seeds=1,
        ),
    }


@dataclass(frozen=True)
class Scored(Row):
    """A row whose options are those of test.py, with those of scoring apart.

    With a predictor, pictures are translated with the masks that it finds.
    """

    scoring: Words = ()
    predictor: Training | None = None


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(__doc__, "datasets/predicted_masks", argv)
    tasks = {name: task for name, task in tasks_of(args.data).items() if task.there}
    rows = [row for name, task in tasks.items() for row in rows_of(name, task, args)]
    laboratory = WithPredictors(args.folder / "predicted_masks", args.jobs, args.device)
    if "photos" not in tasks:
        print("note: without photos: datasets/README.md says how datasets/pnt2sht_ccp is made")
    if args.dry_run:
        print(laboratory.plan(rows))
        return
    for task in tasks.values():
        for folder, options in task.drawn.items():
            draw(Path(folder), options)
    try:
        laboratory.run([row for row in rows if not row.predictor])
        laboratory.run([row for row in rows if row.predictor])
        predicted_masks_tables.draw_figures(laboratory, rows, args.folder)
    finally:
        predicted_masks_tables.write(laboratory, rows, args.folder)


def rows_of(name: str, task: Task, args: argparse.Namespace) -> Iterator[Scored]:
    """For each seed and test: the predictor's own scores, given masks, predicted masks."""
    for seed in range(min(args.seeds, task.seeds)):
        instagan, masks = task.both(seed, args)
        for test, root in task.tests.items():
            facts = {"task": name, "test": test, "seed": seed}
            words = ("--dataroot", root)
            testing, scoring = (*words, *task.testing.split()), (*task.scoring.split(),)
            drawn = task.drawn.get(root, "")
            for kind, training, options, own in (
                (PREDICTOR, masks, words, ()),
                (GIVEN, instagan, testing, scoring),
                (PREDICTED, instagan, testing, scoring),
            ):
                yield Scored(
                    f"{kind}_{slug(test)}_{seed}",
                    training,
                    options,
                    facts | {"masks": kind},
                    title=f"{kind} masks",
                    data=drawn,
                    scoring=own,
                    predictor=masks if kind == PREDICTED else None,
                )


class WithPredictors(Laboratory):
    """Rows may be translated with the masks that another of the runs finds."""

    def translate_command(self, row: Scored) -> list[str]:
        words = ["scripts/reproduce/found_masks.py", "--masks", f"auto:{row.predictor.name}"]
        words += ["--name", row.training.name, "--checkpoints_dir", str(self.work)]
        words += ["--results_dir", str(self.results(row).parents[1])]
        return [*words, *row.options, "--gpu_ids", self.device]

    def score_command(self, row: Scored) -> list[str]:
        if not row.predictor:
            return [*super().score_command(row), *row.scoring]
        words = ["evaluate.py", *row.options[:2], "--results", str(self.results(row))]
        return [*words, *row.scoring, "--gpu_ids", self.device]

    def commands(self, row: Scored) -> list[str]:
        if not row.predictor:
            return super().commands(row)
        trained = [self.train_command(one) for one in (row.training, row.predictor)]
        lines = [self.command_line(words) for words in trained]
        both = (self.translate_command(row), self.score_command(row))
        return [*lines, " && ".join(map(self.command_line, both))]

    def score(self, row: Scored) -> None:
        if row.predictor:
            self.call(self.translate_command(row), f"{row.name}_translation.log")
        super().score(row)
        folder, path = self.results(row), self.folder / f"{row.name}.json"
        more = {"found": found_in(folder)} if row.predictor else {}
        more["by_overlap"] = success_by_overlap(folder)
        write_json(path, json.loads(path.read_text()) | more)


def found_in(folder: Path) -> dict[str, dict[str, float]]:
    """By direction: of how many instances which share was found, with which IoU.

    `besides` is how many instances were found in a picture that are none.
    """
    found = {}
    listing = json.loads((folder / LISTING).read_text())
    for direction, about in listing["directions"].items():
        own = [x["numbers"] for x in listing["pictures"] if x["source"] == about["source"]]
        overlaps = [iou for numbers in own for iou in numbers["found_iou"]]
        matched = [iou for iou in overlaps if iou]
        found[direction] = {
            "instances": len(overlaps),
            "found": len(matched) / max(len(overlaps), 1),
            "iou": sum(matched) / max(len(matched), 1),
            "besides": sum(numbers["found_besides"][0] for numbers in own) / max(len(own), 1),
        }
    return found


def success_by_overlap(folder: Path) -> dict[str, list[int]]:
    """How many translated masks have the right shape, and of how many, over both directions.

    Of instances that stand `alone`, and of `overlapping` ones; nothing unless shapes were scored.
    """
    counts: dict[str, list[int]] = {}
    detail = json.loads((folder / SCORES[1]).read_text())
    for own in detail.values():
        for values in own.get("pictures", {}).values():
            shown = values.get("image_shape_success", [])
            right = values.get("mask_shape_success", [])
            for judged, success in zip(shown, right, strict=True):
                count = counts.setdefault("overlapping" if judged is None else "alone", [0, 0])
                count[0] += success
                count[1] += 1
    return counts


if __name__ == "__main__":
    main(sys.argv[1:])
