#!/usr/bin/env python3
"""How `--paste` is best done: the seam around pasted objects, on the shapes of the quickstart.

    bash scripts/reproduce_pasting.sh --dry_run     # what would be run
    bash scripts/reproduce_pasting.sh               # run what is left of it

Every finished row is kept in docs/results/pasting and not made again (another --folder measures
anew); the table goes into results.md beside.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from metrics.pairs import PairFolder
from scripts import contact_sheet
from scripts.reproduce.drawn import draw, parse, slug
from scripts.reproduce.runs import Laboratory, Row, Training
from scripts.reproduce.tables import cell, commands_of, markdown, put
from util.errors import command
from util.sheet import save_sheet, sheet

WAYS = {
    "no pasting": "",
    "hard, 0": "--paste 0 --paste_edge hard",
    "hard, 1": "--paste 1 --paste_edge hard",
    "hard, 2": "--paste 2 --paste_edge hard",
    "hard, 3": "--paste 3 --paste_edge hard",
    "soft, 1": "--paste 1",
    "soft, 2": "--paste 2",
    "soft, 3": "--paste 3",
    "soft, 1, no context loss": "--paste 1 --lambda_ctx 0",
    "soft, 1, filled": "--paste 1 --paste_on fill",
    "0, filled": "--paste 0 --paste_on fill",
    "0, filled, no context loss": "--paste 0 --paste_on fill --lambda_ctx 0",
}
SCORES = {
    "mask_shape_success": "mask success",
    "image_shape_success": "shape success",
    "image_shape_success_85": "at 0.85",
    "image_mask_iou": "image_mask_iou",
    "seam_l1": "seam L1",
    "background_l1": "background L1",
}
TRAINING = (
    "--load_size 64 --crop_size 64 --ngf 16 --ndf 16 --n_blocks 2 --ins_max 2 --batch_size 4 "
    "--niter 1 --niter_decay 2 --precision auto --print_freq 400 --logger none --no_html"
)


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(__doc__, "datasets/pasting", argv)
    rows = [row_of(way, seed, args) for seed in range(args.seeds) for way in WAYS]
    laboratory = Laboratory(args.folder / "pasting", args.jobs, args.device)
    if args.dry_run:
        print(laboratory.plan(rows))
        return
    draw(args.data, "--size 64")
    try:
        laboratory.run(rows)
    finally:
        write_results(laboratory, rows, args)


def row_of(way: str, seed: int, args: argparse.Namespace) -> Row:
    words = f"{TRAINING} {WAYS[way]} --seed {seed}".split()
    words = ("--dataroot", str(args.data), *words, *shlex.split(args.train_options))
    name = f"{slug(way)}_{seed}"
    scored = ("--dataroot", str(args.data), "--batch_size", "10")
    return Row(name, Training(name, words), scored, {"way": way, "seed": seed})


def write_results(laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace) -> None:
    """The table of the rows that are done, and the same pictures in all ways."""
    done = laboratory.done(rows)
    if not done or not laboratory.at_hand(rows):
        return
    lines = [
        [way, *(cell([row for row in done if row["way"] == way], name) for name in SCORES)]
        for way in WAYS
    ]
    seeds = len({row["seed"] for row in done})
    parts = [
        f"Mean ± sd over {seeds} seeds, both directions averaged.",
        markdown(["--paste", *SCORES.values()], lines),
    ]
    for domain in "AB":
        path = write_sheet(laboratory, rows, args.folder / f"pasting_{domain}.png", domain)
        parts.append(f"![{path.stem}]({args.folder.name}/{path.name})")
    put(args.folder.parent / "results.md", "pasting", "\n\n".join([*parts, commands_of(done)]))


def write_sheet(laboratory: Laboratory, rows: Sequence[Row], output: Path, domain: str) -> Path:
    """The same pictures in all ways, by the first seed."""
    own = [row for row in rows if row.facts["seed"] == 0 and laboratory.record(row)]
    folders = [PairFolder(laboratory.results(row)) for row in own]
    labels = [row.facts["way"].replace(", no", ",\nno") for row in own]
    tiles = contact_sheet.direction_rows(folders, labels, domain, columns=8, side=96)
    save_sheet(sheet(tiles), output)
    return output


if __name__ == "__main__":
    main(sys.argv[1:])
