#!/usr/bin/env python3
"""Training on twenty pictures of each domain: what `--ema` and `--diffaug` are worth.

    bash scripts/reproduce_few_pictures.sh --dry_run     # what would be run
    bash scripts/reproduce_few_pictures.sh               # run what is left of it

Every finished row is kept in docs/results/few_pictures and not made again (another --folder
measures anew); the table goes into results.md beside.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.reproduce.ways import Study, Way
from util.errors import command

RAW = "--weights raw"
STUDY = Study(
    name="few_pictures",
    data="--size 64 --train 20",
    training="--load_size 64 --crop_size 64 --ngf 16 --ndf 16 --n_blocks 2 --ins_max 2 "
    "--batch_size 4 --niter 20 --niter_decay 40 --precision auto --print_freq 400 --logger none "
    "--no_html --save_epoch_freq 100 --paste 1 --ema 60",
    ways={
        "neither": Way("", RAW),
        "--ema": Way("", "--weights ema"),
        "--diffaug color,translation,cutout": Way("--diffaug color,translation,cutout", RAW),
        "--diffaug translation,cutout": Way("--diffaug translation,cutout", RAW),
        "--diffaug color,translation": Way("--diffaug color,translation", RAW),
        "--diffaug translation": Way("--diffaug translation", RAW),
    },
)


@command
def main(argv: list[str] | None = None) -> None:
    STUDY.run(__doc__, argv)


if __name__ == "__main__":
    main(sys.argv[1:])
