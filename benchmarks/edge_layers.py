#!/usr/bin/env python3
"""What convolutions of few channels cost: the 7x7 layers that pictures and masks go through.

    python benchmarks/edge_layers.py --gpu_ids 0
    python benchmarks/edge_layers.py --size 32 --width 8 --batch_size 1 --precision fp32

Tensor cores take channels in eights. Each layer is computed in several ways: by PyTorch, as it is;
with zeros as further channels up to eights, as the networks do it in half precision; on blocks of
2x2 pixels, whose channels are next to one another; and as a product of matrices, for which the
pixels that a kernel covers are copied out. All give the same numbers, which is checked first. Every
round times each way, forward and backward with the gradients of input and weights; what is told is
the medians over the rounds, and that of the ratios to the plain way.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import conv2d, pad, pixel_shuffle, pixel_unshuffle, unfold

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.convolutions import timed
from models.networks.layers import in_eights
from options.train_options import TrainOptions
from training.device import prepare_device
from training.precision import HALF, PRECISIONS
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command
from util.memory import enough_memory

SIDE = 7  # of the kernels
NEAR = 0.02  # difference of two ways, to the length of a result: half precision has 8 bits


# ---- ways, all of x [B, C, H, W] and a weight [O, C, 7, 7]; H and W are even


def plain(x: Tensor, weight: Tensor) -> Tensor:
    return conv2d(x, weight)


def eights(x: Tensor, weight: Tensor) -> Tensor:
    return in_eights(conv2d, x, weight)


def blocks(x: Tensor, weight: Tensor) -> Tensor:
    """A 4x4 convolution over blocks of 2x2 pixels, which makes blocks of 2x2 pixels.

    For each pixel of a block the kernel stands elsewhere in the 8x8 pixels that 4x4 blocks are.
    """
    places = [(right, 1 - right, down, 1 - down) for down in (0, 1) for right in (0, 1)]
    moved = [pixel_unshuffle(pad(weight, place), 2) for place in places]  # [O, 4 C, 4, 4] each
    over_blocks = torch.stack(moved, 1).flatten(0, 1)  # [4 O, 4 C, 4, 4]
    return pixel_shuffle(in_eights(conv2d, pixel_unshuffle(x, 2), over_blocks), 2)


def product(x: Tensor, weight: Tensor) -> Tensor:
    height = x.shape[2] - SIDE + 1
    return (weight.flatten(1) @ unfold(x, SIDE)).unflatten(2, (height, -1))


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "plain": plain,
    "eights": eights,
    "blocks": blocks,
    "product": product,
}


# ---- the command


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    words = f"--dataroot . --gpu_ids {args.gpu_ids} --precision {args.precision}"
    device = prepare_device(TrainOptions().parse(words.split()))
    rows = [["layer", "way", "forward, ms", "backward, ms", "to plain"]]
    with enough_memory("lower --batch_size, --size or --width"):
        for before, after in ((3, args.width), (4, args.width), (args.width, 3), (args.width, 1)):
            inputs = drawn(before, after, args, device)
            check(inputs)
            rows += times(f"{before} to {after}", inputs, args.rounds, device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{name}; {args.precision}, {args.size}x{args.size}, batch {args.batch_size}, ", end="")
    print(f"7x7; median of {args.rounds} rounds\n\n{aligned(rows)}")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--size", type=int, default=200, help="side of the pictures (default 200)")
    add("--width", type=int, default=64, help="channels on the other side (default 64)")
    add("--batch_size", type=int, default=16, help="pictures (default 16)")
    add("--precision", choices=PRECISIONS, default="bf16", help="as in train.py (default bf16)")
    add("--rounds", type=int, default=15, help="after one to warm up (default 15)")
    add("--gpu_ids", default="auto", help="as in train.py; -1: CPU")
    args = parser.parse_args(argv)
    for flag, least in (("size", 2), ("width", 1), ("batch_size", 1), ("rounds", 1)):
        if getattr(args, flag) < least:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least {least}")
    if args.size % 2:
        raise UserError(f"--size {args.size}: must be even, for blocks of 2x2 pixels")
    return args


def drawn(
    before: int, after: int, args: argparse.Namespace, device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """A layer's input, padded already, its weight, and the gradient of its result."""
    size, padded = args.size, args.size + SIDE - 1
    shapes = (args.batch_size, before, padded, padded), (after, before, SIDE, SIDE)
    generator = torch.Generator().manual_seed(0)
    dtype = HALF.get(args.precision, torch.float32)
    x, weight, upstream = (
        torch.randn(shape, generator=generator)
        .to(device, dtype)
        .contiguous(memory_format=torch.channels_last)
        for shape in (*shapes, (args.batch_size, after, size, size))
    )
    return x.requires_grad_(), weight.requires_grad_(), upstream


def check(inputs: tuple[Tensor, Tensor, Tensor]) -> None:
    """RuntimeError if a way does not give what the plain one does, there and back."""
    x, weight, upstream = inputs
    wanted = None
    for name, way in WAYS.items():
        result = way(x, weight)
        found = [result, *torch.autograd.grad(result, (x, weight), upstream)]
        wanted = wanted or found
        for one, other in zip(found, wanted, strict=True):
            if one.shape != other.shape or not length(one - other) <= NEAR * length(other):
                raise RuntimeError(f"{name} gives other numbers than plain")


def length(x: Tensor) -> Tensor:
    """In float32: a half would overflow."""
    return vector_norm(x, dtype=torch.float32)


def times(
    layer: str, inputs: tuple[Tensor, Tensor, Tensor], rounds: int, device: torch.device
) -> list[list[str]]:
    """A row for each way."""
    seconds = {name: [] for name in WAYS}
    for _ in range(rounds + 1):
        for name, way in WAYS.items():
            seconds[name].append(there_and_back(way, inputs, device))
    rows = []
    for name, own in seconds.items():
        pairs = zip(own[1:], seconds["plain"][1:], strict=True)
        ratio = statistics.median(sum(one) / sum(other) for one, other in pairs)
        medians = (1000 * statistics.median(half) for half in zip(*own[1:], strict=True))
        rows.append([layer, name, *(f"{value:.3f}" for value in medians), f"{ratio:.2f}"])
    return rows


def there_and_back(
    way: Callable[[Tensor, Tensor], Tensor],
    inputs: tuple[Tensor, Tensor, Tensor],
    device: torch.device,
) -> tuple[float, float]:
    """Seconds of a way, forward and backward."""
    x, weight, upstream = inputs
    results: list[Tensor] = []
    forward = timed(lambda: results.append(way(x, weight)), device)
    backward = timed(lambda: torch.autograd.grad(results[0], (x, weight), upstream), device)
    return forward, backward


if __name__ == "__main__":
    main()
