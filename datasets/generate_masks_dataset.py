#!/usr/bin/env python3
"""Make a two-domain dataset of your own pictures and label maps.

Each value or colour of a map an instance, a folder of pictures and one of maps for each domain:

    python datasets/generate_masks_dataset.py --imagesA cats --labelsA cats_maps \\
        --imagesB dogs --labelsB dogs_maps --save_root ./datasets/cat2dog

Each value or colour a class, the same pictures for both domains; the parts of a class that do not
touch become instances; of a range each value is an instance, as in maps of class * 1000 + number:

    python datasets/generate_masks_dataset.py --imagesA photos --labelsA maps \\
        --cat1 7 --cat2 '#ff8000' --save_root ./datasets/mine
    python datasets/generate_masks_dataset.py --imagesA photos --labelsA maps \\
        --cat1 26000-26999 --cat2 24000-24999 --save_root ./datasets/car2person

A map has the name of its picture and is a lossless file: grey, palette (its indices count) or RGB.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.pictures import UnreadableError, list_unique_pictures
from datasets.making.categories import nearest_first, split_names
from datasets.making.label_maps import Values, map_notes, read_map
from datasets.making.photos import read_photo
from datasets.making.sources import (
    OTHER_CATEGORY,
    Annotated,
    Listing,
    Source,
    Task,
    split_components,
)
from datasets.making.writer import write_dataset
from options.generator_options import add_exif_argument, generator_parser, parse_generator
from util.errors import UserError, command

LISTED = 20  # values that an error names


@command
def main(argv: list[str] | None = None) -> None:
    parser = generator_parser(__doc__.split("\n")[0], save_root="./datasets/mine")
    for domain in "AB":
        default = "" if domain == "A" else " (default: those of A)"
        parser.add_argument(f"--images{domain}", help=f"folder of {domain}'s pictures{default}")
        parser.add_argument(f"--labels{domain}", help=f"folder of {domain}'s label maps{default}")
    parser.add_argument(
        "--background",
        default="0",
        help="values that are no instance: 0,255 or 0,1000-1999 or '#000000'",
    )
    parser.add_argument(
        "--split_components",
        action=argparse.BooleanOptionalAction,
        help="parts that do not touch become masks of their own (default: of classes, not of "
        "values in a range)",
    )
    add_exif_argument(parser)
    args = parse_generator(parser, argv)
    write_dataset(LabelMaps(args), args)


class LabelMaps(Source):
    """`IMAGES/STEM.jpg` and `LABELS/STEM.png` for each domain."""

    title = "label maps"

    def __init__(self, args):
        self.args = args
        typed = [split_names((name or "").lower()) for name in (args.cat1, args.cat2)]
        self.by_class = any(typed)
        self.wanted = {
            domain: Values.parse(words, flag)
            for domain, flag, words in zip("AB", ("cat1", "cat2"), typed, strict=True)
        }
        background = split_names(args.background.lower())
        black = ["#000000"] if "0" in background else []
        self.background = Values.parse([*background, *black], "background")
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

    def listing(self) -> Listing:
        tasks = [task for domain in "AB" for task in self.tasks_of(domain)]
        if not self.by_class:
            return Listing(tasks)
        maps = sorted({task.annotation for task in tasks if task.annotation.is_file()})
        values = {path: self.values(path) for path in maps}
        self.check_wanted(set().union(*values.values()))
        others = sum(
            not any(name in wanted for wanted in self.wanted.values())
            for names in values.values()
            for name in names
        )
        tasks = [
            task
            for task in tasks
            if task.annotation not in values  # absent: named later
            or any(name in self.wanted[task.domain] for name in values[task.annotation])
        ]
        return Listing(tasks, others, Counter({("", OTHER_CATEGORY): others}))

    def check_wanted(self, known: set[str]) -> None:
        """Refuse values that no map has, or that are in both domains; tell of words without use."""
        listed = ", ".join(sorted(known, key=by_number)[:LISTED])
        for domain, flag in (("A", "cat1"), ("B", "cat2")):
            wanted = self.wanted[domain]
            if not wanted.words:
                raise UserError(f"--{flag} is missing; known: {listed}")
            unused = wanted.unused(known)
            if len(unused) == len(wanted.words):
                near = nearest_first(unused[0], sorted(known, key=by_number)[:LISTED])
                raise UserError(
                    f"--{flag} {unused[0]}: no map has it (of palettes the indices count); known, "
                    f"the nearest first: {', '.join(near)}"
                )
            if unused:
                print(f"note: --{flag}: no map has {', '.join(unused)}")
        if shared := [name for name in known if all(name in w for w in self.wanted.values())]:
            raise UserError(
                f"--cat1 {self.args.cat1} --cat2 {self.args.cat2}: {min(shared, key=by_number)} "
                "is in both, so there is nothing to translate: choose different ones"
            )

    def tasks_of(self, domain: str) -> Iterator[Task]:
        """One task per picture of a domain's folder, with the path of its map."""
        for folder in self.folders[domain]:
            if not folder.is_dir():
                raise UserError(f"{folder}: there is no such folder (see --images{domain})")
        pictures, labels = self.folders[domain]
        photos, maps = list_unique_pictures(pictures), list_unique_pictures(labels)
        for flag, folder, found in (("images", pictures, photos), ("labels", labels, maps)):
            if not found:
                raise UserError(f"--{flag}{domain} {folder}: no pictures in it")
        for stem, name in photos.items():
            path = labels / maps.get(stem, f"{stem}.png")
            if path.suffix.lower() in (".jpg", ".jpeg"):
                raise UserError(f"{path}: JPEG blurs labels, a map must be lossless: use PNG")
            yield Task("train", domain, stem.replace("/", "_"), pictures / name, path, (path,))

    def values(self, path: Path) -> set[str]:
        """The names of the values in a map, but for the background; none of a broken one."""
        try:
            return {name for name in read_map(path)[1].values() if name not in self.background}
        except UnreadableError as error:
            if self.args.missing == "error":
                raise UserError(f"{error}, or leave it out with --missing skip") from None
            print(f"note: {error}; left out")
            return set()

    def read(self, task: Task) -> Annotated:
        codes, names = read_map(task.annotation)
        photo = read_photo(task.picture, codes.shape, self.args.exif)
        taken = {code: name for code, name in names.items() if self.is_taken(name, task.domain)}
        masks = [mask for code, name in taken.items() for mask in self.parts(codes == code, name)]
        found = Annotated(
            photo.pixels,
            np.stack(masks) if masks else np.zeros((0, *codes.shape), bool),
            notes=(*photo.notes, *map_notes(codes, names, taken, self.args.background)),
        )
        return photo.upright(found)

    def is_taken(self, name: str, domain: str) -> bool:
        """Whether a value is of a domain's instances."""
        if name in self.background:
            return False
        return name in self.wanted[domain] if self.by_class else True

    def parts(self, mask: np.ndarray, name: str) -> np.ndarray:
        """The instances of one value, bool [N, H, W]."""
        typed = self.args.split_components
        in_range = any(wanted.in_range(name) for wanted in self.wanted.values())
        split = (self.by_class and not in_range) if typed is None else typed
        return split_components(mask[None]) if split else mask[None]


def by_number(name: str) -> tuple[bool, int, str]:
    """Sorts values as numbers, colours after them."""
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)


if __name__ == "__main__":
    main()
