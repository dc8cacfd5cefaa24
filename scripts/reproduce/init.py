#!/usr/bin/env python3
"""INIT beside MUNIT and CycleGAN, on drawn shapes by day and by night, after as many steps.

    bash scripts/reproduce_init.sh --dry_run     # what would be run
    bash scripts/reproduce_init.sh               # run what is left of it

By night objects glow red or green. The claim that is put to the test: styles of objects, learnt
from boxes, make objects look more as they should. Every finished row is kept in docs/results/init
and not made again (another --folder measures anew); the table goes into docs/init.md.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.reproduce import init_tables
from scripts.reproduce.drawn import draw, parse, slug
from scripts.reproduce.runs import Laboratory, Row, Training
from util.errors import command

DRAWN = "--task appearance --size 48 --train 400 --test 50 --max_instances 3"
SIZE = "--load_size 48 --crop_size 48 --ngf 12 --ndf 12"
EPOCHS = 4
QUIET = "--niter_decay 0 --batch_size 1 --print_freq 400 --display_id 0 --no_html"
INIT = "--model init --n_blocks 2 --mlp_dim 64 --obj_size 32 --n_scales 2 --lr 0.0005"
METHODS = {  # options of train.py, and epochs
    "CycleGAN": ("--model cycle_gan --n_blocks 2", EPOCHS),
    "MUNIT": (f"{INIT} --granularity none", EPOCHS),
    "MUNIT, twice the steps": (f"{INIT} --granularity none", 2 * EPOCHS),
    "INIT": (INIT, EPOCHS),
    "INIT w/o Ds": (f"{INIT} --objects_own D", EPOCHS),
    "INIT, two sizes": (f"{INIT} --granularity half_scale --n_scales 1", EPOCHS),
}
METRICS = "--metrics appearance,diversity,inception --classifier small --distance classifier"


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(__doc__, "datasets/day_night", argv)
    rows = [row for seed in range(args.seeds) for row in rows_of(seed, args)]
    laboratory = Laboratory(args.folder / "init", args.jobs, args.device)
    if args.dry_run:
        print(laboratory.plan(rows))
        return
    draw(args.data, DRAWN)
    try:
        laboratory.run(rows)
        init_tables.recover_styles(laboratory, rows)
    finally:
        init_tables.write(laboratory, rows, args)


def rows_of(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """All rows of one seed: ten results of every picture, of CycleGAN one."""
    for method, (options, epochs) in METHODS.items():
        name = f"{slug(method)}_{seed}"
        words = f"--dataroot {args.data} {options} {SIZE} --niter {epochs} {QUIET} --seed {seed}"
        words += f" {args.train_options}"
        training = Training(name, (*words.split(),), DRAWN)
        styles = "--n_styles 10" if "--model init" in options else ""
        test = f"--dataroot {args.data} --batch_size 10 {METRICS} {styles}"
        facts = {"method": method, "seed": seed}
        yield Row(name, training, (*test.split(),), facts, title=method, data=DRAWN)


if __name__ == "__main__":
    main(sys.argv[1:])
