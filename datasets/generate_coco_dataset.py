#!/usr/bin/env python3
"""Make a two-domain dataset of COCO, or of any annotations in its format.

    python datasets/generate_coco_dataset.py --cat1 sheep --cat2 giraffe

Every annotation file is one split, found in its path: `instances_train2017.json` is phase `train`.
The shorter side is scaled to --image_size, and the middle square is cut out.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.coco_masks import decode_mask
from data.dataset_writer import write_dataset
from data.sources import Annotated, Source, Task, center_crop, read_as_annotated, resize
from options.generator_options import (
    categories,
    generator_parser,
    parse_generator,
    split_names,
)
from util.errors import UserError, command

LARGEST = 10_000  # pixels
SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}  # in paths -> phase


@command
def main(argv: list[str] | None = None) -> None:
    parser = generator_parser(
        __doc__.split("\n")[0], save_root="./datasets/shp2gir_coco", cat1="sheep", cat2="giraffe"
    )
    parser.add_argument("--data_root", default="./datasets/coco", help="pictures and annotations")
    parser.add_argument("--image_size", type=int, default=256, help="side of the pictures")
    parser.add_argument(
        "--annotations",
        nargs="+",
        metavar="[SPLIT=]FILE",
        help="annotation files, relative to data_root (default: annotations/instances_*.json, or "
        "else every .json there)",
    )
    parser.add_argument(
        "--images", help="folder of the pictures, seen from here (default: looked for in data_root)"
    )
    parser.add_argument(
        "--crowd", choices=("skip", "keep"), default="skip", help="masks of crowds (iscrowd 1)"
    )
    args = parse_generator(parser, argv)
    if not 1 <= args.image_size <= LARGEST:
        raise UserError(f"--image_size {args.image_size}: from 1 to {LARGEST}")
    write_dataset(Coco(args), args)


class Coco(Source):
    """`annotations/instances_train2017.json` with `train2017/000000000139.jpg`, and its kin."""

    title = "COCO"

    def __init__(self, args):
        self.args = args
        self.root = Path(args.data_root)
        if not self.root.is_dir():
            raise UserError(
                f"--data_root {self.root}: there is no such folder; "
                "fetch the pictures with datasets/download_coco.sh"
            )

    def tasks(self) -> list[Task]:
        typed = (self.args.cat1, self.args.cat2)
        wanted = {name for words in typed for name in (*split_names(words), words)}
        files = [
            (split, AnnotationFile(path, wanted, self.args.crowd == "keep"))
            for path, split in self.annotation_files()
        ]
        chosen = categories(self.args, sorted({name for _, file in files for name in file.known}))
        domains = {name: domain for domain, names in chosen.items() for name in names}
        return [task for split, file in files for task in self.tasks_of(split, file, domains)]

    def annotation_files(self) -> list[tuple[Path, str]]:
        """The annotation files and the phase each is for."""
        typed = [name.rpartition("=") for name in self.args.annotations or []]
        for split, _, name in typed:
            if not re.fullmatch(r"\w*", split):
                raise UserError(f"--annotations {split}={name}: the split is a word, such as val")
        found = [
            (self.root / name, SPLITS.get(split.lower(), split) or split_of(Path(name)))
            for split, _, name in typed
        ]
        if not typed:
            paths = sorted(self.root.glob("annotations/instances_*.json"))
            paths = paths or sorted({*self.root.glob("*.json"), *self.root.glob("*/*.json")})
            found = [(path, split_of(path.relative_to(self.root))) for path in paths]
        if not found:
            raise UserError(f"--data_root {self.root}: no .json in it; name it with --annotations")
        return found

    def tasks_of(self, split: str, file: "AnnotationFile", domains: dict[str, str]) -> list[Task]:
        """One task per picture and domain whose category is annotated in it."""
        found = defaultdict(list)
        for image, category, segmentation in file.masks:
            found[image, domains[category]].append(segmentation)
        folder = self.picture_folder(file, {image for image, _ in found})
        return [
            Task(split, domain, safe_name(image), folder / name, (size, found[image, domain]))
            for image, (name, size) in file.images.items()
            for domain in "AB"
            if (image, domain) in found
        ]

    def picture_folder(self, file: "AnnotationFile", images: set) -> Path:
        """Where the pictures of an annotation file lie: the first likely place that has one."""
        if self.args.images:
            if not Path(self.args.images).is_dir():
                raise UserError(f"--images {self.args.images}: there is no such folder")
            return Path(self.args.images)
        name = file.path.stem.removeprefix("instances_")
        likely = [self.root / name, self.root / "images" / name, self.root / "images"]
        likely += [self.root, file.path.parent, file.path.parent / "images"]
        names = [name for image, (name, _) in file.images.items() if image in images]
        for folder in likely:
            if any((folder / name).is_file() for name in names[:100]):
                return folder
        return likely[0]

    def read(self, task: Task) -> Annotated:
        size, segmentations = task.annotation
        image = read_as_annotated(task.picture, size)
        height, width = image.shape[:2]
        masks = [decode_mask(found, (height, width), task.picture) for found in segmentations]
        side = self.args.image_size
        scale = side / min(height, width)
        size = (max(side, round(height * scale)), max(side, round(width * scale)))
        return center_crop(resize(Annotated(image, np.stack(masks)), size), (side, side))


class AnnotationFile:
    """What is needed of one file in COCO format: all else of it, often gigabytes, is let go.

    known   names of the categories
    images  id -> (file name, (height, width) or None)
    masks   (image id, category's name, segmentation) of the wanted categories
    """

    def __init__(self, path: Path, wanted: set[str], crowds: bool):
        self.path = path
        contents = self.load()
        names = {
            entry["id"]: str(entry["name"]).strip()
            for entry in self.entries(contents, "categories")
        }
        self.known = sorted(set(names.values()))
        self.images = {
            entry["id"]: (self.checked(entry["file_name"]), self.size_of(entry))
            for entry in self.entries(contents, "images")
        }
        self.masks, bare = [], 0
        for entry in self.entries(contents, "annotations"):
            name = names.get(entry["category_id"])
            if name not in wanted or (entry.get("iscrowd") and not crowds):
                continue
            if entry["image_id"] not in self.images:
                self.refuse(
                    f"an annotation is of image {entry['image_id']}, which it does not list"
                )
            if segmentation := entry.get("segmentation"):
                self.masks.append((entry["image_id"], name, segmentation))
            else:
                bare += 1
        if bare:
            print(f"note: {path}: {bare} annotations have no segmentation and are left out")

    def load(self) -> dict:
        try:
            contents = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            raise UserError(f"{self.path}: there is no such file (see --annotations)") from None
        except (ValueError, RecursionError) as error:
            raise UserError(f"{self.path} is no JSON ({error}): fetch it again") from None
        if not isinstance(contents, dict):
            self.refuse("it is a list")
        return contents

    def entries(self, contents: dict, key: str) -> list[dict]:
        """The entries under a key, each known to have what is read from it."""
        needed = {
            "categories": ("id", "name"),
            "images": ("id", "file_name"),
            "annotations": ("image_id", "category_id"),
        }[key]
        found = contents.get(key)
        if not isinstance(found, list):
            self.refuse(f"it has no list '{key}'")
        for place, entry in enumerate(found):
            missing = [k for k in needed if not isinstance(entry, dict) or k not in entry]
            if missing:
                self.refuse(f"entry {place} of '{key}' has no '{missing[0]}'")
            for name in needed:
                if name.endswith("id"):  # some tools write 1, others 1.0 or "1"
                    entry[name] = self.identity(entry[name], place, key)
        return found

    def identity(self, value, place: int, key: str) -> str:
        """An id as text, the same for 1, 1.0 and "1"."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, (int, str)):
            self.refuse(f"entry {place} of '{key}' has an id that is no number: {value!r}")
        return str(value)

    def size_of(self, image: dict) -> tuple[int, int] | None:
        """(height, width) as annotated; None if the tool that wrote the file left it out."""
        if not (image.get("height") and image.get("width")):
            return None
        try:
            return int(image["height"]), int(image["width"])
        except (TypeError, ValueError, OverflowError):
            self.refuse(f"the size of {image['file_name']} is no number")

    def checked(self, name: str) -> str:
        """A file name that stays inside the folder of the pictures."""
        if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
            self.refuse(f"the file name {name!r} leads out of the folder of the pictures")
        return name

    def refuse(self, reason: str):
        raise UserError(
            f"{self.path} is not in COCO format ({reason}): name the right file by --annotations"
        )


def split_of(path: Path) -> str:
    """The phase of an annotation file, from its name or its folder's: `train` if none says."""
    for part in reversed(path.parts):
        if found := re.search(r"(?<![a-z])(train|valid|val|test)", part.lower()):
            return SPLITS[found[1]]
    print(f"note: {path}: no split in its name, taken as train; say --annotations val={path}")
    return "train"


def safe_name(image_id) -> str:
    """A picture's id as a file name."""
    return re.sub(r"[^\w.-]", "_", str(image_id))


if __name__ == "__main__":
    main()
