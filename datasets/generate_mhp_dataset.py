#!/usr/bin/env python3
"""Make a two-domain dataset of Multi-Human Parsing (LV-MHP-v1): clothes of several people.

    python datasets/generate_mhp_dataset.py --cat1 hat --cat2 sunglass

Photos of `train_list.txt` become phase `train`, those of `test_list.txt` phase `test`. Each is
scaled to --size_h, its aspect kept, and cut to the middle --size_w pixels; where it is narrower
than that its border is repeated.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import ImageFile

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.pictures import UnreadableError, picture_size, read_raw
from datasets.making.categories import categories
from datasets.making.sources import Annotated, Listing, Source, Task, center_crop, read_rgb, resize
from datasets.making.writer import write_dataset
from options.generator_options import generator_parser, parse_generator
from util.errors import UserError, command
from util.files import read_lines

LABELS = (
    "hat hair sunglass upper-clothes skirt pants dress belt left-shoe right-shoe face left-leg "
    "right-leg left-arm right-arm bag scarf torso-skin"
).split()  # numbered from 1
LARGEST = 10_000  # pixels


@command
def main(argv: list[str] | None = None) -> None:
    parser = generator_parser(__doc__.split("\n")[0], save_root="./datasets/mhp")
    parser.add_argument("--data_root", default="./datasets/LV-MHP-v1", help="images, annotations")
    parser.add_argument("--size_h", type=int, default=450, help="height of the pictures")
    parser.add_argument("--size_w", type=int, default=300, help="their width")
    parser.add_argument(
        "--no_skip_horizontal", action="store_true", help="take pictures wider than tall, too"
    )
    args = parse_generator(parser, argv)
    for flag in ("size_h", "size_w"):
        if not 1 <= getattr(args, flag) <= LARGEST:
            raise UserError(f"--{flag} {getattr(args, flag)}: from 1 to {LARGEST}")
    write_dataset(MultiHumanParsing(args), args)


class MultiHumanParsing(Source):
    """`images/ID.jpg`, `annotations/ID_TOTAL_PERSON.png`, `{train,test}_list.txt`."""

    title = "LV-MHP-v1"

    def __init__(self, args):
        self.root = Path(args.data_root)
        self.size = (args.size_h, args.size_w)
        self.take_wide = args.no_skip_horizontal
        self.wanted = {
            domain: [LABELS.index(name) + 1 for name in names]
            for domain, names in categories(args, LABELS).items()
        }

    def listing(self) -> Listing:
        if not self.root.is_dir():
            raise UserError(
                f"--data_root {self.root}: there is no such folder; see datasets/README.md"
            )
        found, wide, masks = [], 0, self.people()
        for split in ("train", "test"):
            for stem in self.listed(split):
                picture = self.root / "images" / f"{stem}.jpg"
                if not self.take_wide and self.is_wide(picture):
                    wide += 1
                    continue
                people = tuple(masks.get(stem, ()))
                for domain in self.wanted:
                    found.append(Task(split, domain, stem, picture, people))
        if wide:
            print(f"note: {wide} pictures are wider than tall and left out; --no_skip_horizontal")
        return Listing(found)

    def listed(self, split: str) -> list[str]:
        """The ids of a split."""
        path = self.root / f"{split}_list.txt"
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; is --data_root right?")
        return [Path(line.strip()).stem for line in read_lines(path) if line.strip()]

    def people(self) -> dict[str, list[Path]]:
        """The annotation files of each picture, by person."""
        found, total = defaultdict(list), {}
        for path in sorted((self.root / "annotations").glob("*.png")):
            if match := re.fullmatch(r"(.+)_(\d+)_\d+", path.stem):
                found[match[1]].append(path)
                total[match[1]] = int(match[2])
        if not found:
            raise UserError(f"{self.root / 'annotations'}: no ID_TOTAL_PERSON.png in it")
        if fewer := [stem for stem, paths in found.items() if len(paths) < total[stem]]:
            print(
                f"note: {len(fewer)} photos lack maps of people that the names of others count, "
                f"{fewer[0]} first: is the download complete?"
            )
        return found

    @staticmethod
    def is_wide(picture: Path) -> bool:
        try:
            height, width = picture_size(picture)
        except UnreadableError:  # absent or broken: named later
            return False
        return width > height

    def read(self, task: Task) -> Annotated:
        image, notes = read_leniently(task.picture)
        masks = []
        for path in task.annotation:
            labels = read_raw(path)
            if labels.shape != image.shape[:2]:
                raise UserError(
                    f"{path} is {labels.shape[0]}x{labels.shape[1]} (height x width) and "
                    f"{task.picture} is {image.shape[0]}x{image.shape[1]}: fetch both again"
                )
            worn = np.unique(labels)
            masks += [labels == label for label in self.wanted[task.domain] if label in worn]
        masks = np.stack(masks) if masks else np.zeros((0, *image.shape[:2]), bool)
        found = Annotated(image, masks, notes=notes)
        width = max(1, round(image.shape[1] * self.size[0] / image.shape[0]))
        return center_crop(resize(found, (self.size[0], width)), self.size)


def read_leniently(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """A picture, as far as it goes if its file is cut short, as some of this set's are; notes."""
    try:
        return read_rgb(path), ()
    except UnreadableError:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            return read_rgb(path), ("broken JPEG, read as far as it goes",)
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False


if __name__ == "__main__":
    main()
