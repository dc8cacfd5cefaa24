#!/usr/bin/env python3
"""What further styles of a picture cost INIT: the content is read once, and painted in each.

    python benchmarks/style_cost.py
    python benchmarks/style_cost.py --size 360 --ngf 64 --gpu_ids 0

Every round times one reading, one painting, and a translation in each number of styles; what is
told is the median over the rounds. On a GPU the peak memory of each translation is told as well; on
a CPU how much more of it the process took than for the translation before.
"""

import argparse
import resource
import statistics
import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.convolutions import timed
from data.scene import Scene
from models import create_model
from options.test_options import TestOptions
from training.device import prepare_device
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    model = model_of(args)
    content_of, paint = model.executions["content_A"], model.executions["decoder_B"]
    scene = random_scene(args).to(model.device).normalized()
    with torch.no_grad():
        content = content_of(scene.image)
        style = torch.randn(args.batch_size, model.opt.style_dim, device=model.device)
        parts = [lambda: content_of(scene.image), lambda: paint(content, style)]
        rounds = [[timed(part, model.device) for part in parts] for _ in range(args.rounds + 1)]
        columns: dict[int, list[float]] = {}
        memory = {}
        for count in args.styles:
            model.opt.n_styles = count
            memory[count] = peak_of(model, scene)
            columns[count] = [
                timed(lambda: model.translate(scene, "A"), model.device) for _ in range(args.rounds)
            ]
    read, painted = (statistics.median(own) for own in zip(*rounds[1:], strict=True))
    print(f"reading {read:.3f} s, painting {painted:.3f} s")
    rows = [["styles", "s", "of one reading and a painting each", "memory"]]
    for count, found in columns.items():
        seconds = statistics.median(found)
        share = seconds / (read + count * painted)
        rows.append([str(count), f"{seconds:.3f}", f"{share:.2f}", f"{memory[count]:.0f} MB"])
    print(aligned(rows))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--styles", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--size", type=int, default=128, help="side of the pictures (default 128)")
    parser.add_argument("--ngf", type=int, default=32, help="width of the networks (default 32)")
    parser.add_argument("--batch_size", type=int, default=1, help="pictures (default 1)")
    parser.add_argument("--rounds", type=int, default=7, help="after one to warm up (default 7)")
    parser.add_argument("--gpu_ids", default="auto", help="as in test.py; -1: CPU")
    args = parser.parse_args(argv)
    for flag, least in (("size", 16), ("rounds", 1), ("batch_size", 1), ("ngf", 1)):
        if getattr(args, flag) < least:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least {least}")
    if min(args.styles) < 1:
        raise UserError(f"--styles {min(args.styles)}: at least 1")
    return args


def model_of(args: argparse.Namespace):
    """INIT as in a test, with weights that are drawn."""
    words = f"--dataroot . --model init --ngf {args.ngf} --gpu_ids {args.gpu_ids}"
    opt = TestOptions().parse(words.split())
    device = prepare_device(opt)
    torch.manual_seed(0)
    return create_model(opt, device)


def random_scene(args: argparse.Namespace) -> Scene:
    shape = (args.batch_size, 3, args.size, args.size)
    image: Tensor = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    masks = torch.zeros(args.batch_size, 0, args.size, args.size)
    names = [f"picture{i}" for i in range(args.batch_size)]
    return Scene(image, masks, masks[:, :, 0, 0].bool(), names, [()] * args.batch_size)


def peak_of(model, scene: Scene) -> float:
    """Megabytes of a translation: its peak on a GPU, else by how much the process's peak rose."""
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(model.device)
        model.translate(scene, "A")
        return torch.cuda.max_memory_allocated(model.device) / 1e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.translate(scene, "A")
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3


if __name__ == "__main__":
    main()
