#!/usr/bin/env python3
"""What options of training cost: steps without and with them, in turns, in one process.

    python benchmarks/option_cost.py "--paste 1" "--paste 0 --paste_on fill" "--ema 1000"

Every round times a step of the plain model and of each other one, so that a busy machine slows them
alike; what is told is the median over the rounds of their ratios to the plain one.
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


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    opts = [options(args, words) for words in ("", *args.options)]
    device = prepare_device(opts[0])
    steps = [step_of(opt, device, args) for opt in opts]
    rounds = [[timed(step, device) for step in steps] for _ in range(args.rounds + 1)][1:]
    rows = [["options", "s/step", "to plain"]]
    for name, seconds in zip(("plain", *args.options), zip(*rounds, strict=True), strict=True):
        plain = [own[0] for own in rounds]
        ratios = [one / other for one, other in zip(seconds, plain, strict=True)]
        rows.append([name, f"{statistics.median(seconds):.3f}", f"{statistics.median(ratios):.3f}"])
    print(aligned(rows))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("options", nargs="+", help="options of train.py, each set as one word")
    parser.add_argument("--size", type=int, default=64, help="side of the pictures (default 64)")
    parser.add_argument("--ngf", type=int, default=16, help="width of all networks (default 16)")
    parser.add_argument("--n_blocks", type=int, default=2, help="residual blocks (default 2)")
    parser.add_argument("--batch_size", type=int, default=4, help="pictures (default 4)")
    parser.add_argument("--instances", type=int, default=2, help="per picture (default 2)")
    parser.add_argument("--rounds", type=int, default=15, help="after one to warm up (default 15)")
    parser.add_argument("--gpu_ids", default="auto", help="as in train.py; -1: CPU")
    args = parser.parse_args(argv)
    for flag, least in (("size", 24), ("rounds", 1), ("batch_size", 1), ("instances", 1)):
        if getattr(args, flag) < least:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least {least}")
    return args


def options(args: argparse.Namespace, words: str) -> argparse.Namespace:
    typed = f"--dataroot . --ngf {args.ngf} --ndf {args.ngf} --n_blocks {args.n_blocks} "
    typed += f"--load_size {args.size} --crop_size {args.size} --batch_size {args.batch_size} "
    typed += f"--ins_max {args.instances} --ins_per {args.instances} --gpu_ids {args.gpu_ids} "
    return TrainOptions().parse([*typed.split(), *words.split()])


def step_of(
    opt: argparse.Namespace, device: torch.device, args: argparse.Namespace
) -> Callable[[], None]:
    """A training step of a model of its own, always of the same pictures."""
    torch.manual_seed(0)
    model = create_model(opt, device)
    scenes = {
        domain: random_scenes(args.batch_size, args, seed) for seed, domain in enumerate("AB")
    }
    return lambda: model.step(scenes, 0)


if __name__ == "__main__":
    main()
