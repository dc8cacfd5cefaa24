#!/usr/bin/env python3
"""One picture of many results, with the outlines of the instance masks.

    python scripts/contact_sheet.py results/quickstart/test_latest docs/quickstart.png

Each direction gives a row of sources and, below, a row of translations. Several folders are
compared: the sources, then a row for each folder, all of the same pictures. Of a model that makes
several results of a picture, each picture has a row, and each of its styles a column.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from metrics.pairs import PairFiles, PairFolder
from pages.sheet import Row, check_name, save_sheet, sheet, tile
from util.command_line import OneLineParser
from util.errors import UserError, command


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    folders = [PairFolder(path) for path in args.results]
    rows, header = [], []
    for source in "AB" if args.direction == "both" else args.direction[0]:
        if len(folders) == 1 and (titles := styles_of(folders[0], source)):
            rows += style_rows(folders[0].pairs[source][: args.columns], args.side)
            header = max(header, titles, key=len)
        else:
            rows += direction_rows(folders, args.labels, source, args.columns, args.side)
    if not rows:
        raise UserError(f"--direction {args.direction}: not all folders have results of it")
    save_sheet(sheet(rows, header), args.output)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+", help="results folders")
    parser.add_argument("output", type=Path, help="picture to write")
    parser.add_argument("--labels", nargs="+", help="a name for each folder, at the left")
    parser.add_argument("--direction", choices=("AtoB", "BtoA", "both"), default="both")
    parser.add_argument(
        "--columns", type=int, default=8, help="pictures per row, or rows of styles (default 8)"
    )
    parser.add_argument(
        "--side", type=int, default=120, help="width of each in pixels (default 120)"
    )
    args = parser.parse_args(argv)
    check_name(args.output)
    if args.labels and len(args.labels) != len(args.results):
        raise UserError(f"--labels: {len(args.labels)} for {len(args.results)} folders")
    if min(args.columns, args.side) < 1:
        raise UserError("--columns and --side: at least 1")
    if len(args.results) > 1 and not args.labels:
        args.labels = [path.parent.name or path.name for path in args.results]
    return args


def direction_rows(
    folders: list[PairFolder], labels: list[str] | None, source: str, columns: int, side: int
) -> list[Row]:
    """The sources and every folder's translations, of pictures that all of them have."""
    found = [{pair.name: pair for pair in folder.pairs.get(source, [])} for folder in folders]
    names = [name for name in found[0] if all(name in own for own in found)][:columns]
    if not names:
        return []
    sources = [tile(found[0][name].picture(f"real_{source}_img"), side) for name in names]
    rows: list[Row] = [("source" if labels else "", sources)]
    for i, own in enumerate(found):
        tiles = [translated_tile(own[name], side) for name in names]
        rows.append((labels[i] if labels else "", tiles))
    return rows


def styles_of(folder: PairFolder, source: str) -> list[str]:
    """What stands above a picture and each of its results; nothing if it has one alone."""
    pairs = folder.pairs.get(source)
    if not pairs or len(results := pairs[0].load().results()) < 2:
        return []
    told = (folder.listing or {}).get("directions", {}).get(folder.ways[source].name)
    titles = [title for title, _ in told["columns"]] if told else []
    return (titles or ["source", "translation"])[: 1 + len(results)]


def style_rows(pairs: Sequence[PairFiles], side: int) -> list[Row]:
    """A row for each picture: itself, and all that was made of it."""
    loaded = [files.load() for files in pairs]
    return [(p.name, [tile(x, side) for x in (p.image, *p.results())]) for p in loaded]


def translated_tile(files: PairFiles, side: int) -> np.ndarray:
    """A translation with the outlines of its masks; instances not told apart have one."""
    pair = files.load()
    masks = pair.translated_masks
    if masks is None:
        whole = pair.translated_foreground
        masks = [] if whole is None else [whole]
    return tile(pair.translated, side, masks)


if __name__ == "__main__":
    main(sys.argv[1:])
