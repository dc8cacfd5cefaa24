#!/usr/bin/env python3
"""Check a dataset: every file that is broken, of the wrong size, empty or unused; counts; a page.

    python datasets/check_dataset.py datasets/shp2gir_coco --page
    python datasets/check_dataset.py datasets/mine --fix datasets/mine_fixed

Ends with 0 if all is well and with 1 if something is wrong.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.checks import KINDS
from datasets.making.fix import write_fixed
from datasets.making.page import write_page
from datasets.making.report import (
    Report,
    area_histogram,
    areas_of,
    by_kind,
    inspect,
    instance_histogram,
)
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command
from util.workers import cores

BAR = 30  # characters of the longest bar


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    report = inspect(args.dataroot, args.workers, args.exif)
    print(aligned([report.table()[0], *report.table()[1]]))
    if boxed := [name for name, found in report.facts.items() if any(f.boxes for f in found)]:
        print(f"boxes in {', '.join(boxed)}: models that change shapes need outlines instead")
    print_histograms(report)
    print_problems(report, args.show)
    if args.page or args.page_folder:
        folder = args.page_folder or Path(f"results/check_{args.dataroot.resolve().name}")
        print(f"page: {write_page(report, folder, args.page_limit, args.workers).resolve()}")
    if args.fix:
        write_fixed(report, args.fix, args.workers)
        print(f"fixed: {args.fix}")
    if report.problems:
        raise SystemExit(1)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(description=__doc__.split("\n")[0])
    parser.add_argument("dataroot", type=Path, help="folder with trainA, trainA_seg, trainB, …")
    parser.add_argument(
        "--page",
        action="store_true",
        help="write a page of the pictures with outlined instances, results/check_NAME/index.html",
    )
    parser.add_argument("--page_folder", type=Path, help="write it to this folder instead")
    parser.add_argument(
        "--page_limit", type=int, default=1000, help="pictures per phase and domain (default 1000)"
    )
    parser.add_argument(
        "--fix",
        type=Path,
        metavar="FOLDER",
        help="write a copy without what cannot be used, masks made 0 and 255, to a new folder",
    )
    parser.add_argument(
        "--exif",
        choices=("shown", "stored"),
        help="how masks lie on photos with an EXIF turn whose size does not tell (default: shown, "
        "and such photos are named)",
    )
    parser.add_argument(
        "--show", type=int, default=10, help="files to name per kind of problem (default 10)"
    )
    parser.add_argument("--workers", type=int, default=cores(), help="processes (default: cores)")
    args = parser.parse_args(argv)
    for flag in ("page_limit", "show", "workers"):
        if getattr(args, flag) < 1:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least 1")
    return args


def print_histograms(report: Report) -> None:
    for name, found in report.facts.items():
        if not areas_of(found):
            continue
        for title, bins in (
            ("instances per picture", instance_histogram(found)),
            ("area of an instance, share of the picture", area_histogram(found)),
        ):
            print(f"\n{name}: {title}")
            for label, count in bins.items():
                bar = "▇" * round(BAR * count / max(bins.values()))
                print(f"  {label:>12}  {bar} {count}")


def print_problems(report: Report, show: int) -> None:
    print()
    for kind, found in by_kind(report.problems).items():
        print(f"{kind}: {len(found)}; in training {KINDS[kind]}")
        for problem in found[:show]:
            print(f"    {problem.text}")
        if len(found) > show:
            print(f"    and {len(found) - show} more: see --show")
    print(f"{len(report.problems)} problems" if report.problems else "nothing wrong")


if __name__ == "__main__":
    main()
