#!/usr/bin/env python3
"""Draw a video of moving shapes, to try `translate.py` on: where they are is known in every frame.

    python scripts/draw_video.py shapes.mp4 --masks shapes_masks --tone 440

They are those of datasets/generate_shapes_dataset.py, on straight lines, and bounce off the rim;
the background stays. The same arguments draw the same frames.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datasets.making.drawing import (
    SHAPES,
    TRIANGLE_RADIUS,
    draw_background,
    draw_shape,
    painted,
    place_shapes,
    to_uint8,
)
from translation.mp4 import Frame, Look, Mp4, av, need_av, told
from util.command_line import OneLineParser
from util.errors import UserError, command
from util.files import staged, write_atomic

SOUND_RATE = 44100  # samples of a second
LOUDNESS = 0.2
SPEEDS = (0.5, 1.0)  # of --speed: those that shapes have
LOOK = {"radius": (0.13, 0.22), "palette": "domain", "max_covered": 0.6}  # of the shapes dataset
LEVELS = (60, 200)  # of the background, likewise
MASK = re.compile(r"\d{5,}_\d+\.png")


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    need_av()
    with told(args.file):
        write_atomic(args.file, lambda file: write_video(Path(file.name), args))
    if args.masks:
        write_masks(args)
    print(
        f"{args.file}: {args.frames} frames of {args.size}x{args.size}, {args.instances} instances"
    )


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("file", type=Path, metavar="FILE.mp4", help="where it is written")
    parser.add_argument("--frames", type=int, default=48, help="how many")
    parser.add_argument("--fps", type=int, default=12, help="frames of a second")
    parser.add_argument("--size", type=int, default=64, help="side of the frames in pixels")
    parser.add_argument("--instances", type=int, default=2, help="shapes, in every frame")
    parser.add_argument(
        "--domain", choices=SHAPES, default="A", help="A: disks; B: upright triangles"
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=0.025,
        help="of the fastest, as a share of the side per frame",
    )
    parser.add_argument(
        "--noise",
        type=float,
        default=0.0,
        help="of every pixel and frame anew: its standard deviation in levels of 255",
    )
    parser.add_argument(
        "--tone", type=float, default=0.0, help="a sine as its sound, in hertz; 0: none"
    )
    parser.add_argument(
        "--masks", type=Path, metavar="FOLDER", help="write the true masks too: 00000_0.png, …"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed draws the same video")
    args = parser.parse_args(argv)
    least = {"frames": 1, "fps": 1, "size": 24, "instances": 0, "speed": 0, "noise": 0, "tone": 0}
    for flag, low in (least | {"seed": 0}).items():
        if getattr(args, flag) < low:
            raise UserError(f"--{flag} {getattr(args, flag)} is too small: at least {low}")
    if args.tone > SOUND_RATE / 2:
        raise UserError(f"--tone {args.tone}: at most {SOUND_RATE // 2}")
    if args.masks and args.masks.exists() and not is_ours(args.masks):
        raise UserError(f"--masks {args.masks} holds other files than masks: name another folder")
    if args.file.suffix.lower() != ".mp4":
        raise UserError(f"{args.file}: name it .mp4")
    return args


def is_ours(folder: Path) -> bool:
    return folder.is_dir() and all(MASK.fullmatch(path.name) for path in folder.iterdir())


# ---- what is seen


def draw_frames(args: argparse.Namespace) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Frames, uint8 [H, W, 3], each with its whole masks, bool [H, W] of each shape."""
    rng = np.random.default_rng(args.seed)
    look = argparse.Namespace(
        size=args.size, min_instances=args.instances, max_instances=args.instances, **LOOK
    )
    background = draw_background(args.size, LEVELS, rng)
    shapes = place_shapes(lambda: draw_shape(args.domain, look, rng), look, rng)
    angles = rng.uniform(0, 2 * np.pi, len(shapes))
    speeds = args.size * args.speed * rng.uniform(*SPEEDS, len(shapes))
    for number in range(args.frames):
        picture, masks = background, []
        for shape, angle, speed in zip(shapes, angles, speeds, strict=True):
            way = number * speed * np.array([np.cos(angle), np.sin(angle)])
            picture, mask = painted(picture, placed(shape, way, args.size))
            masks.append(mask)
        yield to_uint8(picture + args.noise * rng.standard_normal(picture.shape)), masks


def placed(shape: dict, way: np.ndarray, side: int) -> dict:
    """A shape after a way (x, y) in pixels, straight on but for the rims, which it bounces off."""
    radius = shape["radius"]
    above = radius * (1 if shape["shape"] == "disk" else TRIANGLE_RADIUS)
    beside = radius if shape["shape"] == "disk" else above * np.sqrt(3) / 2
    below = radius if shape["shape"] == "disk" else above / 2
    x = bounced(shape["x"] + way[0], beside + 1, side - beside - 1)
    y = bounced(shape["y"] + way[1], above + 1, side - below - 1)
    return shape | {"x": x, "y": y}


def bounced(position: float, low: float, high: float) -> float:
    """Where a straight way leads between two walls."""
    around = (position - low) % (2 * (high - low))
    return low + min(around, 2 * (high - low) - around)


# ---- writing


def write_video(path: Path, args: argparse.Namespace) -> None:
    size, length = (args.size, args.size), Fraction(1, args.fps)
    with Mp4(path, size, Look(rate=Fraction(args.fps))) as mp4:
        tone = mp4.file.add_stream("aac", rate=SOUND_RATE, layout="mono") if args.tone else None
        for number, (pixels, _) in enumerate(draw_frames(args)):
            mp4.write(Frame(pixels, number * length, length))
            if tone:
                mp4.file.mux(tone.encode(sound_of(number, args)))
        mp4.end()
        if tone:
            mp4.file.mux(tone.encode())


def sound_of(number: int, args: argparse.Namespace) -> "av.AudioFrame":
    """The part of the tone that is heard with a frame."""
    begin, end = (round(n * SOUND_RATE / args.fps) for n in (number, number + 1))
    wave = LOUDNESS * np.sin(2 * np.pi * args.tone * np.arange(begin, end) / SOUND_RATE)
    frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
    frame.sample_rate, frame.time_base, frame.pts = SOUND_RATE, Fraction(1, SOUND_RATE), begin
    return frame


def write_masks(args: argparse.Namespace) -> None:
    with staged(args.masks, "--masks") as folder:
        for number, (_, masks) in enumerate(draw_frames(args)):
            for k, mask in enumerate(masks):
                Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{number:05d}_{k}.png")


if __name__ == "__main__":
    main()
