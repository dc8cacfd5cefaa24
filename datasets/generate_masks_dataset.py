#!/usr/bin/env python3
"""Make a two-domain dataset of your own pictures and label maps.

Each value or colour of a map an instance, a folder of pictures and one of maps for each domain:

    python datasets/generate_masks_dataset.py --imagesA cats --labelsA cats_maps \\
        --imagesB dogs --labelsB dogs_maps --save_root ./datasets/cat2dog

Each value or colour a class, the same pictures for both domains; the parts of a class that do not
touch become instances:

    python datasets/generate_masks_dataset.py --imagesA photos --labelsA maps \\
        --cat1 7 --cat2 '#ff8000' --save_root ./datasets/mine

A map has the name of its picture and is a lossless file: grey, palette (its indices count) or RGB.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.dataset_writer import write_dataset
from data.pictures import UnreadableError, decode, list_pictures, without_alpha
from data.sources import Annotated, Source, Task, read_as_annotated, split_components
from options.generator_options import (
    categories,
    generator_parser,
    parse_generator,
    split_names,
)
from util.errors import UserError, command

MOST = 1000  # values in one map: more of them are a photo or a lossy file


@command
def main(argv: list[str] | None = None) -> None:
    parser = generator_parser(__doc__.split("\n")[0], save_root="./datasets/mine")
    for domain in "AB":
        default = "" if domain == "A" else " (default: those of A)"
        parser.add_argument(f"--images{domain}", help=f"folder of {domain}'s pictures{default}")
        parser.add_argument(f"--labels{domain}", help=f"folder of {domain}'s label maps{default}")
    parser.add_argument(
        "--background", default="0", help="values that are no instance: 0,255 or '#000000'"
    )
    parser.add_argument(
        "--split_components",
        action=argparse.BooleanOptionalAction,
        help="parts that do not touch become masks of their own (default: with --cat1, --cat2)",
    )
    args = parse_generator(parser, argv)
    write_dataset(LabelMaps(args), args)


class LabelMaps(Source):
    """`IMAGES/STEM.jpg` and `LABELS/STEM.png` for each domain."""

    title = "label maps"

    def __init__(self, args):
        self.args = args
        args.cat1, args.cat2 = (name and name.lower() for name in (args.cat1, args.cat2))
        self.by_class = bool(args.cat1 or args.cat2)
        self.split = self.by_class if args.split_components is None else args.split_components
        self.missing = args.missing
        self.background = set(split_names(args.background.lower()))
        for word in self.background:
            if not re.fullmatch(r"\d+|#[0-9a-f]{6}", word):
                raise UserError(f"--background {word}: a number, or a colour such as '#ff8000'")
        if "0" in self.background:
            self.background.add("#000000")
        if not (args.imagesA and args.labelsA):
            raise UserError("--imagesA and --labelsA are missing: name the folders of domain A")
        self.folders = {
            "A": (Path(args.imagesA), Path(args.labelsA)),
            "B": (Path(args.imagesB or args.imagesA), Path(args.labelsB or args.labelsA)),
        }
        if self.folders["A"] == self.folders["B"] and not self.by_class:
            raise UserError(
                "--imagesB and --labelsB are missing: name the folders of domain B, or the "
                "classes of both domains by --cat1 and --cat2"
            )

    def tasks(self) -> list[Task]:
        tasks = [task for domain in "AB" for task in self.tasks_of(domain)]
        if not self.by_class:
            return tasks
        maps = sorted({task.annotation for task in tasks if task.annotation.is_file()})
        values = {path: self.values(path) for path in maps}
        chosen = categories(self.args, sorted(set().union(*values.values()), key=by_number))
        return [
            replace(task, files=(task.annotation,), annotation=(task.annotation, wanted))
            for task in tasks
            for wanted in [chosen[task.domain]]
            if not values.get(task.annotation, set(wanted)).isdisjoint(wanted)
        ]

    def tasks_of(self, domain: str) -> Iterator[Task]:
        """One task per picture of a domain's folder, with the path of its map."""
        for folder in self.folders[domain]:
            if not folder.is_dir():
                raise UserError(f"{folder}: there is no such folder (see --images{domain})")
        pictures, labels = self.folders[domain]
        maps = list_pictures(labels)
        for flag, folder, found in (
            ("images", pictures, list_pictures(pictures)),
            ("labels", labels, maps),
        ):
            if not found:
                raise UserError(f"--{flag}{domain} {folder}: no pictures in it")
        for stem, name in list_pictures(pictures).items():
            path = labels / maps.get(stem, f"{stem}.png")
            if path.suffix.lower() in (".jpg", ".jpeg"):
                raise UserError(f"{path}: JPEG blurs labels, a map must be lossless: use PNG")
            yield Task("train", domain, stem.replace("/", "_"), pictures / name, path, (path,))

    def values(self, path: Path) -> set[str]:
        """The names of the values in a map, but for the background; none of a broken one."""
        try:
            return set(read_map(path)[1].values()) - self.background
        except UnreadableError as error:
            if self.missing == "error":
                raise UserError(f"{error}, or leave it out with --missing skip") from None
            print(f"note: {error}; left out")
            return set()

    def read(self, task: Task) -> Annotated:
        path, wanted = task.annotation if self.by_class else (task.annotation, None)
        codes, names = read_map(path)
        image = read_as_annotated(task.picture, codes.shape)
        chosen = [
            code
            for code, name in names.items()
            if (name in wanted if wanted else name not in self.background)
        ]
        masks = codes == np.array(chosen, codes.dtype).reshape(-1, 1, 1)
        return Annotated(image, split_components(masks) if self.split else masks)


def read_map(path: Path) -> tuple[np.ndarray, dict[int, str]]:
    """A label map as codes [H, W], and the name of every code in it: `7`, or `#ff8000` of RGB."""
    codes, form = without_alpha(np.asarray(decode(path))).astype(np.int64), "{}"
    if codes.ndim == 3:
        codes, form = codes @ (1 << 16, 1 << 8, 1), "#{:06x}"
    found = np.unique(codes).tolist()
    if len(found) > MOST:
        raise UserError(f"{path} holds {len(found)} values: it is a picture, not a label map")
    return codes, {code: form.format(code) for code in found}


def by_number(name: str) -> tuple[bool, int, str]:
    """Sorts values as numbers, colours after them."""
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)


if __name__ == "__main__":
    main()
