"""Convolutions whose channels are filled up with zeros to a multiple of eight."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad


def in_eights(convolve: Callable, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """convolve(x, weight, bias), with zeros as further channels up to a multiple of eight.

    x [B, C, H, W], weight [O, C, h, w] -> [B, O, ...]. Channels are innermost in memory, in results
    and gradients, unless those of the weight are outermost.
    """
    before, after = -weight.shape[1] % 8, -weight.shape[0] % 8
    both_ways = weight.is_contiguous(memory_format=torch.channels_last)  # as some small ones are
    widened = outermost if weight.is_contiguous() and not both_ways else innermost
    weight = pad(weight, (0, 0, 0, 0, 0, before, 0, after))
    bias = bias if bias is None else pad(bias, (0, after))
    return widened(convolve(widened(x, before), weight, bias), -after)


def outermost(x: Tensor, channels: int) -> Tensor:
    """x [B, C, H, W] with so many more channels, which are zeros, or fewer."""
    return pad(x, (0, 0, 0, 0, 0, channels)) if channels else x


def innermost(x: Tensor, channels: int) -> Tensor:
    """The same, with channels innermost in memory."""
    if not channels:
        return x
    x = x.movedim(1, -1)
    x = x[..., :channels] if channels < 0 else pad(x, (0, channels))
    return x.contiguous().movedim(-1, 1)
