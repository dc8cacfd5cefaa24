#!/usr/bin/env python3
"""DA-GAN on digits (domain adaptation), on shapes without masks, and on an attention toy.

    bash scripts/reproduce_da_gan.sh --dry_run     # what would be run
    bash scripts/reproduce_da_gan.sh               # run what is left of it

The rows of digits are those of the paper's Table 1a and a CycleGAN. Every finished row is kept in
docs/results/da_gan and not made again (another --folder measures anew); the tables go into
docs/da_gan.md.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datasets import generate_digits_dataset, generate_shapes_dataset
from scripts.reproduce import da_gan_tables
from scripts.reproduce.drawn import draw, parse, slug
from scripts.reproduce.runs import Laboratory, Row, Training
from util.errors import command

DIGITS = "--train 4000 --test 500"
TOY = "--task attention --train 2000 --test 200"
SHAPES = "--size 32 --train 1000 --test 100 --max_instances 1 --palette domain"
QUIET = "--print_freq 1000 --display_id 0 --no_html --no_flip"
DAGAN = "--model da_gan --ngf 8 --ndf 8 --n_blocks 3 --width_C 16 --blocks_C 3 --lr 0.0005"
FULL = f"{DAGAN} --label_mode source --batch_size 32 --warmup_cls 8000 --sharpen_for 500"


class Method(NamedTuple):
    """Options of train.py and of a test, and epochs."""

    data: str
    train: str
    epochs: int
    test: str


SMALL = "--classifier small --metrics"
LABELS, PLAIN = f"{SMALL} labels,attention", f"{SMALL} labels"
METHODS = {
    "DA-GAN": Method("digits", FULL, 10, LABELS),
    "without attention": Method("digits", f"{FULL} --no_dae", 10, PLAIN),
    "without L_cst": Method("digits", f"{FULL} --alpha 0", 10, LABELS),
    "without L_sym": Method("digits", f"{FULL} --beta 0", 10, LABELS),
    "without D2": Method("digits", f"{FULL} --no_D2", 10, LABELS),
    "CycleGAN": Method(
        "digits", "--model cycle_gan --ngf 8 --ndf 8 --n_blocks 2 --batch_size 8", 6, PLAIN
    ),
    "attention alone": Method(
        "toy",
        f"{DAGAN} --label_mode source --batch_size 32 --rho 0.5 --warmup_cls 1000000 "
        "--sharpen_for 1200",
        24,
        LABELS,
    ),
    "disks to triangles": Method(
        "shapes",
        f"{DAGAN} --batch_size 16 --sharpen_for 600",
        60,
        f"{SMALL} classification,attention,shapes",
    ),
}
REMADE = ("DA-GAN", "without D2")  # whose targets that are made again are scored as well
SIDES = {"digits": 32, "toy": 64, "shapes": 32}
DRAWN = {"digits": DIGITS, "toy": TOY, "shapes": SHAPES}


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(__doc__, "datasets/da_gan", argv)
    rows = [row for seed in range(args.seeds) for row in rows_of(seed, args)]
    laboratory = Laboratory(args.folder / "da_gan", args.jobs, args.device)
    if args.dry_run:
        print(laboratory.plan(rows))
        return
    draw(args.data / "digits", DIGITS, generate_digits_dataset)
    draw(args.data / "toy", TOY, generate_digits_dataset)
    draw(args.data / "shapes", SHAPES, generate_shapes_dataset)
    try:
        laboratory.run(rows)
    finally:
        da_gan_tables.write(laboratory, rows, args)


def rows_of(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """All rows of one seed."""
    for name, method in METHODS.items():
        side, data = SIDES[method.data], f"{args.data}/{method.data}"
        half = method.epochs // 2
        words = f"--dataroot {data} {method.train} --load_size {side} --crop_size {side} {QUIET} "
        words += f"--niter {method.epochs - half} --niter_decay {half} --seed {seed} "
        words += args.train_options
        drawn = DRAWN[method.data]
        training = Training(f"{slug(name)}_{seed}", (*words.split(),), drawn)
        tests = {"": method.test} | ({"_remade": f"{PLAIN} --remake"} if name in REMADE else {})
        for kind, options in tests.items():
            test = f"--dataroot {data} --batch_size 50 {options}"
            facts = {"method": name, "data_name": method.data, "seed": seed, "kind": kind}
            row = f"{slug(name)}{kind}_{seed}"
            yield Row(row, training, (*test.split(),), facts, title=name, data=drawn)


if __name__ == "__main__":
    main(sys.argv[1:])
