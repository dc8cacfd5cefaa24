"""Layers that PyTorch does not have, or not as generators and discriminators need them."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, pad
from torch.utils.checkpoint import checkpoint


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


def run_stage(stage: nn.Sequential, x: Tensor, recompute: bool) -> Tensor:
    """The stage's output. To recompute is to keep activations only where its segments meet.

    The backward pass computes those between them again, one segment at a time (Chen et al. 2016,
    "Training Deep Nets with Sublinear Memory Cost"); the numbers are the same.
    """
    if not (recompute and torch.is_grad_enabled()):
        return stage(x)
    length = -(-len(stage) // SEGMENTS)
    for start in range(0, len(stage), length):
        part = stage[start : start + length]
        part.fused = getattr(stage, "fused", False)
        x = checkpoint(part, x, use_reentrant=False)
    return x


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


class SpectralConv2d(nn.Conv2d):
    """Convolution whose weight, spectral norm included, is made in full precision.

    Under autocast the power iteration would run in bfloat16, whose eight bits of mantissa blur the
    largest singular value by up to a per cent.
    """

    def forward(self, x: Tensor) -> Tensor:
        with without_autocast(x.device):
            weight = self.weight
        return self._conv_forward(x, weight, self.bias)


class Unbiased:
    """A convolution before a norm that takes every bias away again, having no weights of its own.

    On a GPU the bias, which the official checkpoints have, is neither added nor trained. On a CPU
    it is, so that a run goes on there to the bit as it would have by earlier code.
    """

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(x, weight, None if x.is_cuda else bias)


class UnbiasedConv2d(Unbiased, nn.Conv2d): ...


class UnbiasedSpectralConv2d(Unbiased, SpectralConv2d): ...


class UnbiasedConvTranspose2d(nn.ConvTranspose2d):
    """See `Unbiased`."""

    def forward(self, x: Tensor) -> Tensor:
        sizes = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return conv_transpose2d(x, self.weight, None if x.is_cuda else self.bias, *sizes)


def conv_before(norm: str, kind: type = nn.Conv2d) -> type:
    """The class of a convolution before a norm of this name."""
    unbiased = {
        nn.Conv2d: UnbiasedConv2d,
        nn.ConvTranspose2d: UnbiasedConvTranspose2d,
        SpectralConv2d: UnbiasedSpectralConv2d,
    }
    return unbiased[kind] if norm == "instance" else kind


class Stage(nn.Sequential):
    """Layers one after another; on a GPU those that can be are fused, see `fuse`.

    Weights have the names that they have in `nn.Sequential`, and results are the same but for
    rounding.
    """

    fused = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.fused or not x.is_cuda or torch.compiler.is_compiling():
            return super().forward(x)
        from models.networks.fused import run  # which imports this file

        return run(self, x)


def without_autocast(device: torch.device) -> AbstractContextManager:
    """A block that computes in the precision of its tensors, whatever surrounds it."""
    if device.type == "meta":  # which knows no autocast
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
