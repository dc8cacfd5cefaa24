#!/usr/bin/env python3
"""What every model costs: parameters, time and memory of a training step, time of a translation.

    python benchmarks/model_cost.py                                      # 64x64, width 16
    python benchmarks/model_cost.py --size 200 --width 64 --precision bf16 --gpu_ids 0
    python benchmarks/model_cost.py --only INIT,MUNIT --rounds 1

All see the same drawn pictures, two shapes in each, and have the same width; what else there is of
a model is as by its defaults. Every model has a process of its own in every round, one after
another, so that its peak memory is its own and a busy machine slows all alike; times are medians
over the rounds, of the median of --steps steps. A training step is all updates of a batch, of every
group if there are several. Translations are those of all directions, one style of each picture;
models with a cycle translate back as well, as test.py does.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.convolutions import timed
from benchmarks.train_step import memory
from data import create_dataset
from data.loader import SceneLoader, batches_of_one_size
from datasets import generate_shapes_dataset
from models import create_model
from options.test_options import TestOptions
from options.train_options import TrainOptions
from training.device import prepare_device
from training.precision import PRECISIONS
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command, did_you_mean
from util.files import write_json


class Way(NamedTuple):
    """Options of train.py and test.py, of the first and the second alone; not all translate."""

    options: str
    training: str = ""
    testing: str = ""
    translates: bool = True


WAYS = {
    "CycleGAN": Way("--model cycle_gan"),
    "CycleGAN+Seg": Way("--model cycle_gan_seg"),
    "InstaGAN, one step": Way("--model insta_gan --ins_per 2"),
    "InstaGAN, sequential": Way("--model insta_gan --ins_per 1"),
    "MGD-GAN, masks": Way("--model mgd_gan", "--stage mask", translates=False),
    "MGD-GAN, picture": Way("--model mgd_gan", "--stage image", translates=False),
    "MGD-GAN, both": Way("--model mgd_gan", "--stage e2e"),
    "MUNIT": Way("--model init", "--granularity none", "--n_styles 1"),
    "INIT": Way("--model init", testing="--n_styles 1"),
    "DA-GAN": Way("--model da_gan"),
}
COLUMNS = ("million parameters", "s/step", "to the first", "MB of a step", "s/picture translated")


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    if args.alone:
        print(json.dumps(measure(WAYS[args.alone], args)))
        return
    found: dict[str, list[dict]] = {way: [] for way in args.only}
    with tempfile.TemporaryDirectory(prefix="model_cost_") as folder:
        args.data = Path(folder) / "shapes"
        drawn = f"--save_root {args.data} --size {args.size} --min_instances 2 --max_instances 2"
        count = str(max(args.batch_size, 2))
        generate_shapes_dataset.main([*drawn.split(), "--train", count, "--test", count])
        for _ in range(args.rounds):
            for way, own in found.items():
                own += in_own_process(way, args, argv if argv is not None else sys.argv[1:])
    if not any(found.values()):
        raise SystemExit(2)
    figures = {way: joined(own) for way, own in found.items() if own}
    device = next(iter(figures.values()))["device"]
    print(
        f"\n{device}; {args.precision}, {args.size}x{args.size}, width {args.width}, batch "
        f"{args.batch_size}; {args.rounds} rounds of {args.steps} steps\n"
    )
    print(aligned([["", *COLUMNS], *rows(figures)]))
    if args.json:
        write_json(args.json, figures)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--size", type=int, default=64, help="side of the pictures (default 64)")
    add("--width", type=int, default=16, help="--ngf and --ndf of all (default 16)")
    add("--batch_size", type=int, default=4, help="pictures of a domain in a step (default 4)")
    add("--precision", choices=PRECISIONS, default="fp32", help="as in train.py")
    add("--steps", type=int, default=3, help="after two to warm up (default 3)")
    add("--rounds", type=int, default=3, help="processes of each model (default 3)")
    stems = ", ".join(dict.fromkeys(way.split(",")[0] for way in WAYS))
    add("--only", default="", metavar="NAME,…", help=f"some of {stems}")
    add("--gpu_ids", default="auto", help="as in train.py; -1: CPU")
    add("--json", type=Path, help="write the figures to this file, too")
    add("--alone", choices=WAYS, help=argparse.SUPPRESS)
    add("--data", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    for flag, least in (("size", 64), ("width", 4), ("batch_size", 2), ("steps", 1), ("rounds", 1)):
        if getattr(args, flag) < least:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least {least}")
    asked = [way for way in WAYS if way.split(",")[0] in wanted(args)]
    args.only = asked if args.only else list(WAYS)
    return args


def wanted(args: argparse.Namespace) -> set[str]:
    """What was typed after --only. Raises UserError for a name that there is not."""
    known = {way.split(",")[0] for way in WAYS}
    words = {word.strip() for word in args.only.split(",") if word.strip()}
    for word in words - known:
        raise UserError(f"--only {word}: there is no such model; {did_you_mean(word, known)}")
    return words


def in_own_process(way: str, args: argparse.Namespace, typed: list[str]) -> Iterator[dict]:
    """`measure` in a fresh process; nothing, and a note, if it failed."""
    words = [*typed, "--alone", way, "--data", str(args.data), "--only", ""]
    done = subprocess.run([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        print(f"note: {way} failed", file=sys.stderr)
        return
    yield json.loads(done.stdout.splitlines()[-1])


def measure(way: Way, args: argparse.Namespace) -> dict:
    """All figures of one model: first its training, then its translations."""
    typed = f"--dataroot {args.data} {way.options} --ngf {args.width} --crop_size {args.size} "
    typed += f"--batch_size {args.batch_size} --num_threads 0 --ins_max 2 --gpu_ids {args.gpu_ids} "
    typed = [*typed.split(), "--precision", args.precision]
    training = f"--ndf {args.width} --load_size {args.size} {way.training}"
    opt = TrainOptions().parse([*typed, *training.split()])
    device = prepare_device(opt)
    torch.manual_seed(0)
    model = create_model(opt, device)
    batch = next(SceneLoader(create_dataset(opt), opt).epoch(1))
    before = memory(device)
    for _ in range(2):
        model.step(batch, 0)
    peak = memory(device, peak=True) - before
    times = [timed(lambda: model.step(batch, 0), device) for _ in range(args.steps)]
    numbers = [w.numel() for net in model.networks.values() for w in net.parameters()]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    figures = {
        "device": name,
        "parameters": sum(numbers),
        "step": statistics.median(times),
        "megabytes": peak,
    }
    if not way.translates:
        return figures | {"picture": None}
    return figures | {"picture": translation([*typed, *way.testing.split()], device, args)}


def translation(typed: list[str], device: torch.device, args: argparse.Namespace) -> float:
    """Seconds for a picture, by drawn weights."""
    opt = TestOptions().parse(typed)
    model = create_model(opt, device)
    model.eval()
    dataset, times = create_dataset(opt), []
    for way in model.ways(opt):
        scenes = dataset.domain(way.source)
        _, batch = next(batches_of_one_size(scenes, args.batch_size, args.batch_size))
        model.translate(batch, way.source)  # to warm up
        times += [
            timed(lambda b=batch, s=way.source: model.translate(b, s), device)
            for _ in range(args.steps)
        ]
    return statistics.median(times) / args.batch_size


def joined(rounds: list[dict]) -> dict:
    """The medians over the rounds."""
    return {
        name: value if isinstance(value, str | None) else statistics.median(x[name] for x in rounds)
        for name, value in rounds[0].items()
    }


def rows(figures: dict[str, dict]) -> Iterator[list[str]]:
    first = next(iter(figures.values()))
    for way, own in figures.items():
        translated = "–" if own["picture"] is None else f"{own['picture']:.4f}"
        times = f"{own['step']:.3f}", f"{own['step'] / first['step']:.2f}"
        yield [way, f"{own['parameters'] / 1e6:.2f}", *times, f"{own['megabytes']:.0f}", translated]


if __name__ == "__main__":
    main()
