#!/usr/bin/env python3
"""How long a training step takes, and how close that is to its convolutions alone.

    python benchmarks/train_step.py                                   # the paper's configuration
    python benchmarks/train_step.py --size 64 --ngf 16 --batch_size 1 4 --precision fp32 bf16
    python benchmarks/train_step.py --instances 32 --steps 0          # peak memory alone

A step is one batch: all its groups, each with an update of the generators and one of the
discriminators. The floor is the same convolutions, forward and backward with the gradients that the
step needs of each, in the same precision, one after the other in the faster memory format of two;
it is measured in the same process right after the steps. "of matrices" is the share of the speed
at which large matrices alone are multiplied in that precision. On a GPU "kernels" are those
that a step runs, and "conversions" those of them that only change a layout for cuDNN. Every
configuration has a process of its own, whose peak memory is counted from before the first step,
without a pool of past fakes; beside it stands what train.py says at its start, which has the
weights in it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.convolutions import floor_seconds, matrix_flops, recorded_convolutions, timed
from benchmarks.profiling import profiled
from data.scene import Scene
from models import create_model
from models.estimate import estimate
from options.train_options import TrainOptions
from training.device import prepare_device
from training.distributed import world_size
from training.precision import HALF, PRECISIONS
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command
from util.files import write_text
from util.memory import enough_memory

SWITCHES = (
    "--checkpoint_activations",
    "--channels_last",
    "--compile",
    "--no_fused",
    "--cuda_graphs",
)
WARM_UP = 3  # steps; a graph is made in the second one
DTYPES = {name: HALF.get(name, torch.float32) for name in PRECISIONS}


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    if args.alone:
        with enough_memory("lower --batch_size, --size or --ngf"):
            print(json.dumps(measure(args, args.batch_size[0], args.precision[0])))
        return
    found = [
        in_own_process(argv if argv is not None else sys.argv[1:], batch, precision)
        for precision in args.precision
        for batch in args.batch_size
    ]
    if not (found := [figures for figures in found if figures]):
        raise SystemExit(2)
    print(
        f"{found[0]['device']}; {args.size}x{args.size}, ngf {args.ngf}, ndf {args.ndf}, ", end=""
    )
    timed_steps = f"; median of {args.steps} steps" if args.steps else ""
    print(f"{args.instances} instances, {args.ins_per} per group{timed_steps}\n")
    print(aligned(table(found)))
    if args.json:
        write_text(args.json, json.dumps(found, indent=1) + "\n")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--size", type=int, default=200, help="side of the pictures")
    parser.add_argument("--ngf", type=int, default=64, help="width of the generators")
    parser.add_argument("--ndf", type=int, help="of the discriminators (default: as ngf)")
    parser.add_argument("--n_blocks", type=int, default=9, help="residual blocks per encoder")
    parser.add_argument("--instances", type=int, default=4, help="per picture")
    parser.add_argument("--ins_per", type=int, default=2, help="instances per group")
    parser.add_argument("--batch_size", type=int, nargs="+", default=[1], help="one or several")
    parser.add_argument(
        "--precision", choices=DTYPES, nargs="+", default=["fp32"], help="one or several"
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=3,
        help="steps to time, after some to warm up; 0: no time, peak memory alone",
    )
    parser.add_argument("--gpu_ids", default="auto", help="as in train.py; -1: CPU")
    for flag in SWITCHES:
        parser.add_argument(flag, action="store_true", help="as in train.py")
    parser.add_argument("--accumulate", type=int, default=1, help="as in train.py")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.ndf = args.ndf or args.ngf
    least = {"instances": 1, "ins_per": 1, "steps": 0, "ngf": 1, "ndf": 1, "size": 24}
    for flag, value in least.items():
        if getattr(args, flag) < value:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least {value}")
    if args.size % 4:
        raise UserError(f"--size {args.size}: must be a multiple of 4")
    if world_size() > 1:
        raise UserError("this runs in one process: start it with python, not torchrun")
    return args


def in_own_process(words: list[str], batch: int, precision: str) -> dict:
    """`measure` in a fresh process, so that its peak memory is its own."""
    typed = [*words, "--alone", "--batch_size", str(batch), "--precision", precision]
    quiet = os.environ | {"KINETO_LOG_LEVEL": "99"}  # the profiler reports to stderr
    done = subprocess.run(
        [sys.executable, __file__, *typed], env=quiet, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        print(f"note: --batch_size {batch} --precision {precision} failed", file=sys.stderr)
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def measure(args: argparse.Namespace, batch: int, precision: str) -> dict:
    """All figures of one configuration."""
    opt = options(args, batch, precision)
    device = prepare_device(opt)
    torch.manual_seed(0)
    model = create_model(opt, device)
    scenes = {domain: random_scenes(batch, args, seed) for seed, domain in enumerate("AB")}

    def step() -> None:
        model.step(scenes)

    before = memory(device)
    for _ in range(WARM_UP):
        step()
    figures = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu(),
        "precision": f"{precision}, graphs" if args.cuda_graphs else precision,
        "batch_size": batch,
        "peak_megabytes": memory(device, peak=True) - before,
        "estimated_megabytes": estimate(opt, scenes)[0] / 1e6,
    }
    return figures | (speed(args, model, step, batch, precision) if args.steps else {})


def cpu() -> str:
    return f"CPU, {torch.get_num_threads()} threads"


def speed(
    args: argparse.Namespace, model, step: Callable[[], None], batch: int, precision: str
) -> dict:
    """Seconds of a step and of its convolutions alone, and what follows from them."""
    device = model.device
    seconds = statistics.median(timed(step, device) for _ in range(args.steps))
    shares = profiled(step, device)
    model.graphs = None  # hooks see the layers of calls that are made
    for wrapped in model.executions.values():
        execution = getattr(wrapped, "module", wrapped)  # inside DataParallel
        execution.compiled = None  # hooks see the layers of networks that are not compiled
    for network in model.networks.values():
        network.recompute = False  # what is computed twice is not twice in the floor
    with recorded_convolutions(model.networks.values()) as calls:
        step()
    floor = sum(n * floor_seconds(call, DTYPES[precision], device) for call, n in calls.items())
    flops = sum(n * call.flops for call, n in calls.items())
    matrices = matrix_flops(DTYPES[precision], device)
    return {
        "seconds_per_step": seconds,
        "pictures_per_second": batch / seconds,
        "floor_seconds": floor,
        "step_over_floor": seconds / floor,
        **shares,
        "teraflop_per_step": flops / 1e12,
        "teraflop_per_second": flops / seconds / 1e12,
        "share_of_matrix_peak": flops / seconds / matrices,
    }


def options(args: argparse.Namespace, batch: int, precision: str):
    words = {
        "dataroot": ".",
        "ngf": args.ngf,
        "ndf": args.ndf,
        "n_blocks": args.n_blocks,
        "ins_max": args.instances,
        "ins_per": min(args.ins_per, args.instances),
        "load_size": args.size,
        "crop_size": args.size,
        "batch_size": batch,
        "precision": precision,
        "gpu_ids": args.gpu_ids,
        "num_threads": 0,
        "pool_size": 0,
        "accumulate": args.accumulate,
    }
    typed = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    return TrainOptions().parse(typed + [flag for flag in SWITCHES if getattr(args, flag[2:])])


def random_scenes(batch: int, args: argparse.Namespace, seed: int) -> Scene:
    """Pictures of noise with as many square instances as asked for, as a loader gives them."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, 3, args.size, args.size)
    image = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    masks = torch.zeros(batch, args.instances, args.size, args.size, dtype=torch.bool)
    masks[..., args.size // 4 : args.size // 2, args.size // 4 : args.size // 2] = True
    present = torch.ones(batch, args.instances, dtype=torch.bool)
    numbers = [tuple(range(args.instances))] * batch
    return Scene(image, masks, present, [str(i) for i in range(batch)], numbers)


# ---- the step


def memory(device: torch.device, peak: bool = False) -> float:
    """Megabytes that the device's tensors, or on a CPU the process, hold or have held."""
    if device.type == "cuda":
        used = torch.cuda.max_memory_allocated if peak else torch.cuda.memory_allocated
        return used(device) / 1e6
    scale = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


# ---- report

COLUMNS = {
    "precision": ("precision", "{}"),
    "batch": ("batch_size", "{}"),
    "s/step": ("seconds_per_step", "{:.3g}"),
    "pictures/s": ("pictures_per_second", "{:.3g}"),
    "floor, s": ("floor_seconds", "{:.3g}"),
    "step/floor": ("step_over_floor", "{:.2f}"),
    "in convolutions": ("convolution_share", "{:.0%}"),
    "kernels": ("kernels", "{}"),
    "conversions": ("layout_conversions", "{}"),
    "TFLOP/step": ("teraflop_per_step", "{:.3g}"),
    "TFLOP/s": ("teraflop_per_second", "{:.3g}"),
    "of matrices": ("share_of_matrix_peak", "{:.0%}"),
    "peak, MB": ("peak_megabytes", "{:.0f}"),
    "told at start": ("estimated_megabytes", "{:.0f}"),
}


def table(found: list[dict]) -> list[list[str]]:
    """Header and rows, of the figures that were measured."""
    columns = {title: of for title, of in COLUMNS.items() if of[0] in found[0]}
    rows = [[form.format(figures[key]) for key, form in columns.values()] for figures in found]
    return [list(columns), *rows]


if __name__ == "__main__":
    main()
