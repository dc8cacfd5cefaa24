#!/usr/bin/env python3
"""Figures 9 and 10 of the paper with numbers: what each part of InstaGAN is worth, on drawn shapes.

    bash scripts/reproduce_ablation.sh --dry_run     # what would be run
    bash scripts/reproduce_ablation.sh               # run what is left of it

Every finished row is kept in docs/results/ablation and not made again (another --folder measures
anew); the tables go into results.md beside.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datasets import generate_shapes_dataset
from metrics.pairs import PairFolder
from scripts import contact_sheet
from scripts.reproduce.by_step import shares_by_step
from scripts.reproduce.runs import Laboratory, Row, Training
from scripts.reproduce.tables import cell, commands_of, markdown, put, score_of
from util.command_line import OneLineParser
from util.errors import UserError, command
from util.files import staged
from util.sheet import save_sheet, sheet

METHODS = {  # Figure 9: each adds to the one before
    "CycleGAN": "--model cycle_gan --double_params",
    "CycleGAN+Seg": "--model cycle_gan_seg --double_params",
    "InstaGAN, architecture": "--ins_per 2 --lambda_ctx 0",
    "+ context loss": "--ins_per 2",
    "+ sequential": "--ins_per 1",
}
ONE, SEQUENTIAL = "--ins_per 6", "--ins_per 1"  # of six instances at inference
INFERENCE = {name: ONE for name in METHODS if "InstaGAN" in name or "context" in name}
INFERENCE["+ sequential"] = SEQUENTIAL
TRAINED = {"One": "+ context loss", "Seq": "+ sequential"}  # Figure 10
TESTS = (2, 6)  # instances in test pictures; training pictures have 1 or 2
PICTURES = 100  # of each test and domain
SCORES = {
    "image_shape_success": "shape success",
    "image_shape_success_85": "at 0.85",
    "mask_shape_success": "mask success",
    "background_l1": "background L1",
}
DATA = (
    f"--size 48 --train 400 --test {PICTURES} --radius 0.1 0.15 --max_covered 0.3 "
    "--background 115 165"
)
SIZE = "--load_size 48 --crop_size 48 --ngf 12 --ndf 12 --n_blocks 2 --ins_max 2"
TRAINING = "--batch_size 4 --niter 3 --niter_decay 4 --print_freq 400 --display_id 0 --no_html"


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    rows = [row for seed in range(args.seeds) for row in rows_of(seed, args)]
    laboratory = Laboratory(args.folder / "ablation", args.jobs, args.device)
    if args.dry_run:
        print(laboratory.plan(rows))
        return
    draw_data(args.data)
    try:
        laboratory.run(rows)
    finally:
        write_results(laboratory, rows, args)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry_run", action="store_true", help="print what would be run")
    parser.add_argument("--seeds", type=int, default=3, help="of every training (default 3)")
    parser.add_argument(
        "--jobs",
        type=int,
        help="trainings at a time (default: one per core up to 4; on a GPU 1)",
    )
    parser.add_argument("--device", default="-1", help="--gpu_ids of all commands (default -1)")
    parser.add_argument("--data", type=Path, default=Path("datasets/ablation"), help="to draw to")
    parser.add_argument("--folder", type=Path, default=Path("docs/results"), help="of the rows")
    parser.add_argument("--train_options", default="", help="more options of train.py")
    args = parser.parse_args(argv)
    args.jobs = args.jobs or (min(os.cpu_count() or 1, 4) if args.device == "-1" else 1)
    for flag in ("seeds", "jobs"):
        if getattr(args, flag) < 1:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least 1")
    return args


def draw_data(root: Path) -> None:
    """The training pictures, of one or two instances, and tests of exactly two and six."""
    draw(root / "2", f"{DATA} --max_instances 2")
    for count in TESTS:
        exactly = f"--min_instances {count} --max_instances {count}"
        draw(root / f"exactly_{count}", f"{DATA} {exactly} --train 1")


def draw(folder: Path, options: str) -> None:
    """Draw shapes into a folder, unless these are there already."""
    written = folder / "drawn_by.txt"
    if written.is_file() and written.read_text() == options:
        return
    with staged(folder, "--data") as partial:
        generate_shapes_dataset.main(["--save_root", str(partial), *options.split()])
        (partial / written.name).write_text(options)


def rows_of(seed: int, args: argparse.Namespace) -> list[Row]:
    """All rows of one seed: Figure 9 on both tests, and the crossed ones of Figure 10."""
    rows = []
    for method, options in METHODS.items():
        words = f"{options} {SIZE} {TRAINING} --seed {seed}".split()
        words = ("--dataroot", f"{args.data}/2", *words, *shlex.split(args.train_options))
        training = Training(f"{slug(method)}_{seed}", words)
        ways = {"": INFERENCE.get(method, "")}
        if method == TRAINED["One"]:
            ways["_seq"] = SEQUENTIAL
        elif method == TRAINED["Seq"]:
            ways["_one"] = ONE
        for count in TESTS:
            for suffix, inference in ways.items():
                name = f"{slug(method)}{suffix}_on{count}_{seed}"
                facts = {"method": method, "inference": suffix, "instances": count, "seed": seed}
                words = f"--ins_max 6 --batch_size 10 {inference}".split()
                words = ("--dataroot", f"{args.data}/exactly_{count}", *words)
                rows.append(Row(name, training, words, facts))
    return rows


def slug(method: str) -> str:
    """A name for files: `+ context loss` is `context_loss`."""
    return "_".join("".join(c if c.isalnum() else " " for c in method.lower()).split())


# ---- what is written


def write_results(laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace) -> None:
    """The tables of the rows that are done, and the same pictures by all methods."""
    done = laboratory.done(rows)
    if not done or not laboratory.at_hand(rows):
        return
    parts = [method_table(done), one_and_sequential(done), step_table(laboratory, rows)]
    parts += [claims(done), cost_table(done)]
    for direction in ("AtoB", "BtoA"):
        for count in TESTS:
            if path := write_sheet(laboratory, rows, args, count, direction):
                parts.append(f"![{direction}, {count} instances]({args.folder.name}/{path.name})")
    put(args.folder.parent / "results.md", "ablation", "\n\n".join([*parts, commands_of(done)]))


def pick(done: Sequence[dict], method: str, count: int, inference: str = "") -> list[dict]:
    wanted = (method, count, inference)
    return [r for r in done if (r["method"], r["instances"], r["inference"]) == wanted]


def method_table(done: Sequence[dict]) -> str:
    header = ["method", *(f"{title}, {n} instances" for n in TESTS for title in SCORES.values())]
    lines = [
        [method, *(cell(pick(done, method, n), name) for n in TESTS for name in SCORES)]
        for method in METHODS
    ]
    seeds = len({row["seed"] for row in done})
    judged = [
        f"{total} of {n * 2 * PICTURES} in pictures of {n}"
        for n in TESTS
        if (total := lone_instances(pick(done, "CycleGAN", n)))
    ]
    text = (
        f"Mean ± sd over {seeds} seeds, both directions averaged. Shape success is judged for "
        f"instances that overlap no other: {' and '.join(judged)}."
    )
    return f"{text}\n\n{markdown(header, lines)}"


def lone_instances(rows: Sequence[dict]) -> int:
    """How many instances a shape success is the mean of, both directions together."""
    return sum(own["image_shape_success"] for row in rows[:1] for own in row["counts"].values())


def one_and_sequential(done: Sequence[dict]) -> str:
    """Figure 10: one-step and sequential at training and at inference."""
    lines = []
    for trained, method in TRAINED.items():
        for inference in TRAINED:
            suffix = "" if inference == trained else f"_{inference.lower()}"
            lines.append(
                [
                    f"{trained} / {inference}",
                    *(cell(pick(done, method, n, suffix), s) for n in TESTS for s in SCORES),
                ]
            )
    titles = [f"{title}, {n} instances" for n in TESTS for title in SCORES.values()]
    return markdown(["training / inference", *titles], lines)


def done_with(laboratory: Laboratory, rows: Sequence[Row], facts: dict) -> list[Row]:
    """The rows that are done and have these facts."""
    return [r for r in rows if r.facts.items() >= facts.items() and laboratory.record(r)]


def step_table(laboratory: Laboratory, rows: Sequence[Row]) -> str:
    """Shape success by the step in which an instance is translated, one after the other."""
    lines = []
    for count in TESTS:
        for trained, method in TRAINED.items():
            inference = "" if trained == "Seq" else "_seq"
            wanted = {"method": method, "instances": count, "inference": inference}
            own = [laboratory.results(row) for row in done_with(laboratory, rows, wanted)]
            for direction, shares in shares_by_step(own).items():
                cells = ["–" if share is None else f"{share:.2f}" for share in shares]
                cells += ["–"] * (max(TESTS) - len(cells))
                lines.append([f"{trained} / Seq", direction, str(count), *cells])
    titles = [f"step {step + 1}" for step in range(max(TESTS))]
    table = markdown(["training / inference", "direction", "instances", *titles], lines)
    return f"Shape success by the step in which an instance was translated:\n\n{table}"


CLAIMS = (  # what is claimed, of which methods, in which score, and whether more of it is better
    ("InstaGAN over CycleGAN+Seg", "+ sequential", "CycleGAN+Seg", "image_shape_success", True),
    ("the same in one step", "+ context loss", "CycleGAN+Seg", "image_shape_success", True),
    ("CycleGAN+Seg over CycleGAN", "CycleGAN+Seg", "CycleGAN", "image_shape_success", True),
    (
        *("the context loss keeps the background", "+ context loss", "InstaGAN, architecture"),
        *("background_l1", False),
    ),
    (
        *("sequential training over one step, picture", "+ sequential", "+ context loss"),
        *("image_shape_success", True),
    ),
    (
        *("sequential training over one step, masks", "+ sequential", "+ context loss"),
        *("mask_shape_success", True),
    ),
)


def claims(done: Sequence[dict]) -> str:
    """The paper's claims, seed by seed, on both tests."""
    lines = []
    for claim, better, worse, score, more in CLAIMS:
        for count in TESTS:
            gains = gains_by_seed(done, better, worse, count, score)
            right = sum((gain > 0) == more and gain != 0 for gain in gains)
            shown = ", ".join(f"{gain:+.3f}" for gain in gains)
            lines.append(
                [claim, SCORES[score], str(count), shown, f"{right} of {len(gains)} seeds"]
            )
    return markdown(["claim", "score", "instances", "difference by seed", "holds in"], lines)


