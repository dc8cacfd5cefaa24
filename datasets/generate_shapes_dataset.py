#!/usr/bin/env python3
"""Draw the shapes dataset: domain A disks, domain B upright triangles, several per picture.

Small enough to train on a laptop, and drawn, so that a translation can be measured exactly: the
true geometry (`{phase}{A,B}_geometry.json`) and the clean backgrounds (`{phase}{A,B}_background/`)
lie beside the usual folders. The same arguments give the same bytes.

    python datasets/generate_shapes_dataset.py --save_root datasets/shapes

With --task appearance both domains have both shapes and differ in how they look, as by day and by
night; `{phase}{A,B}_appearance.json` says in which colours. That is what INIT is tried on.

    python datasets/generate_shapes_dataset.py --task appearance --save_root datasets/day_night
"""

import argparse
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datasets.making import appearance
from datasets.making.drawing import (
    draw_background,
    draw_shape,
    painted,
    place_shapes,
    to_uint8,
)
from datasets.making.drawn import write_drawn
from util.command_line import OneLineParser
from util.errors import UserError, command

FACTS = {"shapes": "geometry", "appearance": "appearance"}  # task -> the file of what was drawn


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    write_drawn(args, is_ours, owned, partial(write_domain, args))


def is_ours(root: Path) -> bool:
    return any(facts_file(root, "train", "A", task).is_file() for task in FACTS)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--save_root", default="./datasets/shapes", help="folder to write to")
    parser.add_argument(
        "--task",
        choices=FACTS,
        default="shapes",
        help="shapes: disks against triangles; appearance: both in both domains, in two looks",
    )
    parser.add_argument(
        "--looks",
        nargs=2,
        choices=appearance.LOOKS,
        default=("day", "night"),
        help="--task appearance: how pictures of A and of B look",
    )
    parser.add_argument("--size", type=int, default=64, help="side of the pictures in pixels")
    parser.add_argument("--train", type=int, default=400, help="training pictures per domain")
    parser.add_argument("--test", type=int, default=50, help="test pictures per domain")
    parser.add_argument(
        "--max_instances", type=int, default=2, help="shapes per picture: 1 to this many"
    )
    parser.add_argument(
        "--min_instances", type=int, default=1, help="as far as there is room for them"
    )
    parser.add_argument(
        "--radius",
        type=float,
        nargs=2,
        default=(0.13, 0.22),
        metavar=("LEAST", "MOST"),
        help="of the disk with the shape's area, as a share of the side",
    )
    parser.add_argument(
        "--max_covered", type=float, default=0.6, help="share of a shape that later ones may hide"
    )
    parser.add_argument(
        "--background",
        type=int,
        nargs=2,
        default=(60, 200),
        metavar=("LEAST", "MOST"),
        help="levels of 255 that its colour is drawn from: the fewer, the easier to learn",
    )
    parser.add_argument(
        "--palette",
        choices=("domain", "single", "shared"),
        default="domain",
        help="domain: reds against blues; only the shape tells the domains apart in single, all "
        "reds, and in shared, any hue",
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures")
    args = parser.parse_args(argv)
    for flag, least in (("size", 24), ("train", 1), ("test", 1), ("max_instances", 1), ("seed", 0)):
        if getattr(args, flag) < least:
            raise UserError(f"--{flag} {getattr(args, flag)} is too small: at least {least}")
    if not 1 <= args.min_instances <= args.max_instances:
        raise UserError(
            f"--min_instances {args.min_instances}: from 1 to --max_instances, {args.max_instances}"
        )
    for flag, most in (("radius", 0.25), ("background", 255)):
        low, high = getattr(args, flag)
        if not 0 <= low <= high <= most or (flag == "radius" and low < 2 / args.size):
            least = f"{2 / args.size:.3f} (two pixels)" if flag == "radius" else "0"
            raise UserError(f"--{flag} {low} {high}: two numbers in order, from {least} to {most}")
    if not 0 <= args.max_covered <= 1:
        raise UserError(f"--max_covered {args.max_covered}: from 0 to 1")
    of_the_other = ("looks",) if args.task == "shapes" else ("background", "palette")
    for flag in of_the_other:
        if getattr(args, flag) != parser.get_default(flag):
            raise UserError(f"--{flag} is not for --task {args.task}: leave it out")
    return args


def write_domain(args, root: Path, phase: str, domain: str, count: int) -> None:
    """Draw and write one phase of one domain."""
    rng = np.random.default_rng([args.seed, phase == "test", domain == "B"])
    folders = domain_folders(root, phase, domain)
    for folder in folders.values():
        folder.mkdir(parents=True)
    drawn = {}
    for index in range(count):
        stem = f"{index:05d}"
        if args.task == "shapes":
            picture, background, masks, facts = draw_picture(domain, args, rng)
        else:
            look = args.looks["AB".index(domain)]
            picture, background, masks, facts = appearance.draw_picture(look, args, rng)
        Image.fromarray(picture).save(folders[""] / f"{stem}.png")
        Image.fromarray(background).save(folders["_background"] / f"{stem}.png")
        for number, mask in enumerate(masks):
            Image.fromarray(mask.astype(np.uint8) * 255).save(
                folders["_seg"] / f"{stem}_{number}.png"
            )
        drawn[stem] = facts
    facts_file(root, phase, domain, args.task).write_text(json.dumps(drawn, indent=1) + "\n")


def domain_folders(root: Path, phase: str, domain: str) -> dict[str, Path]:
    return {kind: root / f"{phase}{domain}{kind}" for kind in ("", "_seg", "_background")}


def owned(root: Path, phase: str, domain: str) -> list[Path]:
    facts = [facts_file(root, phase, domain, task) for task in FACTS]
    return [*domain_folders(root, phase, domain).values(), *facts]


def facts_file(root: Path, phase: str, domain: str, task: str) -> Path:
    """What was drawn of each picture."""
    return root / f"{phase}{domain}_{FACTS[task]}.json"


def draw_picture(
    domain: str, args, rng
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], list[dict]]:
    """A picture and its clean background (uint8 [H, W, 3]), whole masks (bool) and geometry."""
    background = draw_background(args.size, args.background, rng)
    picture, masks, facts = background.copy(), [], []
    for shape in place_shapes(lambda: draw_shape(domain, args, rng), args, rng):
        picture, mask = painted(picture, shape)
        masks.append(mask)
        facts.append(shape)
    return to_uint8(picture), to_uint8(background), masks, facts


if __name__ == "__main__":
    main()
