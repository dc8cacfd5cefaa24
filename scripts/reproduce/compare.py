#!/usr/bin/env python3
"""All models of the house on the same drawn shapes: disks to triangles, two in a picture.

    bash scripts/reproduce_compare.sh --dry_run     # what would be run
    bash scripts/reproduce_compare.sh               # run what is left of it

The scores of CycleGAN, CycleGAN+Seg, InstaGAN and MGD-GAN are those of reproduce_mgd_gan.sh; here
they are trained once more, with the first seed, for the picture of the same sources through all.
DA-GAN is trained with every seed for as long as they, and INIT, whose work is another, with the
first one. Every finished row is kept in docs/results/compare and not made again; the table and the
picture go into docs/compare.md.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.reproduce import compare_tables, mgd_gan
from scripts.reproduce.ablation import test_data, training_data
from scripts.reproduce.drawn import draw, parse, slug
from scripts.reproduce.runs import Laboratory, Row
from util.errors import command

INSTANCES = 2
OF_MGD_GAN = (
    "CycleGAN",
    "CycleGAN+Seg",
    "InstaGAN, one step",
    "InstaGAN, sequential, pasted",
    "A: MGD-GAN",
)
BATCHES = {"INIT": 1, "DA-GAN": 8}
TESTS = {"INIT": "", "DA-GAN": "--metrics shapes,background,detection"}
OPTIONS = {
    "INIT": "--model init --n_blocks 2 --mlp_dim 64 --obj_size 32 --n_scales 2 --lr 0.0005 "
    "--niter 4 --niter_decay 0",
    "DA-GAN": "--model da_gan --n_blocks 3 --n_regions 4 --rho 0.5 --alpha 1 --beta 1 --lr 0.0005 "
    "--sharpen_for 200 --niter 11 --niter_decay 11",
}


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(__doc__, "datasets/ablation", argv)
    rows = [row for seed in range(args.seeds) for row in rows_of(seed, args)]
    earlier = [row for seed in range(args.seeds) for row in earlier_rows(seed, args)]
    laboratory = Laboratory(args.folder / "compare", args.jobs, args.device)
    if args.dry_run:
        print(laboratory.plan(rows))
        return
    draw(args.data / str(INSTANCES), training_data(INSTANCES))
    draw(args.data / f"exactly_{INSTANCES}", test_data(INSTANCES))
    scored = Laboratory(args.folder / "mgd_gan", args.jobs, args.device).done(earlier)
    try:
        laboratory.run(rows)
    finally:
        compare_tables.write(laboratory, rows, scored, args)


def rows_of(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """All rows of one seed that are trained here."""
    if not seed:
        yield from earlier_rows(seed, args)
    for name, options in OPTIONS.items():
        if name == "DA-GAN" or not seed:
            training = mgd_gan.training_of(slug(name), options, seed, args, BATCHES[name])
            test = f"--direction AtoB {TESTS[name]}"
            yield mgd_gan.test_of(name, training, INSTANCES, test, args)


def earlier_rows(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """Rows of the study of MGD-GAN, as they are there."""
    for row in mgd_gan.rows_of(seed, args):
        facts = row.facts
        wanted = facts["instances"] == INSTANCES and facts["part"] == 1
        if facts["method"] in OF_MGD_GAN and wanted:
            yield row


if __name__ == "__main__":
    main(sys.argv[1:])
