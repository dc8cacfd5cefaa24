"""How the kernels of `kernels.py` are run there and back, for `finish` in `fused.py`."""

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.networks.fused import After
from models.networks.kernels import (
    apply_kernel,
    gradient_kernel,
    gradient_moments_kernel,
    moments_kernel,
)

CHUNKS = 32  # of a picture's pixels at most: each program of a second pass joins their moments
PIXELS, CHANNELS = 128, 64  # that a program holds at a time
WARPS = 8


class Finish(torch.autograd.Function):
    """y of the equation of `kernels.py`, with kernels both ways."""

    @staticmethod
    def forward(ctx, x, skip, gain, shift, after: After, eps: float) -> Tensor:
        n, c, h, w = x.shape
        slope, pad, skip_pad = after
        if pad >= min(h, w):
            raise ValueError(f"reflection padding of {pad} needs more than {h}x{w} pixels")
        of = what_has_gains(x, gain, shift)
        x, skip, gain, shift = (t if t is None else dense(t) for t in (x, skip, gain, shift))
        plan = Plan(x)
        means, squares = plan.partial(x), plan.partial(x)
        moments_kernel[plan.by_chunks](
            x, means, squares, c, h * w, plan.chunk, plan.tile, plan.block, num_warps=WARPS
        )
        y = innermost(x, (n, c, h + 2 * pad, w + 2 * pad))
        mean = torch.empty((n, c), dtype=torch.float32, device=x.device)
        scale = torch.empty_like(mean)
        apply_kernel[plan.by_tiles(y)](
            x, skip, gain, shift, y, means, squares, mean, scale,
            c, h, w, plan.chunk, plan.chunks, slope, eps,
            of, pad, skip is not None, skip_pad, plan.joint, plan.tile, plan.block, num_warps=WARPS,
        )  # fmt: skip
        ctx.save_for_backward(x, gain, shift, mean, scale)
        ctx.how = of, after, None if skip is None else skip.dtype
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor):
        x, gain, shift, mean, scale = ctx.saved_tensors
        of, (slope, pad, skip_pad), skip_dtype = ctx.how
        n, c, h, w = x.shape
        dy, plan = dense(dy), Plan(x)
        sums, products = plan.partial(x), plan.partial(x)
        dskip = None
        if skip_dtype is not None:
            shape = (n, c, h + 2 * skip_pad, w + 2 * skip_pad)
            dskip = innermost(x, shape, skip_dtype)
            if skip_pad:
                dskip.zero_()  # its borders
        dx = torch.empty_like(x)
        dgain, dshift = (t if t is None else torch.empty_like(t) for t in (gain, shift))
        gradient_moments_kernel[plan.by_chunks](
            x, gain, shift, dy, dskip, dgain, dshift, mean, scale, sums, products,
            c, h, w, plan.chunk, slope,
            of, pad, dskip is not None, skip_pad, plan.tile, plan.block, num_warps=WARPS,
        )  # fmt: skip
        gradient_kernel[plan.by_tiles(x)](
            x, gain, shift, dy, dx, dgain, dshift, mean, scale, sums, products,
            c, h, w, plan.chunks, slope,
            of, pad, plan.joint, plan.tile, plan.block, num_warps=WARPS,
        )  # fmt: skip
        return dx, dskip, dgain, dshift, None, None


class Plan:
    """How programs share the pixels and channels of x [N, C, H, W]."""

    def __init__(self, x: Tensor):
        n, c, h, w = x.shape
        self.block = min(CHANNELS, triton.next_power_of_2(c))
        self.tile = PIXELS
        self.blocks = triton.cdiv(c, self.block)
        self.pictures = n
        wanted = triton.cdiv(h * w, self.tile)
        enough = triton.cdiv(1024, n * self.blocks)  # programs that fill a GPU
        self.chunks = max(1, min(wanted, CHUNKS, enough))
        self.chunk = triton.cdiv(triton.cdiv(h * w, self.chunks), self.tile) * self.tile
        self.chunks = triton.cdiv(h * w, self.chunk)
        self.joint = triton.next_power_of_2(self.chunks)
        self.by_chunks = (n, self.chunks, self.blocks)

    def by_tiles(self, y: Tensor) -> tuple[int, int, int]:
        return self.pictures, triton.cdiv(y.shape[2] * y.shape[3], self.tile), self.blocks

    def partial(self, x: Tensor) -> Tensor:
        shape = (self.pictures, self.chunks, x.shape[1])
        return torch.empty(shape, dtype=torch.float32, device=x.device)


def what_has_gains(x: Tensor, gain: Tensor | None, shift: Tensor | None) -> str:
    """OF of the kernels; ValueError if gain and shift are neither of channels nor of pixels."""
    if gain is None and shift is None:
        return "nothing"
    shapes = {None if t is None else t.shape for t in (gain, shift)}
    for of, shape in (("channels", x.shape[:2]), ("pixels", x.shape)):
        if shapes == {shape}:
            return of
    raise ValueError(f"gain and shift of {tuple(x.shape)}: both of this shape, or both [N, C]")


def dense(x: Tensor) -> Tensor:
    """Features [N, C, H, W] with channels innermost, or numbers [N, C], without gaps in memory."""
    layout = torch.channels_last if x.dim() == 4 else torch.contiguous_format
    return x.contiguous(memory_format=layout)


def innermost(x: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    """An empty tensor where x is, with its channels innermost."""
    return torch.empty(
        shape, dtype=dtype or x.dtype, device=x.device, memory_format=torch.channels_last
    )
