#!/usr/bin/env python3
"""Tables 1 and 2 of the paper: classification scores on real photos, against CycleGAN.

    bash scripts/reproduce_tables.sh --dry_run --tables ccp --size 300 200     # what would be run
    bash scripts/reproduce_tables.sh --tables ccp --size 96 64 --ngf 16 --n_blocks 4 --minutes 60

Rows are kept in docs/results/ccp and docs/results/coco and not made again (another --folder
measures anew); the tables go into results.md beside.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.scene_folder import find_scenes
from scripts.reproduce.drawn import slug
from scripts.reproduce.runs import Laboratory, Row, Training, Words
from scripts.reproduce.sheets import picture_line
from scripts.reproduce.tables import commands_of, markdown, put
from util.command_line import OneLineParser
from util.errors import UserError, command
from util.files import write_json

METHODS = {
    "CycleGAN": "--model cycle_gan --double_params",
    "InstaGAN": "",
    "InstaGAN, --paste 1": "--paste 1",
    "InstaGAN, --paste 3": "--paste 3",
}
TABLES = {  # the folder that the dataset's generator writes, the classes, and the paper's score
    "ccp": ("datasets/pnt2sht_ccp", ("pants", "shorts"), "classification"),
    "coco": ("datasets/shp2gir_coco", ("sheep", "giraffe"), "masked_classification"),
}
PHASES = ("train", "test")
TIMED_PICTURES = 24  # of the short training by which --minutes sets the number of epochs
METRICS = "auto,classification,masked_classification,fid,kid"


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    for table in args.tables:
        laboratory = Laboratory(args.folder / table, args.jobs, args.device)
        root = args.data or Path(TABLES[table][0])
        if not args.dry_run and not root.is_dir():
            raise UserError(f"{root}: there is no such folder; see datasets/README.md")
        rows = rows_of(table, root, laboratory, args)
        if args.dry_run:
            print(laboratory.plan(rows))
            continue
        try:
            laboratory.run(rows)
        finally:
            write_results(table, laboratory, rows, args)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--dry_run", action="store_true", help="print what would be run")
    add("--tables", choices=TABLES, nargs="+", default=list(TABLES), help="default: both")
    add("--data", type=Path, help="dataset folder, for one table (default: as in the README)")
    add("--size", type=int, nargs=2, required=True, metavar=("H", "W"), help="multiples of 4")
    add("--ngf", type=int, default=64, help="width of all networks")
    add("--n_blocks", type=int, default=9, help="residual blocks")
    add("--batch_size", type=int, default=4)
    add("--ins_max", type=int, default=4)
    add("--ins_per", type=int, default=2)
    add("--niter", type=int, default=100, help="epochs at the full rate")
    add("--niter_decay", type=int, default=100, help="epochs of decay")
    add("--minutes", type=float, help="train each method for this long, whatever its epochs")
    add("--seed", type=int, default=0)
    add("--classifier", default="vgg16", help="see evaluate.py")
    add("--classifier_weights", help="see evaluate.py")
    add("--jobs", type=int, default=1, help="trainings at a time")
    add("--device", default="auto", help="--gpu_ids of all commands")
    add("--folder", type=Path, default=Path("docs/results"), help="of the rows")
    args = parser.parse_args(argv)
    if args.data and len(args.tables) > 1:
        raise UserError("--data is one dataset: give one of --tables as well")
    if args.minutes is not None and args.minutes <= 0:
        raise UserError(f"--minutes {args.minutes}: more than 0")
    return args


def rows_of(table: str, root: Path, laboratory: Laboratory, args: argparse.Namespace) -> list[Row]:
    """A row for each method and phase; speeds are measured as many at a time as trainings run."""
    plans = {}
    for method, options in METHODS.items():
        name = f"{slug(method)}_{args.size[0]}x{args.size[1]}_{args.ngf}_{args.seed}"
        plans[method] = Training(name, training_options(root, options, args))
    with ThreadPoolExecutor(args.jobs) as pool:
        found = pool.map(lambda plan: with_epochs(plan, root, laboratory, args), plans.values())
        trainings = dict(zip(METHODS, found, strict=True))
    rows = []
    for method, (training, epochs) in trainings.items():
        facts = {"table": table, "method": method, "size": args.size, "ngf": args.ngf}
        facts |= {"n_blocks": args.n_blocks, "for_minutes": args.minutes, "epochs": epochs}
        for phase in PHASES:
            words = ["--dataroot", str(root), "--phase", phase, "--metrics", METRICS]
            words += ["--batch_size", "8", "--classifier", args.classifier]
            if args.classifier_weights:
                words += ["--classifier_weights", args.classifier_weights]
            own = facts | {"phase": phase}
            rows.append(Row(f"{training.name}_{phase}", training, tuple(words), own, title=method))
    return rows


def training_options(root: Path, options: str, args: argparse.Namespace) -> Words:
    """What a method is trained with, but for the epochs; pictures are cut from a tenth larger."""
    height, width = args.size
    words = [
        f"{options} --crop_size {height} {width}",
        f"--load_size {round(1.1 * height)} {round(1.1 * width)}",
        f"--ngf {args.ngf} --ndf {args.ngf} --n_blocks {args.n_blocks}",
        f"--batch_size {args.batch_size} --seed {args.seed} --ins_max {args.ins_max}",
        *([f"--ins_per {args.ins_per}"] if "cycle_gan" not in options else []),
        "--display_id 0 --save_epoch_freq 1000",
    ]
    return ("--dataroot", str(root), *" ".join(words).split())


def with_epochs(
    plan: Training, root: Path, laboratory: Laboratory, args: argparse.Namespace
) -> tuple[Training, tuple[int, int]]:
    """The training, with its epochs at the full and at the falling rate.

    They are those that were typed, or as many as --minutes allow. A row that is kept gives its own
    again: with others it would be another training.
    """

    def trained_for(epochs: tuple[int, int]) -> Training:
        words = ("--niter", str(epochs[0]), "--niter_decay", str(epochs[1]))
        return replace(plan, options=(*plan.options, *words))

    path = laboratory.folder / f"{plan.name}_{PHASES[0]}.json"
    row = json.loads(path.read_text()) if path.is_file() else {}
    if args.minutes and row.get("for_minutes") == args.minutes:
        epochs = tuple(row["epochs"])
        command = ["python", *laboratory.train_command(trained_for(epochs))]
        if row["commands"][0] == shlex.join(command):
            return trained_for(epochs), epochs
    epochs = measured_epochs(plan, root, laboratory, args) if args.minutes else None
    epochs = epochs or (args.niter, args.niter_decay)
    return trained_for(epochs), epochs


def measured_epochs(
    plan: Training, root: Path, laboratory: Laboratory, args: argparse.Namespace
) -> tuple[int, int] | None:
    """By the speed of a short training, which is remembered; None if a dry run may not measure."""
    path = laboratory.work / f"{plan.name}_{args.minutes}_minutes.json"
    wanted = [*plan.options, "--threads", laboratory.environment["OMP_NUM_THREADS"]]
    known = json.loads(path.read_text()) if path.is_file() else {}
    if known.get("of") != wanted:
        if args.dry_run:
            print(f"--minutes {args.minutes} are not measured yet for {plan.name}; in their place:")
            return None
        more = ["--max_dataset_size", str(TIMED_PICTURES), "--niter", "1", "--niter_decay", "0"]
        short = Training(f"{plan.name}_timed", (*plan.options, *more, "--print_freq", "8"))
        laboratory.call(laboratory.train_command(short), f"{short.name}.log")
        lines = (laboratory.work / short.name / "metrics.jsonl").read_text().splitlines()
        speeds = [json.loads(line)["images_per_s"] for line in lines]
        scenes = (find_scenes(root, "train", domain, True) for domain in "AB")
        pictures = max(sum(bool(scene.masks) for scene in some) for some in scenes)
        epochs = max(2, int(60 * args.minutes * median(speeds) / pictures))
        known = {"of": wanted, "epochs": [epochs - epochs // 2, epochs // 2]}
        write_json(path, known)
    return tuple(known["epochs"])


# ---- what is written


def write_results(
    table: str, laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace
) -> None:
    """The scores of the rows that are done, and the same test pictures by all methods."""
    done = laboratory.done(rows)
    if not done:
        return
    classes, score = TABLES[table][1:]
    parts = [f"The paper's score is {score.replace('_', ' ')}."]
    for direction, (source, target) in (("AtoB", classes), ("BtoA", classes[::-1])):
        parts.append(f"**{source} to {target}**\n\n{score_table(done, direction)}")
    tests = [row for row in rows if row.facts["phase"] == "test"]
    title = f"{classes[0]} and {classes[1]}"
    parts += picture_line(laboratory, tests, args.folder / f"{table}.png", title, columns=10)
    parts.append(commands_of(done))
    put(args.folder.parent / "results.md", table, "\n\n".join(parts))


def score_table(done: Sequence[dict], direction: str) -> str:
    """A column per run and phase, a line per score."""
    names = list(dict.fromkeys(name for row in done for name in row["scores"].get(direction, {})))
    header = ["", "pictures", "height x width, ngf, blocks", "minutes", "epochs"]
    columns = []
    for row in done:
        own = row["scores"].get(direction, {})
        size = f"{row['size'][0]}x{row['size'][1]}, {row['ngf']}, {row['n_blocks']}"
        facts = [row["method"], row["phase"], size, f"{row['training_seconds'] / 60:.0f}"]
        cells = ["–" if own.get(name) is None else f"{own[name]:.3g}" for name in names]
        columns.append([*facts, str(sum(row["epochs"])), *cells])
    spoken = [name.replace("_", " ") for name in names]
    first, *lines = (list(line) for line in zip([*header, *spoken], *columns, strict=True))
    return markdown(first, lines)


if __name__ == "__main__":
    main(sys.argv[1:])
