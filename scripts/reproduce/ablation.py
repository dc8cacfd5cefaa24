#!/usr/bin/env python3
"""Figures 9 and 10 of the paper with numbers: what each part of InstaGAN is worth, on drawn shapes.

    bash scripts/reproduce_ablation.sh --dry_run     # what would be run
    bash scripts/reproduce_ablation.sh               # run what is left of it

Besides the paper's methods, the same with `--paste`, and both ways of training on up to four
instances. Every finished row is kept in docs/results/ablation and not made again (another --folder
measures anew); the tables go into results.md beside.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.reproduce import ablation_tables
from scripts.reproduce.drawn import draw, parse, slug
from scripts.reproduce.runs import Laboratory, Row, Training
from util.errors import command

TESTS = (2, 6, 10)  # instances in test pictures
PICTURES = 100  # of each test and domain
DATA = f"--size 48 --train 400 --test {PICTURES} --max_covered 0.3 --background 115 165"
RADII = {10: "--radius 0.07 0.1"}  # of the side; others: 0.1 to 0.15
SIZE = "--load_size 48 --crop_size 48 --ngf 12 --ndf 12 --n_blocks 2"
TRAINING = "--batch_size 4 --niter 3 --niter_decay 4 --print_freq 400 --display_id 0 --no_html"
EMA = 100  # pictures
ONE, SEQUENTIAL, AVERAGED = "--ins_per {count}", "--ins_per 1", "--weights ema"


@dataclass(frozen=True)
class Method:
    """A way of training, and the ways in which its translations are made, by the rows' suffix.

    most is how many instances a training picture has at most; tests are those that it is put to.
    """

    options: str
    ways: dict[str, str] = field(default_factory=lambda: {"": ""})
    most: int = 2
    tests: Sequence[int] = TESTS


PASTE = f"--paste 0 --paste_on fill --ema {EMA}"
IN_ONE = {"": ONE, "_seq": SEQUENTIAL}  # Figure 10: one step and sequential, crossed
IN_SEQUENCE = {"": SEQUENTIAL, "_one": ONE}
METHODS = {  # Figure 9: each adds to the one before
    "CycleGAN": Method("--model cycle_gan --double_params", tests=TESTS[:2]),
    "CycleGAN+Seg": Method("--model cycle_gan_seg --double_params", tests=TESTS[:2]),
    "InstaGAN, architecture": Method("--ins_per 2 --lambda_ctx 0", {"": ONE}, tests=TESTS[:2]),
    "+ context loss": Method("--ins_per 2", IN_ONE),
    "+ sequential": Method("--ins_per 1", IN_SEQUENCE),
    "CycleGAN+Seg, pasted": Method(f"--model cycle_gan_seg --double_params {PASTE}"),
    "one step, pasted": Method(f"--ins_per 2 {PASTE}", IN_ONE | {"_ema": f"{ONE} {AVERAGED}"}),
    "sequential, pasted": Method(
        f"--ins_per 1 {PASTE}", IN_SEQUENCE | {"_ema": f"{SEQUENTIAL} {AVERAGED}"}
    ),
    "sequential, pasted on the source": Method("--ins_per 1 --paste 1", {"": SEQUENTIAL}),
    "one step, pasted, trained on 1 to 4": Method(f"--ins_per 4 {PASTE}", {"": ONE}, most=4),
    "sequential, pasted, trained on 1 to 4": Method(
        f"--ins_per 1 {PASTE}", {"": SEQUENTIAL}, most=4
    ),
}


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(__doc__, "datasets/ablation", argv)
    rows = [row for seed in range(args.seeds) for row in rows_of(seed, args)]
    laboratory = Laboratory(args.folder / "ablation", args.jobs, args.device)
    if args.dry_run:
        print(laboratory.plan(rows))
        return
    draw_data(args.data)
    try:
        laboratory.run(rows)
    finally:
        ablation_tables.write(laboratory, rows, args.folder)


def draw_data(root: Path) -> None:
    """The training pictures, of one to two or four instances, and tests of exactly as many."""
    for most in sorted({method.most for method in METHODS.values()}):
        draw(root / f"{most}", training_data(most))
    for count in TESTS:
        draw(root / f"exactly_{count}", test_data(count))


def training_data(most: int) -> str:
    """Options of generate_shapes_dataset.py."""
    return f"{DATA} --radius 0.1 0.15 --max_instances {most}"


def test_data(count: int) -> str:
    radius = RADII.get(count, "--radius 0.1 0.15")
    return f"{DATA} {radius} --min_instances {count} --max_instances {count} --train 1"


def rows_of(seed: int, args: argparse.Namespace) -> list[Row]:
    """All rows of one seed: every method and way on its tests."""
    rows = []
    for name, method in METHODS.items():
        words = f"{method.options} {SIZE} --ins_max {method.most} {TRAINING} --seed {seed}".split()
        words = ("--dataroot", f"{args.data}/{method.most}", *words)
        words += tuple(shlex.split(args.train_options))
        training = Training(f"{slug(name)}_{seed}", words, training_data(method.most))
        rows += [
            row_of(name, training, count, suffix, inference, args)
            for count in method.tests
            for suffix, inference in method.ways.items()
        ]
    return rows


def row_of(method: str, training: Training, count: int, suffix: str, inference: str, args) -> Row:
    """A method's translations of pictures with `count` instances, in one way."""
    stem, seed = training.name.rsplit("_", 1)
    most = max(count, TESTS[1])
    words = f"--ins_max {most} --batch_size 10 {inference.format(count=most)}".split()
    if "--ema" in training.options and AVERAGED not in inference:
        words += ["--weights", "raw"]
    facts = {"method": method, "inference": suffix, "instances": count, "seed": int(seed)}
    words = ("--dataroot", f"{args.data}/exactly_{count}", *words)
    name = f"{stem}{suffix}_on{count}_{seed}"
    return Row(name, training, words, facts, title=method, data=test_data(count))


if __name__ == "__main__":
    main(sys.argv[1:])
