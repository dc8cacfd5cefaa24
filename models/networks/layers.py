"""Layers that PyTorch does not have, or not as generators and discriminators need them."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, pad
from torch.utils.checkpoint import checkpoint

from models.networks.eights import in_eights
from training.precision import HALF


class InstanceNorm2d(nn.InstanceNorm2d):
    """PyTorch's, whose gradient of one picture alone is wrong on a CPU, without a word, if channels
    are innermost: its backward pass takes them for outermost (seen in PyTorch 2.14).
    """

    def forward(self, x: Tensor) -> Tensor:
        normed = super().forward(x)
        alone = len(x) == 1 and x.device.type == "cpu" and not torch.compiler.is_compiling()
        if alone and normed.requires_grad:
            normed.register_hook(Tensor.contiguous)
        return normed


NORMS = {"instance": InstanceNorm2d, "batch": nn.BatchNorm2d, "none": nn.Identity}
SEGMENTS = 4  # of a stage whose activations are recomputed


def needs_bias(norm: str) -> bool:
    """Whether a convolution before `norm` has a bias: only batch norm brings its own."""
    return norm != "batch"


class ResnetBlock(nn.Module):
    """Residual block of two reflection-padded 3x3 convolutions, [B, C, H, W] -> [B, C, H, W]."""

    def __init__(self, channels: int, norm: str, dropout: bool):
        super().__init__()
        bias, conv = needs_bias(norm), conv_before(norm)
        self.conv_block = nn.Sequential(
            ReflectionPad(1),
            conv(channels, channels, 3, bias=bias),
            NORMS[norm](channels),
            nn.ReLU(),
            *([nn.Dropout(0.5)] if dropout else []),
            ReflectionPad(1),
            conv(channels, channels, 3, bias=bias),
            NORMS[norm](channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class ReflectionPad(nn.ReflectionPad2d):
    """PyTorch's reflection padding with the same numbers, faster on a CPU.

    Autocast on a CPU would run it in float32: four copies of the whole tensor, there and back. And
    PyTorch's own backward pass there takes twice as long as `fold` and more.
    """

    def forward(self, x: Tensor) -> Tensor:
        with without_autocast(x.device):
            if x.device.type == "cpu" and x.requires_grad and not torch.compiler.is_compiling():
                return Reflection.apply(x, self.padding[0])
            return super().forward(x)


class Reflection(torch.autograd.Function):
    """Reflect `width` pixels at each border, [B, C, H, W] -> [B, C, H + 2 width, W + 2 width]."""

    @staticmethod
    def forward(ctx, x: Tensor, width: int) -> Tensor:
        ctx.width = width
        return pad(x, (width,) * 4, mode="reflect")

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return fold(fold(gradient, ctx.width, 2), ctx.width, 3), None


def fold(padded: Tensor, width: int, dim: int) -> Tensor:
    """Without the borders of one dimension, each added to the pixels that it mirrors."""
    size = padded.shape[dim]
    inner = padded.narrow(dim, width, size - 2 * width).clone()
    inner.narrow(dim, 1, width).add_(padded.narrow(dim, 0, width).flip(dim))
    inner.narrow(dim, size - 3 * width - 1, width).add_(
        padded.narrow(dim, size - width, width).flip(dim)
    )
    return inner


class Conv2d(nn.Conv2d):
    """PyTorch's. In half precision on a GPU zeros fill its channels up to a multiple of eight.

    Tensor cores take channels in eights, and pictures have 3, masks and scores 1. The numbers are
    the same. With `adds_bias = False` the bias is neither added nor trained.
    """

    adds_bias = True

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        bias = bias if self.adds_bias else None
        convolve = super()._conv_forward
        odd = self.groups == 1 and (self.in_channels % 8 or self.out_channels % 8)
        if odd and uses_tensor_cores(x):
            return in_eights(convolve, x, weight, bias)
        return convolve(x, weight, bias)


def uses_tensor_cores(x: Tensor) -> bool:
    """Whether convolutions of x run in half precision on a GPU."""
    if not x.is_cuda:
        return False
    dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype
    return dtype in HALF.values()


class SpectralConv2d(Conv2d):
    """Convolution whose weight, spectral norm included, is made in full precision.

    Under autocast the power iteration would run in bfloat16, whose eight bits of mantissa blur the
    largest singular value by up to a per cent.
    """

    def forward(self, x: Tensor) -> Tensor:
        with without_autocast(x.device):
            weight = self.weight
        return self._conv_forward(x, weight, self.bias)


class UnbiasedConv2d(Conv2d):
    """For a norm without weights of its own, which takes every bias away again.

    The bias is a parameter all the same, for the official checkpoints have it.
    """

    adds_bias = False


class UnbiasedSpectralConv2d(SpectralConv2d):
    """See `UnbiasedConv2d`."""

    adds_bias = False


class ConvTranspose2d(nn.ConvTranspose2d):
    """PyTorch's, also of channels that several samples have in common."""

    adds_bias = True

    def forward(
        self,
        x: Tensor,
        shared: Tensor | None = None,
        repeat: Callable[[Tensor], Tensor] = lambda shared: shared,
    ) -> Tensor:
        """x, or cat([x, repeat(shared)], 1), of which what is shared is computed once.

        repeat gives each sample what it has of `shared`, whatever the channels and pixels are.
        """
        bias = self.bias if self.adds_bias else None
        if shared is None:
            return self.convolved(x, self.weight, bias)
        own, common = self.weight.split([x.shape[1], shared.shape[1]])
        return self.convolved(x, own, bias) + repeat(self.convolved(shared, common))

    def convolved(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        sizes = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return conv_transpose2d(x, weight, bias, *sizes)


class UnbiasedConvTranspose2d(ConvTranspose2d):
    """See `UnbiasedConv2d`."""

    adds_bias = False


def conv_before(norm: str, kind: type = Conv2d) -> type:
    """The class of a convolution before a norm of this name."""
    unbiased = {
        Conv2d: UnbiasedConv2d,
        ConvTranspose2d: UnbiasedConvTranspose2d,
        SpectralConv2d: UnbiasedSpectralConv2d,
    }
    return unbiased[kind] if norm == "instance" else kind


class Stage(nn.Sequential):
    """Layers one after another; on a GPU those that can be are fused, see `fuse`.

    Weights have the names that they have in `nn.Sequential`, and results are the same but for
    rounding. To recompute is to keep activations only where a stage's segments meet. The backward
    pass computes those between them again, one segment at a time (Chen et al. 2016, "Training Deep
    Nets with Sublinear Memory Cost"); the numbers are the same.
    """

    fused = False

    def forward(self, x: Tensor, recompute: bool = False, begin: int = 0) -> Tensor:
        """The layers from number `begin` on."""
        if recompute and torch.is_grad_enabled():
            return self.in_segments(x, begin)
        layers = list(self)[begin:]
        if may_run_fused(self, x):
            from models.networks.fused import run  # which imports this file

            return run(layers, x)
        for layer in layers:
            x = layer(x)
        return x

    def in_segments(self, x: Tensor, begin: int) -> Tensor:
        length = -(-len(self) // SEGMENTS)
        for start in range(begin, len(self), length):
            part = self[start : start + length]
            part.fused = self.fused
            x = checkpoint(part, x, use_reentrant=False)
        return x


def may_run_fused(layer: nn.Module, x: Tensor) -> bool:
    """Whether a layer that `fuse` has looked at may use kernels for x: on a GPU, not compiled."""
    return layer.fused and x.is_cuda and not torch.compiler.is_compiling()


def keeping_layout(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """function(x [K, C, h, w]), which treats all channels and pixels alike, in the layout of x.

    PyTorch's sums and indices would move innermost channels, in the result or in the gradient.
    """
    if not is_innermost(x):
        return function(x)
    return function(x.movedim(1, -1)).movedim(-1, 1)


def laid_like(x: Tensor, other: Tensor) -> Tensor:
    """x [B, C, H, W], with channels innermost in memory if the other has them so."""
    return x.to(memory_format=torch.channels_last) if is_innermost(other) else x


def is_innermost(x: Tensor) -> bool:
    """Whether the channels of x [B, C, H, W] are innermost in memory."""
    return x.is_contiguous(memory_format=torch.channels_last)


def without_autocast(device: torch.device) -> AbstractContextManager:
    """A block that computes in the precision of its tensors, whatever surrounds it."""
    if device.type == "meta":  # which knows no autocast
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
