#!/usr/bin/env python3
"""What it costs that nothing of a run is lost: a look at every update, and saves on the way.

    python benchmarks/saving.py                                 # the paper's networks
    python benchmarks/saving.py --ngf 16 --n_blocks 2 --size 64 --steps 40

Blocks of steps take turns in one process: `bare`, where no update is looked at; `guarded`, as
train.py makes them; and `saved`, which begin with a save that is written while they go on. How long
a save stops the step is measured with full pools of pictures of the paper's size.
"""

import argparse
import contextlib
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1])]

from train_step import random_scenes

from models import create_model
from options.train_options import TrainOptions
from training.checkpoint import Checkpoints
from training.device import prepare_device
from training.guard import sum_of_norms
from training.progress import Progress
from util.command_line import OneLineParser, aligned
from util.errors import command

CASES = ("bare", "guarded", "saved")
EVERY = 600.0  # seconds between saves
POOLED = 200  # side of the pictures in the pools


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    opt = TrainOptions().parse(words_of(args).split())
    model = create_model(opt, prepare_device(opt))
    scenes = {domain: random_scenes(args.batch_size, args, i) for i, domain in enumerate("AB")}
    model.step(scenes, 0)  # optimisers make their state in the first
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        checkpoints = Checkpoints(Path(folder))
        report_saves(model, checkpoints, args)
        report_steps(model, checkpoints, scenes, args)
        checkpoints.finish()


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3, help="of a block (default 3)")
    parser.add_argument("--blocks", type=int, default=7, help="of each case (default 7)")
    parser.add_argument("--saves", type=int, default=9, help="saves without steps (default 9)")
    parser.add_argument("--size", type=int, default=48, help="of the pictures of the steps")
    parser.add_argument("--ngf", type=int, default=64, help="width of the networks")
    parser.add_argument("--n_blocks", type=int, default=9, help="residual blocks per encoder")
    parser.add_argument("--batch_size", type=int, default=1)
    parser.add_argument("--instances", type=int, default=4, help="per picture, two a group")
    parser.add_argument("--folder", type=Path, help="a disk to write to (default: the temporary)")
    parser.add_argument("--gpu_ids", default="auto", help="as in train.py; -1: CPU")
    return parser.parse_args(argv)


def words_of(args: argparse.Namespace) -> str:
    return (
        f"--dataroot . --name saving_benchmark --ngf {args.ngf} --ndf {args.ngf} "
        f"--n_blocks {args.n_blocks} --load_size {args.size} --crop_size {args.size} "
        f"--batch_size {args.batch_size} --ins_max {args.instances} --ins_per 2 "
        f"--gpu_ids {args.gpu_ids} --num_threads 0"
    )


def report_saves(model, checkpoints: Checkpoints, args: argparse.Namespace) -> None:
    """How long a save stops the step, and how long it is written, with nothing beside it."""
    fill_pools(model, args.instances)
    stops, writes = [], []
    for _ in range(args.saves + 1):
        stops.append(seconds_of(model, lambda: checkpoints.save(model, Progress(), "latest")))
        writes.append(seconds_of(model, checkpoints.finish))
    size = (checkpoints.folder / "state.pt").stat().st_size / 1e6
    print(
        f"a state of {size:,.0f} MB, pools full of pictures of {POOLED}x{POOLED}: a save stops the "
        f"step for {statistics.median(stops[1:]):.3f} s (median of {args.saves}, the longest "
        f"{max(stops[1:]):.3f} s, the first, which takes the memory, {stops[0]:.3f} s) and is "
        f"written in the {statistics.median(writes[1:]):.1f} s after it"
    )
    for pool in model.pools.values():
        pool.items.clear()


def fill_pools(model, instances: int) -> None:
    image = torch.rand(1, 3, POOLED, POOLED, device=model.device)
    masks = torch.rand(1, instances, POOLED, POOLED, device=model.device)
    present = torch.ones(1, instances, dtype=torch.bool, device=model.device)
    for pool in model.pools.values():
        fakes = [(image.clone(), masks.clone(), present.clone()) for _ in range(pool.size)]
        pool.items = fakes


def report_steps(model, checkpoints: Checkpoints, scenes, args: argparse.Namespace) -> None:
    """The steps of all cases, and what follows for a save every ten minutes."""
    seconds: dict[str, list[float]] = {case: [] for case in CASES}
    order = random.Random(0)
    for block in range(args.blocks + 1):  # the first one warms up
        for case in order.sample(CASES, len(CASES)):
            checkpoints.finish()  # no case pays for another
            with unguarded(model) if case == "bare" else contextlib.nullcontext():
                taken = seconds_of(
                    model, lambda case=case: steps(case, model, checkpoints, scenes, args)
                )
            seconds[case] += [taken] if block else []
    median = {case: statistics.median(seconds[case]) for case in CASES}
    rows = [["steps", "median of a block", "to bare"]]
    rows += [[c, f"{median[c]:.3f} s", f"{median[c] / median['bare']:.3f}"] for c in CASES]
    print(aligned(rows))
    look = statistics.median(ratios(seconds["guarded"], seconds["bare"])) - 1
    save = statistics.median(
        a - b for a, b in zip(seconds["saved"], seconds["guarded"], strict=True)
    )
    alone = look_seconds(model, -(-args.instances // 2)) / (median["bare"] / args.steps)
    share = 100 * (look + save / EVERY)
    print(
        f"medians of pairs of blocks: looks cost {100 * look:+.2f} % of a step (by themselves "
        f"{100 * alone:.2f} %) and a save {save:+.3f} s in all; with one every ten minutes "
        f"{share:+.2f} % of the time"
    )


def look_seconds(model, groups: int) -> float:
    """What is computed for the looks of a step, by itself, at the gradients of the last one."""
    found = 0.0
    for optimizer in model.optimizers.values():
        taken = [seconds_of(model, lambda own=optimizer: sum_of_norms(own)) for _ in range(9)]
        found += groups * statistics.median(taken)
    return found


def steps(case: str, model, checkpoints: Checkpoints, scenes, args: argparse.Namespace) -> None:
    if case == "saved":
        checkpoints.save(model, Progress(), "latest")
    for number in range(args.steps):
        model.step(scenes, number)


def ratios(some: list[float], others: list[float]) -> list[float]:
    return [a / b for a, b in zip(some, others, strict=True)]


@contextlib.contextmanager
def unguarded(model) -> Iterator[None]:
    """Updates are made without a look at them."""
    honest, model.guard = model.guard, Blind()
    for optimizer in model.optimizers.values():
        optimizer.__dict__.pop("found_inf", None)
    try:
        yield
    finally:
        model.guard = honest


class Blind:
    """In the place of a `Guard`."""

    check = begin_step = end_step = lambda *_: None


def seconds_of(model, call) -> float:
    start = time.perf_counter()
    call()
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(sys.argv[1:])
