#!/usr/bin/env python3
"""Take the objects out of every picture of a dataset, for --model mgd_gan.

    python datasets/make_backgrounds.py datasets/shp2gir_coco

writes beside each phase's pictures, such as trainA,

    trainA_hole/STEM.png        where its objects are, and a little around them: white
    trainA_inpainted/STEM.png   the picture, to the bit outside the hole, filled inside

and backgrounds.json, which says how. Pictures and masks stay as they are.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.checks import same_results
from data.inpainting import (
    REACH,
    Fill,
    harmonic,
    has_opencv,
    hole_of,
    inpaint,
    opencv_fill,
    reach_of,
)
from data.pictures import list_pictures, read_image, stem_of
from data.scene_folder import SceneFolder, find_scenes
from datasets.making.report import find_folders
from util.command_line import OneLineParser
from util.errors import UserError, command
from util.files import staged, write_json
from util.workers import cores, map_in_order

METHODS = ("telea", "ns", "harmonic")
EXTERNAL = "external:"
NOTES = "backgrounds.json"
UNRELIABLE = 0.6  # share of the picture: what is filled in a larger hole is a guess
SHOWN = 5  # of the pictures with such holes


class Done(NamedTuple):
    """What was made of a picture: the share that was filled, and whether that can be trusted."""

    name: str
    share: float
    unreliable: bool


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    filler = chosen(args.inpaint)
    facts = {}
    for folder in find_folders(args.dataroot):
        if not (args.dataroot / f"{folder}_seg").is_dir():
            print(f"{folder}: has no masks, so nothing is taken out of its pictures")
            continue
        facts[folder] = make(args, folder, filler)
    if not facts:
        raise UserError(f"{args.dataroot}: no phase has masks, such as trainA_seg")
    about = {"inpaint": args.inpaint, "reach": args.reach, "folders": facts}
    write_json(args.dataroot / NOTES, about)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataroot", type=Path, help="folder with trainA, trainA_seg, trainB, …")
    parser.add_argument(
        "--inpaint",
        metavar="|".join((*METHODS, f"{EXTERNAL}DIR")),
        help="telea, ns: OpenCV's methods (pip install opencv-python-headless); harmonic: the "
        "smoothest fill, needs nothing; external:DIR: DIR/trainA/STEM.png and so on, as another "
        "program filled them (default: telea if OpenCV is installed, else harmonic)",
    )
    parser.add_argument(
        "--reach",
        type=float,
        default=REACH,
        metavar="SHARE",
        help="how far a hole reaches beyond the masks, as a share of the picture's shorter side "
        "(default 7/256); masks that miss the objects' borders need more",
    )
    parser.add_argument(
        "--exif",
        choices=("shown", "stored"),
        help="how masks lie on photos with an EXIF turn whose size does not tell (default: shown)",
    )
    parser.add_argument("--workers", type=int, default=cores(), help="processes (default: cores)")
    args = parser.parse_args(argv)
    if args.workers < 1:
        raise UserError(f"--workers {args.workers}: at least 1")
    if not 0 <= args.reach <= 1:
        raise UserError(f"--reach {args.reach}: a share of the picture, from 0 to 1")
    if args.inpaint is None:
        args.inpaint = "telea" if has_opencv() else "harmonic"
        print(f"--inpaint {args.inpaint}" + ("" if has_opencv() else ": OpenCV is not installed"))
    return args


Filler = Callable[[str, str], Fill]  # how a picture is filled: of a folder, `trainA`, and its name


def chosen(word: str) -> Filler:
    """How pictures are filled. Raises UserError for what is not known or not there."""
    if word.startswith(EXTERNAL):
        root = Path(word.removeprefix(EXTERNAL))
        if not root.is_dir():
            raise UserError(
                f"--inpaint {word}: there is no such folder; it has a folder for each phase, "
                "trainA/STEM.png and so on"
            )
        folders = {path.name: list_pictures(path) for path in root.iterdir() if path.is_dir()}
        return External(root, folders)
    if word not in METHODS:
        raise UserError(f"--inpaint {word}: one of {', '.join(METHODS)}, {EXTERNAL}DIR")
    if word != "harmonic":
        opencv_fill(word)  # raises if OpenCV is not there
    return Method(word)


@dataclass(frozen=True)
class Method:
    """A method of `METHODS` for all pictures."""

    name: str

    def __call__(self, folder: str, stem: str) -> Fill:
        fill = harmonic if self.name == "harmonic" else opencv_fill(self.name)
        return partial(inpaint, fill=fill)


@dataclass(frozen=True)
class External:
    """Pictures that another program has filled, in `root/trainA/STEM.png`.

    folders are the files of each folder by their stems.
    """

    root: Path
    folders: Mapping[str, Mapping[str, str]]

    def __call__(self, folder: str, stem: str) -> Fill:
        def fill(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
            found = self.folders.get(folder, {})
            if stem not in found:
                raise UserError(f"--inpaint {EXTERNAL}{self.root}: no {folder}/{stem}.png in it")
            path = self.root / folder / found[stem]
            pixels = read_image(path, image.shape[-1]).transpose(1, 2, 0)
            if pixels.shape != image.shape:
                there, wanted = ("x".join(map(str, x.shape[:2])) for x in (pixels, image))
                raise UserError(f"{path} is {there} and its picture {wanted} (height x width)")
            return np.where(hole[..., None], pixels, image)

        return fill


def make(args: argparse.Namespace, folder: str, filler: Filler) -> dict:
    """Write holes and backgrounds of one folder's pictures; returns what is noted of it."""
    scenes = find_scenes(args.dataroot, folder[:-1], folder[-1], True)
    if double := next(same_results(args.dataroot / folder), None):
        raise UserError(double.text)  # one would get the other's background
    with ExitStack() as stack:
        places = {
            kind: stack.enter_context(staged(args.dataroot / f"{folder}_{kind}", "DATAROOT"))
            for kind in ("hole", "inpainted")
        }
        source = SceneFolder(scenes, None, 3, args.exif)
        work = partial(make_one, source, places, folder, filler, args.reach)
        title = f"removing objects, {folder}"
        done = list(map_in_order(work, range(len(scenes)), args.workers, title))
    shares = [one.share for one in done]
    doubtful = [one.name for one in done if one.unreliable]
    print(f"{folder}: {len(done)} pictures, holes of {np.mean(shares):.0%} of a picture on average")
    if doubtful:
        more = f" and {len(doubtful) - SHOWN} more" if len(doubtful) > SHOWN else ""
        print(
            f"    holes over {UNRELIABLE:.0%} of the picture, or at all its borders, are filled "
            f"with a guess: {', '.join(doubtful[:SHOWN])}{more}"
        )
    return {"pictures": len(done), "mean_hole": float(np.mean(shares)), "doubtful": doubtful}


def make_one(
    source: SceneFolder, places: dict[str, Path], folder: str, filler: Filler, share: float, i: int
) -> Done:
    """Write the hole and the background of one picture."""
    picture = source.load(i)
    image = picture.image.numpy().transpose(1, 2, 0)
    hole = hole_of(picture.masks.numpy(), reach_of(image.shape[:2], share))
    original = source.files[i].image.relative_to(source.files.root / folder)
    filled = filler(folder, stem_of(original.as_posix()))(image, hole) if hole.any() else image
    Image.fromarray(filled).save(places["inpainted"] / f"{picture.name}.png")
    Image.fromarray(hole.astype(np.uint8) * 255).save(places["hole"] / f"{picture.name}.png")
    borders = (hole[0], hole[-1], hole[:, 0], hole[:, -1])
    everywhere = all(border.any() for border in borders)
    return Done(picture.name, float(hole.mean()), bool(hole.mean() > UNRELIABLE or everywhere))


if __name__ == "__main__":
    main()
