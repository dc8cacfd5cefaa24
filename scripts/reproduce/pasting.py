#!/usr/bin/env python3
"""How `--paste` is best done: the seam around pasted objects, on the shapes of the quickstart.

    bash scripts/reproduce_pasting.sh --dry_run     # what would be run
    bash scripts/reproduce_pasting.sh               # run what is left of it

Every finished row is kept in docs/results/pasting and not made again (another --folder measures
anew); the table goes into results.md beside.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.reproduce.ways import Study, Way
from util.errors import command

STUDY = Study(
    name="pasting",
    data="--size 64",
    training="--load_size 64 --crop_size 64 --ngf 16 --ndf 16 --n_blocks 2 --ins_max 2 "
    "--batch_size 4 --niter 1 --niter_decay 2 --precision auto --print_freq 400 --logger none "
    "--no_html",
    ways={
        "no pasting": Way(),
        "hard, 0": Way("--paste 0 --paste_edge hard"),
        "hard, 1": Way("--paste 1 --paste_edge hard"),
        "hard, 2": Way("--paste 2 --paste_edge hard"),
        "hard, 3": Way("--paste 3 --paste_edge hard"),
        "soft, 1": Way("--paste 1"),
        "soft, 2": Way("--paste 2"),
        "soft, 3": Way("--paste 3"),
        "soft, 1, no context loss": Way("--paste 1 --lambda_ctx 0"),
        "soft, 1, filled": Way("--paste 1 --paste_on fill"),
        "0, filled": Way("--paste 0 --paste_on fill"),
        "0, filled, no context loss": Way("--paste 0 --paste_on fill --lambda_ctx 0"),
    },
)


@command
def main(argv: list[str] | None = None) -> None:
    STUDY.run(__doc__, argv)


if __name__ == "__main__":
    main(sys.argv[1:])
