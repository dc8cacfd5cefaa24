"""Stages of layers that run several of them at once on a GPU.

What follows a convolution in most of our networks is instance norm, an activation or the sum of a
residual block, and the reflection padding of the next layer. PyTorch reads and writes all features
for each of these, the norm several times. With channels innermost in memory, `Stage` has one
function for all of them, `finish`, which Triton kernels compute (`kernels.py`).
"""

import importlib.util
from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad
from tqdm import tqdm

from models.networks.layers import ReflectionPad, ResnetBlock, Stage

EPS = 1e-5
NO_ACTIVATION = 1.0  # slope of a leaky ReLU that changes nothing


class Mark(nn.Module):
    """Where a residual block begins or ends in a list of layers."""


BEGIN, END = Mark(), Mark()


def definition(
    x: Tensor,
    skip: Tensor | None = None,
    *,
    slope: float = NO_ACTIVATION,
    padding: int = 0,
    skip_padding: int = 0,
) -> Tensor:
    """Instance norm, leaky ReLU, sum with the inside of `skip`, reflection padding, in this order.

    x [N, C, H, W] -> [N, C, H + 2 padding, W + 2 padding]; skip is [N, C, H + 2 skip_padding, …].
    """
    variance, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
    result = (x - mean) * torch.rsqrt(variance + EPS)
    result = leaky_relu(result, slope) if slope != NO_ACTIVATION else result
    result = result if skip is None else result + inside(skip, skip_padding)
    return pad(result, (padding,) * 4, mode="reflect") if padding else result


def finish(
    x: Tensor,
    skip: Tensor | None = None,
    *,
    slope: float = NO_ACTIVATION,
    padding: int = 0,
    skip_padding: int = 0,
) -> Tensor:
    """`definition`, by a pair of kernels there and another back. x lies with channels innermost."""
    from models.networks.kernels import Finish

    return Finish.apply(x, skip, slope, padding, skip_padding, EPS)


def inside(x: Tensor, width: int) -> Tensor:
    """x without `width` pixels at each border."""
    return x[..., width:-width, width:-width] if width else x


def fuse(network: nn.Module, device: torch.device) -> None:
    """Let the stages of a network run fused, where that works."""
    for stage in network.modules():
        if isinstance(stage, Stage):
            stage.fused = works(device)


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
    """Whether it is an instance norm with neither weights nor memory."""
    plain = isinstance(layer, nn.InstanceNorm2d)
    return plain and not layer.affine and not layer.track_running_stats


def suits(x: Tensor) -> bool:
    """Whether kernels can take it: there is a picture, and its channels are innermost."""
    return len(x) > 0 and x.is_contiguous(memory_format=torch.channels_last)


@cache
def works(device: torch.device) -> bool:
    """Whether kernels compile for a device and agree with their definition; says so if not."""
    if device.type != "cuda" or importlib.util.find_spec("triton") is None:
        return False
    try:
        agree = tried(device)
    except Exception as error:  # whatever a compiler says, there is another way
        tqdm.write(f"note: layers are not fused, Triton does not compile here: {first_line(error)}")
        return False
    if not agree:
        tqdm.write("note: layers are not fused, Triton's kernels give other numbers here")
    return agree


def tried(device: torch.device) -> bool:
    """Whether kernels give what they should of a few numbers, and their gradients."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        x, skip = torch.randn(2, 8, 5, 6, device=device), torch.randn(2, 8, 7, 8, device=device)
    results = []
    for function in (finish, definition):
        own = x.clone(memory_format=torch.channels_last).requires_grad_()
        result = function(own, skip, slope=0.2, padding=1, skip_padding=1)
        results.append([result, *torch.autograd.grad(result.square().sum(), own)])
    return all(torch.allclose(a, b, atol=1e-3) for a, b in zip(*results, strict=True))


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]
