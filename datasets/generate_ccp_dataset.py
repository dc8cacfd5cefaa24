#!/usr/bin/env python3
"""Make a two-domain dataset of Clothing Co-Parsing (CCP), such as pants and shorts.

    python datasets/generate_ccp_dataset.py --cat1 pants --cat2 shorts --test_fraction 0.1

Photos with pixel-level annotations become phase `train`, or in part `test` (`--test_fraction`);
those with tags alone become phase `val`, pictures without masks as in the official code.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.io import loadmat

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datasets.making.categories import categories
from datasets.making.sources import Annotated, Listing, Source, Task, read_rgb, split_components
from datasets.making.writer import write_dataset
from options.generator_options import generator_parser, parse_generator
from util.errors import UserError, command


@command
def main(argv: list[str] | None = None) -> None:
    parser = generator_parser(
        __doc__.split("\n")[0], save_root="./datasets/pnt2sht_ccp", cat1="pants", cat2="shorts"
    )
    parser.add_argument(
        "--data_root", default="./datasets/clothing-co-parsing", help="photos and annotations"
    )
    parser.add_argument(
        "--split_components",
        action="store_true",
        help="parts of a category that do not touch become masks of their own",
    )
    args = parse_generator(parser, argv)
    write_dataset(ClothingCoParsing(args), args)


class ClothingCoParsing(Source):
    """`photos/0001.jpg`, `annotations/{pixel,image}-level/0001.mat`, `label_list.mat`."""

    title = "clothing-co-parsing"

    def __init__(self, args):
        self.root = Path(args.data_root)
        self.split_components = args.split_components
        labels = self.labels()
        chosen = categories(args, [name for name in labels if name != "null"])
        self.wanted = {
            domain: {labels.index(name) for name in names} for domain, names in chosen.items()
        }

    def labels(self) -> list[str]:
        """The names of the labels; a label's number is its place."""
        if not self.root.is_dir():
            raise UserError(
                f"--data_root {self.root}: there is no such folder; "
                "fetch the photos with datasets/download_ccp.sh"
            )
        listed = load(self.root / "label_list.mat", "label_list")
        return [str(np.squeeze(entry)) for entry in listed.ravel()]

    def listing(self) -> Listing:
        return Listing(
            [
                *self.tasks_of("train", "pixel-level", "groundtruth"),
                *self.tasks_of("val", "image-level", "tags"),
            ]
        )

    def tasks_of(self, split: str, level: str, variable: str) -> list[Task]:
        """One task per annotated photo and domain of which it shows a category."""
        folder = self.root / "annotations" / level
        paths = sorted(folder.glob("*.mat"))
        if not paths and split == "train":
            raise UserError(f"{folder}: no .mat files in it; --data_root {self.root} is not CCP")
        found = []
        for path in paths:
            labels = set(np.unique(load(path, variable)).tolist())
            for domain, wanted in self.wanted.items():
                if labels & wanted:
                    annotation = path if split == "train" else None
                    photo = self.root / "photos" / f"{path.stem}.jpg"
                    found.append(Task(split, domain, path.stem, photo, annotation))
        return found

    def read(self, task: Task) -> Annotated:
        image = read_rgb(task.picture)
        if task.annotation is None:
            return Annotated(image, None)
        truth = load(task.annotation, "groundtruth")
        if truth.shape != image.shape[:2]:
            raise UserError(
                f"{task.annotation} is {truth.shape[0]}x{truth.shape[1]} (height x width) and "
                f"{task.picture} is {image.shape[0]}x{image.shape[1]}: fetch both again"
            )
        shown = self.wanted[task.domain].intersection(np.unique(truth).tolist())
        masks = np.stack([truth == label for label in sorted(shown)])
        return Annotated(image, split_components(masks) if self.split_components else masks)


def load(path: Path, variable: str) -> np.ndarray:
    """One variable of a .mat file. Raises UserError if it cannot be had."""
    try:
        values = loadmat(path)[variable]
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; is --data_root right?") from None
    except KeyError:
        raise UserError(f"{path} holds no '{variable}': replace it") from None
    except Exception as error:  # of many kinds, from scipy and zlib
        raise UserError(f"{path} cannot be read ({error}): replace it") from None
    if variable != "label_list" and values.dtype.kind not in "biu":
        raise UserError(f"{path}: its '{variable}' are no labels but {values.dtype}: replace it")
    return values


if __name__ == "__main__":
    main()
