"""Stages of layers that run several of them at once on a GPU.

What follows a convolution in most of our networks is instance norm, an activation or the sum of a
residual block, and the reflection padding of the next layer. PyTorch reads and writes all features
for each of these, the norm several times. With channels innermost in memory, `Stage` has one
function for all of them, `finish`, which Triton kernels compute (`kernels.py`). Norms that are
given a scale and a shift for each channel (AdaIN) or each pixel (SPADE) have it as well, see
`Fusible`.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad
from tqdm import tqdm

from models.networks.layers import ReflectionPad, ResnetBlock, Stage, may_run_fused
from training.state_file import first_line

EPS = 1e-5
NO_ACTIVATION = 1.0  # slope of a leaky ReLU that changes nothing


class Mark(nn.Module):
    """Where a residual block begins or ends in a list of layers."""


BEGIN, END = Mark(), Mark()


class After(NamedTuple):
    """What follows a norm: the slope of a leaky ReLU, and how many pixels the result is padded by.

    skip_padding is by how many the features are padded that are added.
    """

    slope: float = NO_ACTIVATION
    padding: int = 0
    skip_padding: int = 0


def definition(
    x: Tensor,
    skip: Tensor | None = None,
    gain: Tensor | None = None,
    shift: Tensor | None = None,
    **after,
) -> Tensor:
    """Instance norm, times 1 + gain, plus shift, leaky ReLU, sum with the inside of `skip`,
    reflection padding, in this order.

    x [N, C, H, W] -> [N, C, H + 2 padding, W + 2 padding]; skip is [N, C, H + 2 skip_padding, …].
    gain and shift are both there or none, both [N, C] or both [N, C, H, W]. after: see `After`.
    """
    slope, padding, skip_padding = After(**after)
    variance, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
    result = (x - mean) * torch.rsqrt(variance + EPS)
    if gain is not None:
        if gain.dim() == 2:
            gain, shift = gain[..., None, None], shift[..., None, None]
        result = result * (1 + gain) + shift
    result = leaky_relu(result, slope) if slope != NO_ACTIVATION else result
    result = result if skip is None else result + inside(skip, skip_padding)
    return pad(result, (padding,) * 4, mode="reflect") if padding else result


def finish(
    x: Tensor,
    skip: Tensor | None = None,
    gain: Tensor | None = None,
    shift: Tensor | None = None,
    **after,
) -> Tensor:
    """`definition`, by a pair of kernels there and another back, in float32 whatever the types are.

    x lies with channels innermost. The result has its type.
    """
    from models.networks.finishing import Finish  # Triton is not there on every machine

    return Finish.apply(x, skip, gain, shift, After(**after), EPS)


def inside(x: Tensor, width: int) -> Tensor:
    """x without `width` pixels at each border."""
    return x[..., width:-width, width:-width] if width else x


class Fusible(nn.Module):
    """A module that can run fused as a `Stage` can; see `fuse`."""

    fused = False

    def runs_fused(self, x: Tensor) -> bool:
        """Whether it does, with these features."""
        return may_run_fused(self, x) and suits(x)


def fuse(network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Let the layers of a network run fused, where that works with features of this type."""
    for layer in network.modules():
        if isinstance(layer, Stage | Fusible):
            layer.fused = works(device, dtype)


def flat(layers: Sequence[nn.Module]) -> Iterator[nn.Module]:
    """Layers without what they are nested in, residual blocks between marks."""
    for layer in layers:
        if isinstance(layer, ResnetBlock):
            yield from (BEGIN, *flat(layer.conv_block), END)
        elif isinstance(layer, nn.Sequential):
            yield from flat(layer)
        else:
            yield layer


def run(stage: Sequence[nn.Module], x: Tensor, finish=finish) -> Tensor:
    """Apply the layers of a stage, `finish` instead of those that it stands for.

    Features may be padded already for the layer that comes, also those that are kept for the sum at
    the end of a residual block: of them only the inside is added.
    """
    layers = [*flat(stage)]
    kept: list[tuple[Tensor, int]] = []  # of residual blocks that have begun: features, padding
    place = 0

    def take(kind: type | Mark) -> nn.Module | None:
        """The next layer if it is one of these, and go on."""
        nonlocal place
        layer = layers[place] if place < len(layers) else None
        if layer is kind or (isinstance(kind, type) and isinstance(layer, kind)):
            place += 1
            return layer
        return None

    while place < len(layers):
        if take(BEGIN):
            kept.append((x, 0))
        elif take(END):
            skip, width = kept.pop()
            x = x + inside(skip, width)
        elif is_plain_norm(layers[place]) and suits(x):
            place += 1
            active = take(nn.ReLU) or take(nn.LeakyReLU)
            slope = getattr(active, "negative_slope", 0.0) if active else NO_ACTIVATION
            skip, skip_width = kept.pop() if take(END) else (None, 0)
            begins = take(BEGIN)
            padder = take(ReflectionPad)
            width = padder.padding[0] if padder else 0
            x = finish(x, skip, slope=slope, padding=width, skip_padding=skip_width)
            if begins:
                kept.append((x, width))
        else:
            x = layers[place](x)
            place += 1
    return x


def is_plain_norm(layer: nn.Module) -> bool:
    """Whether it is the instance norm that `definition` has: without weights or memory."""
    plain = isinstance(layer, nn.InstanceNorm2d) and layer.eps == EPS
    return plain and not layer.affine and not layer.track_running_stats


def suits(x: Tensor) -> bool:
    """Whether kernels can take it: pictures of several pixels, with channels innermost."""
    there = len(x) > 0 and x.shape[2:].numel() > 1 and x.dtype != torch.float64
    return there and x.is_contiguous(memory_format=torch.channels_last)


@cache
def works(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether kernels compile for a device and agree with their definition; says so if not."""
    if device.type != "cuda" or importlib.util.find_spec("triton") is None:
        return False
    try:
        agree = tried(device, dtype)
    except Exception as error:  # whatever a compiler says, there is another way
        tqdm.write(f"note: layers are not fused, Triton does not compile here: {first_line(error)}")
        return False
    if not agree:
        tqdm.write("note: layers are not fused, Triton's kernels give other numbers here")
    return agree


def tried(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether kernels give what they should of a few numbers, and their gradients.

    Without gain and shift, with those of channels, with those of pixels.
    """
    x, skip, gains = (12, 13), (14, 15), ([], [()] * 2, [(12, 13)] * 2)
    return all(agreed([(2, 8, *size) for size in (x, skip, *own)], device, dtype) for own in gains)


def agreed(shapes: list[tuple[int, ...]], device: torch.device, dtype: torch.dtype) -> bool:
    """Whether `finish` of random inputs of these shapes is near its definition in float32."""
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(shape, generator=generator).to(device, dtype) for shape in shapes]
    results = []
    for function, kind in ((finish, dtype), (definition, torch.float32)):
        leaves = [t.to(kind).detach().requires_grad_() for t in drawn]
        result = function(*leaves, slope=0.2, padding=1, skip_padding=1)
        gradients = torch.autograd.grad(result.square().sum(), leaves)
        results.append([t.float() for t in (result, *gradients)])
    near = 1e-4 if dtype == torch.float32 else 0.03
    return all((a - b).norm() < near * b.norm() for a, b in zip(*results, strict=True))
