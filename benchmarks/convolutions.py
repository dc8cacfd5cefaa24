"""The convolutions of networks: counted, and timed alone."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import torch
from torch import nn
from torch.nn import functional

FLOOR_RUNS = 3


def timed(function: Callable[[], None], device: torch.device) -> float:
    """Seconds that a call takes; on a GPU between two events."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Convolution:
    """One call of a convolution: its shapes, and which gradients the step takes of it."""

    transposed: bool
    input_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    input_gradient: bool
    weight_gradient: bool

    @property
    def flops(self) -> int:
        """Multiplications and additions, forward and for each gradient."""
        places = prod((self.input_shape if self.transposed else self.output_shape)[2:])
        once = 2 * self.input_shape[0] * places * prod(self.weight_shape)
        return once * (1 + self.input_gradient + self.weight_gradient)

    def __call__(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        if self.transposed:
            return functional.conv_transpose2d(
                x, weight, None, self.stride, self.padding, self.output_padding
            )
        return functional.conv2d(x, weight, None, self.stride, self.padding)


@contextmanager
def recorded_convolutions(networks) -> Iterator[Counter]:
    """Count the calls of all convolutions in the networks."""
    calls: Counter = Counter()

    def record(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        # Looking at `layer.weight` would be one more power iteration of the spectral norm.
        normed = hasattr(layer, "parametrizations")
        weight = layer.parametrizations.weight.original if normed else layer.weight
        transposed = isinstance(layer, nn.ConvTranspose2d)
        tensors = [x for x in inputs if isinstance(x, torch.Tensor)]
        for x in tensors:  # what samples share is convolved by a part of the weight of its own
            part = (x.shape[1], *weight.shape[1:]) if len(tensors) > 1 else weight.shape
            calls[
                Convolution(
                    transposed,
                    tuple(x.shape),
                    tuple(part),
                    (len(x), *output.shape[1:]),
                    layer.stride,
                    layer.padding,
                    layer.output_padding,
                    x.requires_grad,
                    weight.requires_grad and torch.is_grad_enabled(),
                )
            ] += 1

    layers = [
        layer
        for network in networks
        for layer in network.modules()
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    ]
    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def floor_seconds(call: Convolution, dtype: torch.dtype, device: torch.device) -> float:
    """Seconds of the convolution alone, forward and backward, in the faster memory format."""
    return min(
        alone(call, dtype, device, layout)
        for layout in (torch.contiguous_format, torch.channels_last)
    )


def alone(call: Convolution, dtype, device: torch.device, layout: torch.memory_format) -> float:
    def make(shape: tuple[int, ...], gradient: bool = False) -> torch.Tensor:
        tensor = torch.randn(shape, device=device, dtype=dtype).to(memory_format=layout)
        return tensor.requires_grad_(gradient)

    x = make(call.input_shape, call.input_gradient)
    weight = make(call.weight_shape, call.weight_gradient)
    upstream = make(call.output_shape)
    wanted = [tensor for tensor in (x, weight) if tensor.requires_grad]

    def run() -> None:
        output = call(x, weight)
        if wanted:
            torch.autograd.grad(output, wanted, upstream)

    run()
    return statistics.median(timed(run, device) for _ in range(FLOOR_RUNS))


def matrix_flops(dtype: torch.dtype, device: torch.device) -> float:
    """Additions and multiplications per second in a product of large matrices."""
    size = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    a @ b
    return 2 * size**3 / statistics.median(timed(lambda: a @ b, device) for _ in range(5))