def gains_by_seed(
    done: Sequence[dict], better: str, worse: str, count: int, name: str
) -> list[float]:
    """Better minus worse, for each seed of which both are done."""
    values = [
        {row["seed"]: score_of(row, name) for row in pick(done, method, count)}
        for method in (better, worse)
    ]
    both = [[own.get(seed) for own in values] for seed in sorted(values[0])]
    return [first - second for first, second in both if None not in (first, second)]


def cost_table(done: Sequence[dict]) -> str:
    lines = []
    for method in METHODS:
        minutes = [row["training_seconds"] / 60 for row in pick(done, method, 2)]
        lines.append([method, ", ".join(f"{value:.1f}" for value in minutes) or "–"])
    return markdown(["method", "minutes of training, by seed"], lines)


def write_sheet(
    laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace, count: int, name: str
) -> Path | None:
    """The same pictures by all methods of the first seed, as far as they are done."""
    wanted = {"seed": 0, "instances": count, "inference": ""}
    own = done_with(laboratory, rows, wanted)
    if not own:
        return None
    output = args.folder / f"ablation_{name}_{count}.png"
    labels = [row.facts["method"].replace(", ", ",\n") for row in own]
    folders = [PairFolder(laboratory.results(row)) for row in own]
    tiles = contact_sheet.direction_rows(folders, labels, name[0], columns=8, side=96)
    save_sheet(sheet(tiles), output)
    return output


if __name__ == "__main__":
    main(sys.argv[1:])
