#!/usr/bin/env python3
"""How fast pictures are read, from the folder and from the cache, and in how much memory.

    python benchmarks/data_loading.py

A sample is two pictures with four masks each, PNG files of 220x220 that are cropped to 200x200.
Next to the loader stands a bare loop that does the least: decode the ten files, or cut the same
pictures out of a mapped array. Rounds of all variants alternate; the median is printed. Private
memory (RssAnon) is that of a fresh process that reads some hundred samples, over data of two sizes;
pages of mapped files are the kernel's and not in it.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data import create_dataset
from data.loader import SceneLoader
from options.train_options import TrainOptions
from util.command_line import OneLineParser
from util.errors import UserError, command
from util.files import write_text

SIDE, CROP, MASKS, DISTINCT = 220, 200, 4, 20


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    if args.private_memory:
        print(private_memory(args.private_memory, args))
        return
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small"), Path(folder, "large")
        draw_dataset(small, args.pictures)
        draw_dataset(large, 10 * args.pictures)
        speeds = measure_speeds(small, args)
        memory = {
            (kind, root.name): memory_of(root, kind == "cache", args)
            for kind in ("folder", "cache")
            for root in (small, large)
        }
    report(speeds, memory, args)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--pictures", type=int, default=200, help="per domain; memory: also 10 times"
    )
    parser.add_argument("--batch_size", type=int, default=4, help="samples per batch")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--seconds", type=float, default=2.0, help="per variant and round")
    parser.add_argument("--samples", type=int, default=300, help="read before memory is looked at")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--private_memory", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cached", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    for flag in ("pictures", "batch_size", "rounds", "seconds", "samples"):
        if getattr(args, flag) <= 0:
            raise UserError(f"--{flag} {getattr(args, flag)}: must be positive")
    return args


# ---- data


def draw_dataset(root: Path, pictures: int) -> None:
    """Two domains of smooth, slightly noisy pictures with four masks; few are distinct."""
    rng = np.random.default_rng(0)
    for domain in "AB":
        folder, masks = root / f"train{domain}", root / f"train{domain}_seg"
        folder.mkdir(parents=True)
        masks.mkdir()
        for index in range(pictures):
            if index < DISTINCT:
                draw_scene(rng).save(folder / f"{index}.png")
                for number in range(MASKS):
                    draw_mask(rng).save(masks / f"{index}_{number}.png")
                continue
            first = index % DISTINCT
            os.link(folder / f"{first}.png", folder / f"{index}.png")
            for number in range(MASKS):
                os.link(masks / f"{first}_{number}.png", masks / f"{index}_{number}.png")


def draw_scene(rng) -> Image.Image:
    coarse = Image.fromarray(rng.integers(0, 256, (28, 28, 3), np.uint8))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.BICUBIC), float)
    noisy = smooth + rng.normal(0, 3, smooth.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def draw_mask(rng) -> Image.Image:
    y, x = np.mgrid[:SIDE, :SIDE]
    row, column, radius = rng.uniform(60, 160), rng.uniform(60, 160), rng.uniform(25, 55)
    return Image.fromarray(np.uint8(np.hypot(y - row, x - column) < radius) * 255)


# ---- speed


def measure_speeds(root: Path, args) -> dict[str, float]:
    """Samples per second of every variant, the median of alternating rounds."""
    variants = {
        "folder, bare loop": bare_folder(root, min(DISTINCT, args.pictures)),
        "folder, in process": loader(root, args.batch_size, "--num_threads 0"),
        "folder, one worker": loader(root, args.batch_size, "--num_threads 1"),
        "cache, bare loop": bare_cache(),
        "cache, in process": loader(root, args.batch_size, "--num_threads 0 --cache"),
        "cache, one worker": loader(root, args.batch_size, "--num_threads 1 --cache"),
        "cache, one worker, batch 1": loader(root, 1, "--num_threads 1 --cache"),
    }
    rates: dict[str, list[float]] = {name: [] for name in variants}
    for samples in variants.values():
        next(samples)  # opens files, starts workers
    for _ in range(args.rounds):
        for name, samples in variants.items():
            rates[name].append(rate(samples, args.seconds))
    return {name: statistics.median(values) for name, values in rates.items()}


def rate(samples: Iterator[int], seconds: float) -> float:
    """Samples per second of an endless iterator that yields how many each turn gave."""
    for _ in range(5):
        next(samples)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        count += next(samples)
    return count / (time.perf_counter() - start)


def loader(root: Path, batch_size: int, words: str) -> Iterator[int]:
    """The training loader, epoch after epoch."""
    scenes = open_loader(root, batch_size, words)
    for epoch in itertools.count(1):
        for batch in scenes.epoch(epoch):
            yield len(batch["A"])


def open_loader(root: Path, batch_size: int, words: str) -> SceneLoader:
    sizes = f"--load_size {SIDE} --crop_size {CROP} --batch_size {batch_size} --gpu_ids -1"
    opt = TrainOptions().parse(["--dataroot", str(root), *sizes.split(), *words.split()])
    return SceneLoader(create_dataset(opt), opt)


def bare_folder(root: Path, pictures: int) -> Iterator[int]:
    """Decode the ten files of a sample with Pillow, no more."""
    for index in itertools.cycle(range(pictures)):
        for domain in "AB":
            np.asarray(Image.open(root / f"train{domain}" / f"{index}.png"))
            for number in range(MASKS):
                np.asarray(Image.open(root / f"train{domain}_seg" / f"{index}_{number}.png"))
        yield 1


def bare_cache() -> Iterator[int]:
    """Cut two pictures and unpack their eight masks, no more."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE), np.uint8)
    bits = np.zeros((MASKS, SIDE, -(-SIDE // 8)), np.uint8)
    while True:
        for _ in "AB":
            pixels[:, 5 : 5 + CROP, 7 : 7 + CROP].copy()
            np.unpackbits(bits[:, 5 : 5 + CROP], axis=-1)[..., 7 : 7 + CROP].copy()
        yield 1


# ---- memory


def memory_of(root: Path, cached: bool, args: argparse.Namespace) -> float:
    """Private memory in MB of a fresh process that reads from `root`."""
    words = ["--private_memory", root, "--batch_size", args.batch_size, "--samples", args.samples]
    done = subprocess.run(
        [sys.executable, __file__, *map(str, words), *["--cached"] * cached],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout.split()[-1])


def private_memory(root: Path, args: argparse.Namespace) -> float:
    samples = loader(root, args.batch_size, "--num_threads 0" + " --cache" * args.cached)
    for _ in range(-(-args.samples // args.batch_size)):
        next(samples)
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("RssAnon"))
    return int(kilobytes) / 1000


# ---- report


def report(speeds: dict[str, float], memory: dict[tuple[str, str], float], args) -> None:
    print(f"{'samples/s per core':>32}  of the bare loop")
    for name, value in speeds.items():
        bare = speeds[f"{name.split(',')[0]}, bare loop"]
        print(f"{name:>27} {value:>5.0f}  {value / bare:.2f}")
    print(f"\nprivate memory, MB     {args.pictures} pictures  {10 * args.pictures} pictures")
    for kind in ("folder", "cache"):
        small, large = memory[kind, "small"], memory[kind, "large"]
        print(f"{kind:>15} {small:>17.0f} {large:>14.0f}   {large - small:+.1f}")
    if args.json:
        figures = {"samples_per_second": speeds}
        figures["private_megabytes"] = {" ".join(key): value for key, value in memory.items()}
        write_text(args.json, json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
