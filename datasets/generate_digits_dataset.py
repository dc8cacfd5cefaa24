#!/usr/bin/env python3
"""Draw digits: coloured ones on noisy pictures with neighbours (A), white ones on black (B).

They stand for house numbers and handwriting, without any download: what DA-GAN is tried on. Every
picture has a label, in `{phase}{A,B}_label.csv`, and the mask of its digit. The same arguments give
the same bytes.

    python datasets/generate_digits_dataset.py --save_root datasets/digits
    python datasets/generate_digits_dataset.py --task attention --save_root datasets/attention

With --task attention digits of A are small and anywhere in a larger picture, to see whether
attention finds them. Who has the files of SVHN and MNIST makes the paper's domains of them:

    python datasets/generate_digits_dataset.py --svhn FOLDER --mnist FOLDER
"""

import argparse
import sys
from collections.abc import Iterator
from functools import cache, partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datasets.making.digit_files import SIDE, check_mnist, check_svhn, mnist, svhn
from datasets.making.drawing import saturated, to_uint8
from datasets.making.drawn import PHASES, write_drawn
from util.command_line import OneLineParser
from util.errors import UserError, command
from util.files import write_text

FINE = 4  # digits are drawn so many times larger and made smaller
TILT = 10  # degrees to each side
NOISE = 18.0  # deviation, of 255 levels
SIZES = {"digits": 32, "attention": 64}  # of pictures, by task


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    for phase in PHASES:  # before anything that was drawn there is removed
        check_svhn(args.svhn, phase)
        check_mnist(args.mnist, phase)
    write_drawn(args, is_ours, owned, partial(write_domain, args))


def is_ours(root: Path) -> bool:
    return (root / "trainA_label.csv").is_file()


def owned(root: Path, phase: str, domain: str) -> list[Path]:
    return [root / f"{phase}{domain}{kind}" for kind in ("", "_seg", "_label.csv")]


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--save_root", default="./datasets/digits", help="folder to write to")
    parser.add_argument(
        "--task",
        choices=SIZES,
        default="digits",
        help="digits: one fills the picture; attention: a small one is anywhere in it",
    )
    parser.add_argument("--size", type=int, help="side of the pictures (default: 32; attention 64)")
    parser.add_argument("--train", type=int, default=5000, help="training pictures per domain")
    parser.add_argument("--test", type=int, default=1000, help="test pictures per domain")
    parser.add_argument(
        "--fonts", nargs="+", metavar="FILE", help="TrueType fonts (default: Pillow's own)"
    )
    parser.add_argument(
        "--svhn", type=Path, metavar="FOLDER", help="with train_32x32.mat, …: A is made of it"
    )
    parser.add_argument(
        "--mnist",
        type=Path,
        metavar="FOLDER",
        help="with train-images-idx3-ubyte, …, also as .gz: B is made of it",
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same pictures")
    args = parser.parse_args(argv)
    args.size = args.size or SIZES[args.task]
    if (args.svhn or args.mnist) and args.size != SIDE:
        raise UserError(f"--size {args.size}: pictures of SVHN and MNIST are {SIDE}x{SIDE}")
    for flag, least in (("size", 16), ("train", 1), ("test", 1), ("seed", 0)):
        if getattr(args, flag) < least:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least {least}")
    for path in args.fonts or ():
        try:
            ImageFont.truetype(path, 10)
        except OSError:
            raise UserError(f"--fonts {path}: no TrueType font") from None
    return args


def write_domain(args, root: Path, phase: str, domain: str, count: int) -> None:
    """Write pictures, masks of the digits and labels of one phase of one domain."""
    folder, masks, labels = owned(root, phase, domain)
    for new in (folder, masks):
        new.mkdir(parents=True)
    lines = []
    for index, (pixels, mask, label) in enumerate(islice(digits_of(phase, domain, args), count)):
        stem = f"{index:05d}"
        Image.fromarray(pixels).save(folder / f"{stem}.png")
        if mask is not None:
            Image.fromarray(mask.astype(np.uint8) * 255).save(masks / f"{stem}_0.png")
        lines.append(f"{stem},{label}\n")
    if not any(masks.iterdir()):
        masks.rmdir()
    write_text(labels, "".join(lines))


def digits_of(phase: str, domain: str, args) -> Iterator[tuple[np.ndarray, np.ndarray | None, int]]:
    """Pictures, where their digits are if that is known, and labels; drawn ones never end."""
    real = {"A": (args.svhn, svhn), "B": (args.mnist, mnist)}
    folder, read = real[domain]
    if folder:
        yield from ((pixels, None, label) for pixels, label in read(folder, phase))
        return
    rng = np.random.default_rng([args.seed, PHASES.index(phase), "AB".index(domain)])
    while True:
        label = int(rng.integers(10))
        yield (*draw_picture(domain, label, args, rng), label)


def draw_picture(domain: str, label: int, args, rng) -> tuple[np.ndarray, np.ndarray]:
    """A picture, uint8 [H, W, 3], and where its digit is, bool [H, W]."""
    small = args.task == "attention" and domain == "A"
    height = args.size * (rng.uniform(0.3, 0.4) if small else rng.uniform(0.62, 0.8))
    reach = (args.size - height) / 2 if small else 0.06 * args.size
    place = args.size / 2 + rng.uniform(-reach, reach, 2)
    ink = digit_ink(label, height, place, args, rng)
    if domain == "B":
        return to_uint8(np.repeat(255 * ink[..., None], 3, -1)), ink > 0.5
    ground, color = contrasting(rng)
    picture = np.tile(ground, (args.size, args.size, 1)).astype(float)
    if not small:
        for side in (-1, 1):
            if rng.uniform() < 0.6:  # a neighbour, cut by the edge
                beside = place + np.array([side * rng.uniform(0.85, 1.05) * height, 0])
                other = digit_ink(int(rng.integers(10)), height, beside, args, rng)[..., None]
                picture = picture * (1 - other) + color * other
    picture = picture * (1 - ink[..., None]) + color * ink[..., None]
    noise = rng.normal(0, NOISE, picture.shape)
    return to_uint8(picture + noise), ink > 0.5


def contrasting(rng) -> tuple[np.ndarray, np.ndarray]:
    """Colours of a background and of what stands on it; their lightness differs."""
    colors = [0.6 * saturated(np.array([rng.uniform()])) + rng.uniform(0, 40) for _ in range(2)]
    dark, light = colors[0] * 0.5, 255 - colors[1] * 0.5
    return (dark, light) if rng.uniform() < 0.5 else (light, dark)


def digit_ink(label: int, height: float, place: np.ndarray, args, rng) -> np.ndarray:
    """How much of each pixel a digit covers, [H, W] in [0, 1]; place is its middle, x and y."""
    side = args.size * FINE
    fonts = args.fonts or [""]
    font = font_of(fonts[int(rng.integers(len(fonts)))], round(height * FINE * 1.35))
    canvas = Image.new("L", (side, side))
    x, y = place * FINE
    ImageDraw.Draw(canvas).text((x, y), str(label), 255, font=font, anchor="mm")
    angle = rng.uniform(-TILT, TILT)
    turned = canvas.rotate(angle, Image.BICUBIC, center=(x, y))
    return np.asarray(turned.resize((args.size, args.size), Image.BOX), float) / 255


@cache
def font_of(path: str, height: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, height) if path else ImageFont.load_default(height)


if __name__ == "__main__":
    main()
