#!/usr/bin/env python3
"""What several processes exchange, what that costs two of them here, and what it would elsewhere.

    python benchmarks/scaling.py                                     # two processes on this CPU
    python benchmarks/scaling.py --ngf 64 --rounds 0 --seconds 0.25  # on paper: GPUs, s a step

The bytes are those of the model's gradients. Two processes with a thread each train by gloo, and by
themselves in turns. On paper an exchange takes 2 (n - 1) / n times the bytes at a bandwidth, as a
ring of n processes needs, and nothing of it happens during the backward pass, as in `train.py`.
"""

import argparse
import os
import socket
import statistics
import sys
from pathlib import Path

import torch
from torch import multiprocessing

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.convolutions import timed
from benchmarks.train_step import random_scenes
from models import create_model
from options.train_options import TrainOptions
from training.distributed import connected
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command

CPU = torch.device("cpu")
PROCESSES = 2
FLOAT = 4  # bytes
SMALL = 64  # pixels: a side that every model takes
NETWORKS = {"8 in a machine": (8, "inside"), "64, 8 in a machine": (64, "between")}


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    count = exchanged(args)
    print(f"{count / 1e6:.1f} MB of gradients are exchanged in a step\n")
    if args.rounds:
        measured(args)
    on_paper(args, count)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=64, help="side of the pictures (default 64)")
    parser.add_argument("--ngf", type=int, default=16, help="width of all networks (default 16)")
    parser.add_argument("--instances", type=int, default=2, help="of a picture (default 2)")
    parser.add_argument("--batch_size", type=int, default=1, help="of a process (default 1)")
    parser.add_argument("--model", default="insta_gan", help="as in train.py")
    parser.add_argument("--compress_gradients", action="store_true", help="as in train.py")
    parser.add_argument("--rounds", type=int, default=9, help="of two processes; 0: on paper alone")
    parser.add_argument(
        "--seconds", type=float, nargs="+", default=[], help="of a step without any exchange"
    )
    parser.add_argument("--inside", type=float, default=300, help="GB/s within a machine")
    parser.add_argument("--between", type=float, default=50, help="GB/s of each GPU to another one")
    args = parser.parse_args(argv)
    least = {"size": 24, "ngf": 1, "instances": 1, "batch_size": 1, "rounds": 0}
    for flag, value in least.items():
        if getattr(args, flag) < value:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least {value}")
    if min([args.inside, args.between, *args.seconds]) <= 0:
        raise UserError("--inside, --between and --seconds: more than 0")
    return args


def model_of(args: argparse.Namespace, device: torch.device):
    typed = f"--dataroot . --model {args.model} --ngf {args.ngf} --ndf {args.ngf} --gpu_ids -1 "
    typed += f"--load_size {args.size} --crop_size {args.size} --batch_size {args.batch_size} "
    typed += f"--ins_max {args.instances} --pool_size 0"
    words = TrainOptions().known(typed.split(), [f"--model={args.model}"])
    opt = TrainOptions().parse([*words, *["--compress_gradients"] * args.compress_gradients])
    return create_model(opt, device)


def exchanged(args: argparse.Namespace) -> int:
    """Bytes of gradients that a step sends: those of each update's networks.

    They do not depend on the pictures' size, so a step of small ones tells.
    """
    args = argparse.Namespace(
        **vars(args) | {"size": min(args.size, SMALL), "batch_size": min(args.batch_size, 2)}
    )
    model = model_of(args, CPU)
    model.step(scenes_of(args), 0)
    updates = len(model.guard.steps[-1]) / len(model.trained)
    weights = {
        id(weight): weight.numel()
        for network in model.networks.values()
        for weight in network.parameters()
        if weight.grad is not None
    }
    return round(updates * sum(weights.values()) * FLOAT / (1 + args.compress_gradients))


def scenes_of(args: argparse.Namespace) -> dict:
    return {d: random_scenes(args.batch_size, args, seed) for seed, d in enumerate("AB")}


# ---- here


def measured(args: argparse.Namespace) -> None:
    """How long a step of two processes takes with and without what they exchange."""
    results = multiprocessing.get_context("spawn").SimpleQueue()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(one_process, (args, port, results), nprocs=PROCESSES)
    rounds = results.get()
    alone, together = (statistics.median(times) for times in zip(*rounds, strict=True))
    ratio = statistics.median(own / other for own, other in rounds)
    print(
        f"two processes here: {alone:.3f} s a step without an exchange, {together:.3f} s with it; "
        f"efficiency {ratio:.2f}\n"
    )


def one_process(rank: int, args: argparse.Namespace, port: int, results) -> None:
    """Steps with and without an exchange, in turns; process 0 tells how long they took."""
    torch.set_num_threads(1)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(PROCESSES)}
    os.environ |= place | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    with connected(timeout=60):
        torch.manual_seed(0)
        model, scenes = model_of(args, CPU), scenes_of(args)

        def step(processes: int) -> float:
            torch.distributed.barrier()
            model.processes = processes
            return timed(lambda: model.step(scenes, 0), CPU)

        step(PROCESSES)
        rounds = [(step(1), step(PROCESSES)) for _ in range(args.rounds)]
        if rank == 0:
            results.put(rounds)


# ---- on paper


def on_paper(args: argparse.Namespace, count: int) -> None:
    if not args.seconds:
        return
    rows = [["GPUs", "GB/s", "exchange, ms", *(f"at {x:g} s a step" for x in args.seconds)]]
    for name, (processes, where) in NETWORKS.items():
        bandwidth = getattr(args, where)
        seconds = ring_seconds(count, processes, bandwidth * 1e9)
        shares = [f"{x / (x + seconds):.1%}" for x in args.seconds]
        rows.append([name, f"{bandwidth:g}", f"{1e3 * seconds:.1f}", *shares])
    print(aligned(rows))


def ring_seconds(count: int, processes: int, bandwidth: float) -> float:
    """How long processes in a ring take to add up `count` bytes, at so many bytes a second."""
    return 2 * (processes - 1) / processes * count / bandwidth


if __name__ == "__main__":
    main()
