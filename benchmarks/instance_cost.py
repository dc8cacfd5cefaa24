#!/usr/bin/env python3
"""How the time of a step grows with the instances of a picture, by the way they are translated.

    python benchmarks/instance_cost.py                       # MGD-GAN's first stage, and InstaGAN
    python benchmarks/instance_cost.py --size 256 --ngf 64 --gpu_ids 0

Every round times a step of each model with each number of instances, so that a busy machine slows
them alike; what is told is the median over the rounds of their ratios to one instance.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.convolutions import timed
from benchmarks.train_step import random_scenes
from models import create_model
from options.train_options import TrainOptions
from training.device import prepare_device
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command

WAYS = {
    "MGD-GAN, masks in a batch": "--model mgd_gan --stage mask --n_blocks 3",
    "InstaGAN, one step": "--n_blocks 2 --ins_per {count}",
    "InstaGAN, sequential": "--n_blocks 2 --ins_per 1",
}


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    cases = [(way, count) for way in WAYS for count in args.instances]
    steps = [step_of(WAYS[way].format(count=count), count, args) for way, count in cases]
    device = prepare_device(options(args, WAYS[cases[0][0]], 1))
    rounds = [[timed(step, device) for step in steps] for _ in range(args.rounds + 1)][1:]
    columns = dict(zip(cases, zip(*rounds, strict=True), strict=True))
    rows = [["", *(f"{n} instances" for n in args.instances), "s/step with the fewest"]]
    for way in WAYS:
        alone = columns[way, args.instances[0]]
        ratios = [
            statistics.median(x / y for x, y in zip(columns[way, n], alone, strict=True))
            for n in args.instances
        ]
        rows.append([way, *(f"{x:.2f}" for x in ratios), f"{statistics.median(alone):.3f}"])
    print(aligned(rows))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--size", type=int, default=64, help="side of the pictures (default 64)")
    parser.add_argument("--ngf", type=int, default=16, help="width of all networks (default 16)")
    parser.add_argument("--batch_size", type=int, default=1, help="pictures (default 1)")
    parser.add_argument("--rounds", type=int, default=9, help="after one to warm up (default 9)")
    parser.add_argument("--gpu_ids", default="auto", help="as in train.py; -1: CPU")
    args = parser.parse_args(argv)
    for flag, least in (("size", 24), ("rounds", 1), ("batch_size", 1), ("ngf", 4)):
        if getattr(args, flag) < least:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least {least}")
    if min(args.instances) < 1:
        raise UserError(f"--instances {min(args.instances)}: at least 1")
    return args


def options(args: argparse.Namespace, words: str, count: int) -> argparse.Namespace:
    typed = f"--dataroot . --ngf {args.ngf} --ndf {args.ngf} --ins_max {count} "
    typed += f"--load_size {args.size} --crop_size {args.size} --batch_size {args.batch_size} "
    return TrainOptions().parse([*typed.split(), "--gpu_ids", args.gpu_ids, *words.split()])


def step_of(words: str, count: int, args: argparse.Namespace) -> Callable[[], None]:
    """A training step of a model of its own, always of the same pictures."""
    opt = options(args, words, count)
    device = prepare_device(opt)
    torch.manual_seed(0)
    model = create_model(opt, device)
    of_them = argparse.Namespace(**vars(args) | {"instances": count})
    scenes = {d: random_scenes(args.batch_size, of_them, seed) for seed, d in enumerate("AB")}
    return lambda: model.step(scenes, 0)


if __name__ == "__main__":
    main()
