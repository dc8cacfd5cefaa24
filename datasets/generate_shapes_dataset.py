#!/usr/bin/env python3
"""Draw the shapes dataset: domain A disks, domain B upright triangles, several per picture.

Small enough to train on a laptop, and drawn, so that a translation can be measured exactly: the
true geometry (`{phase}{A,B}_geometry.json`) and the clean backgrounds (`{phase}{A,B}_background/`)
lie beside the usual folders. The same arguments give the same bytes.

    python datasets/generate_shapes_dataset.py --save_root datasets/shapes
"""

import argparse
import itertools
import json
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from util.command_line import OneLineParser
from util.errors import UserError, command
from util.files import cannot_be_written

SHAPES = {"A": "disk", "B": "triangle"}
HUES = {"A": (-0.04, 0.04), "B": (0.62, 0.70)}  # of the rim, in turns: reds and blues
HUE_SHIFT = {"A": 0.13, "B": -0.15}  # from the rim to the middle: to yellow, to cyan
TEXTURE_STD = 10.0
TRIANGLE_RADIUS = (
    4 * np.pi / (3 * np.sqrt(3))
) ** 0.5  # circumradius of the triangle of a unit disk's area


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    root = Path(args.save_root)
    if any(root.glob("train*")) and not (root / "trainA_geometry.json").is_file():
        raise UserError(f"--save_root {root} holds another dataset: choose an empty folder")
    try:
        for phase, count in (("train", args.train), ("test", args.test)):
            for domain in "AB":
                rng = np.random.default_rng([args.seed, phase == "test", domain == "B"])
                write_domain(root, phase, domain, count, args, rng)
    except OSError as error:
        for phase, domain in itertools.product(("train", "test"), "AB"):
            remove_domain(root, phase, domain)
        raise cannot_be_written(f"--save_root {root}", error) from None
    print(
        f"{root}: {args.train} + {args.train} training and {args.test} + {args.test} test pictures "
        f"of {args.size}x{args.size}"
    )


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--save_root", default="./datasets/shapes", help="folder to write to")
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
    return args


def write_domain(root: Path, phase: str, domain: str, count: int, args, rng) -> None:
    """Draw and write one phase of one domain; what an earlier run left there goes first."""
    remove_domain(root, phase, domain)
    folders = domain_folders(root, phase, domain)
    for folder in folders.values():
        folder.mkdir(parents=True)
    geometry = {}
    for index in range(count):
        stem = f"{index:05d}"
        picture, background, masks, facts = draw_picture(domain, args, rng)
        Image.fromarray(picture).save(folders[""] / f"{stem}.png")
        Image.fromarray(background).save(folders["_background"] / f"{stem}.png")
        for number, mask in enumerate(masks):
            Image.fromarray(mask.astype(np.uint8) * 255).save(
                folders["_seg"] / f"{stem}_{number}.png"
            )
        geometry[stem] = facts
    (root / f"{phase}{domain}_geometry.json").write_text(json.dumps(geometry, indent=1) + "\n")


def domain_folders(root: Path, phase: str, domain: str) -> dict[str, Path]:
    return {kind: root / f"{phase}{domain}{kind}" for kind in ("", "_seg", "_background")}


def remove_domain(root: Path, phase: str, domain: str) -> None:
    for folder in domain_folders(root, phase, domain).values():
        shutil.rmtree(folder, ignore_errors=True)
    (root / f"{phase}{domain}_geometry.json").unlink(missing_ok=True)


def draw_picture(
    domain: str, args, rng
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], list[dict]]:
    """A picture and its clean background (uint8 [H, W, 3]), whole masks (bool) and geometry."""
    background = draw_background(args.size, args.background, rng)
    picture, masks, facts = background.copy(), [], []
    for shape in place_shapes(domain, args, rng):
        distance = signed_distance(shape, args.size)
        coverage = np.clip(0.5 - distance, 0, 1)[..., None]
        depth = np.clip(-distance / (0.8 * shape["radius"]), 0, 1)[..., None]  # 0 at the rim
        color = saturated(shape["rim_hue"] * (1 - depth) + shape["middle_hue"] * depth)
        picture = picture * (1 - coverage) + color * coverage
        masks.append(coverage[..., 0] > 0.5)
        facts.append(shape)
    return to_uint8(picture), to_uint8(background), masks, facts


def draw_background(size: int, levels: tuple[int, int], rng) -> np.ndarray:
    """A colour, uniform over the levels, with a smooth grey texture: float [H, W, 3]."""
    color = rng.uniform(*levels, size=3)
    coarse = Image.fromarray(rng.standard_normal((9, 9)).astype(np.float32))
    texture = np.asarray(coarse.resize((size, size), Image.BICUBIC))
    return color + (texture / texture.std() * TEXTURE_STD)[..., None]


def place_shapes(domain: str, args, rng) -> list[dict]:
    """Shapes inside the picture, each at most `max_covered` hidden by any later one."""
    shapes: list[dict] = []
    for _ in range(rng.integers(args.min_instances, args.max_instances, endpoint=True)):
        for _ in range(100):
            shape = draw_shape(domain, args, rng)
            cover = signed_distance(shape, args.size) < 0
            hidden = [np.mean(cover[signed_distance(other, args.size) < 0]) for other in shapes]
            if max(hidden, default=0) <= args.max_covered:
                shapes.append(shape)
                break
    return shapes


def draw_shape(domain: str, args, rng) -> dict:
    """One shape's kind, centroid (pixels), radius of the disk of its area (pixels) and hues.

    The colours are fully saturated, one channel 0 and one 255: whatever the background and its
    texture, some channel differs by more than 48.
    """
    kind = SHAPES[domain]
    radius = rng.uniform(*args.radius) * args.size
    reach = radius * (1 if kind == "disk" else TRIANGLE_RADIUS)
    half_width = radius if kind == "disk" else reach * np.sqrt(3) / 2
    below = radius if kind == "disk" else reach / 2
    x = rng.uniform(half_width + 1, args.size - half_width - 1)
    y = rng.uniform(reach + 1, args.size - below - 1)
    color = "A" if args.palette == "single" else domain
    hue = rng.uniform() if args.palette == "shared" else rng.uniform(*HUES[color])
    shift = 0.14 if args.palette == "shared" else HUE_SHIFT[color]
    return {
        "shape": kind,
        "x": round(float(x), 3),
        "y": round(float(y), 3),
        "radius": round(float(radius), 3),
        "rim_hue": round(float(hue), 4),
        "middle_hue": round(float(hue + shift), 4),
    }


def saturated(hue: np.ndarray) -> np.ndarray:
    """The pure colours of hues [..., 1] in turns, [..., 3]: one channel is 0 and one 255."""
    return 255 * np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)


def signed_distance(shape: dict, size: int) -> np.ndarray:
    """Distance of every pixel's centre to the outline, in pixels, negative inside: [H, W]."""
    y, x = np.mgrid[:size, :size] + 0.5
    dx, dy = x - shape["x"], y - shape["y"]
    if shape["shape"] == "disk":
        return np.hypot(dx, dy) - shape["radius"]
    inradius = shape["radius"] * TRIANGLE_RADIUS / 2
    slope = np.sqrt(3) / 2
    sides = np.stack(
        [dy, slope * dx - dy / 2, -slope * dx - dy / 2]
    )  # along the three outward normals
    return sides.max(0) - inradius


def to_uint8(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
