"""Triton kernels for instance norm, activation, sum and reflection padding, channels innermost.

    y = pad(act((x - mean) / sqrt(var + eps)) + skip)

mean and var are those of each channel of each picture, in float32 whatever x is. x is [N, C, H, W],
y [N, C, H + 2 pad, W + 2 pad], both in channels_last. act is a leaky ReLU: `slope` 1 is none, 0 a
ReLU. skip lies inside a tensor that is padded by `skip_pad` pixels; its borders are not looked at.

Two passes each way: moments in chunks of pixels, joined by the second pass (Chan et al. 1983), so
that a mean far from zero costs no digits. `models/networks/fused.py` has the definition. With
TRITON_INTERPRET=1 in the environment they run on a CPU, slowly.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

CHUNKS = 32  # of a picture's pixels at most: each program of a second pass joins their moments
PIXELS, CHANNELS = 128, 64  # that a program holds at a time
WARPS = 8


@triton.jit
def moments_kernel(x, means, squares, C, pixels, chunk, P: tl.constexpr, B: tl.constexpr):
    """Mean and sum of squared differences of a chunk of pixels, for B channels."""
    n, s = tl.program_id(0).to(tl.int64), tl.program_id(1)
    c = tl.program_id(2) * B + tl.arange(0, B)
    first = s * chunk
    last = tl.minimum(first + chunk, pixels)
    count = 0.0
    mean = tl.zeros([B], tl.float32)
    square = tl.zeros([B], tl.float32)
    for start in range(first, last, P):
        at = start + tl.arange(0, P)
        inside = (at < last)[:, None] & (c < C)[None, :]
        place = (n * pixels + at[:, None]) * C + c[None, :]
        values = tl.load(x + place, inside, 0.0).to(tl.float32)
        own = tl.minimum(last - start, P).to(tl.float32)
        own_mean = tl.sum(values, 0) / own
        apart = tl.where(inside, values - own_mean[None, :], 0.0)
        shift = own_mean - mean
        both = count + own
        square += tl.sum(apart * apart, 0) + shift * shift * (count * own / both)
        mean += shift * (own / both)
        count = both
    place = (n * tl.num_programs(1) + s) * C + c
    tl.store(means + place, mean, c < C)
    tl.store(squares + place, square, c < C)


@triton.jit
def joined(means, squares, n, c, C, pixels, chunk, chunks, S: tl.constexpr):
    """Mean and variance of B channels, from the moments of all chunks."""
    s = tl.arange(0, S)
    inside = (s < chunks)[:, None] & (c < C)[None, :]
    place = (n * chunks + s[:, None]) * C + c[None, :]
    own = tl.maximum(tl.minimum(pixels - s * chunk, chunk), 0).to(tl.float32)[:, None]
    mean_of = tl.load(means + place, inside, 0.0)
    mean = tl.sum(mean_of * own, 0) / pixels
    apart = tl.where(inside, mean_of - mean[None, :], 0.0)
    square = tl.sum(tl.load(squares + place, inside, 0.0) + own * apart * apart, 0)
    return mean, square / pixels


@triton.jit
def apply_kernel(
    x, skip, y, means, squares, mean_out, scale_out,
    C, H, W, chunk, chunks, slope, eps,
    PAD: tl.constexpr, SKIP: tl.constexpr, SKIP_PAD: tl.constexpr,
    S: tl.constexpr, P: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    """y of P of its pixels, for B channels; the first program of a picture keeps its moments."""
    n, c = tl.program_id(0).to(tl.int64), tl.program_id(2) * B + tl.arange(0, B)
    pixels = H * W
    mean, variance = joined(means, squares, n, c, C, pixels, chunk, chunks, S)
    scale = 1.0 / tl.sqrt(variance + eps)
    if tl.program_id(1) == 0:
        tl.store(mean_out + n * C + c, mean, c < C)
        tl.store(scale_out + n * C + c, scale, c < C)
    wide = W + 2 * PAD
    padded = (H + 2 * PAD) * wide
    at = tl.program_id(1) * P + tl.arange(0, P)
    row, column = at // wide - PAD, at % wide - PAD
    if PAD:
        row, column = tl.abs(row), tl.abs(column)
        row, column = H - 1 - tl.abs(H - 1 - row), W - 1 - tl.abs(W - 1 - column)
    inside = (at < padded)[:, None] & (c < C)[None, :]
    place = (n * pixels + row * W + column)[:, None] * C + c[None, :]
    value = (tl.load(x + place, inside, 0.0).to(tl.float32) - mean[None, :]) * scale[None, :]
    value = tl.where(value > 0, value, value * slope)
    if SKIP:
        skip_wide = W + 2 * SKIP_PAD
        there = (
            n * (H + 2 * SKIP_PAD) * skip_wide + (row + SKIP_PAD) * skip_wide + column + SKIP_PAD
        )
        value += tl.load(skip + there[:, None] * C + c[None, :], inside, 0.0).to(tl.float32)
    place = (n * padded + at[:, None]) * C + c[None, :]
    tl.store(y + place, value.to(y.dtype.element_ty), inside)


@triton.jit
def folded(dy, n, at, known, c, C, H, W, PAD: tl.constexpr):
    """The gradient of pixels [P] of B channels: of y there, and of the borders that mirror them.

    In each direction a pixel has its own place and at most two that mirror it. Of a program without
    a pixel near an edge in a direction only the former is looked at.
    """
    row, column = at // W, at % W
    wide = W + 2 * PAD
    start = n * (H + 2 * PAD) * wide
    rows, columns = 1, 1
    if PAD:
        rows = tl.where(near_edge(row, known, H, PAD), 3, 1)
        columns = tl.where(near_edge(column, known, W, PAD), 3, 1)
    found = tl.zeros([at.shape[0], c.shape[0]], tl.float32)
    for i in range(rows):
        up, up_there = mirrored(row, i, H, PAD)
        for j in range(columns):
            left, left_there = mirrored(column, j, W, PAD)
            there = (known & up_there & left_there)[:, None] & (c < C)[None, :]
            place = (start + up * wide + left)[:, None] * C + c[None, :]
            found += tl.load(dy + place, there, 0.0).to(tl.float32)
    return found


@triton.jit
def near_edge(at, known, length, PAD: tl.constexpr):
    """Whether any of these pixels of a line is mirrored in its padding."""
    near = known & ((at <= PAD) | (at >= length - 1 - PAD))
    return tl.sum(near.to(tl.int32), 0) > 0


@triton.jit
def mirrored(at, which, length, PAD: tl.constexpr):
    """Where pixels of a line are in the padded one: themselves (0), before its start, behind it."""
    place = tl.where(
        which == 0, at + PAD, tl.where(which == 1, PAD - at, 2 * length - 2 - at + PAD)
    )
    before = (at >= 1) & (at <= PAD)
    behind = (at >= length - 1 - PAD) & (at <= length - 2)
    return place, (which == 0) | ((which == 1) & before) | ((which == 2) & behind)


@triton.jit
def gradient_moments_kernel(
    x, dy, dskip, mean_in, scale_in, sums, products,
    C, H, W, chunk, slope,
    PAD: tl.constexpr, SKIP: tl.constexpr, SKIP_PAD: tl.constexpr,
    P: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    """Sums over a chunk of pixels of the gradient of z, and of it times z; the gradient of skip."""
    n, s = tl.program_id(0).to(tl.int64), tl.program_id(1)
    c = tl.program_id(2) * B + tl.arange(0, B)
    pixels = H * W
    mean = tl.load(mean_in + n * C + c, c < C, 0.0)
    scale = tl.load(scale_in + n * C + c, c < C, 0.0)
    first = s * chunk
    last = tl.minimum(first + chunk, pixels)
    total = tl.zeros([B], tl.float32)
    product = tl.zeros([B], tl.float32)
    for start in range(first, last, P):
        at = start + tl.arange(0, P)
        inside = (at < last)[:, None] & (c < C)[None, :]
        gradient = folded(dy, n, at, at < last, c, C, H, W, PAD)
        if SKIP:
            row, column, wide = at // W, at % W, W + 2 * SKIP_PAD
            there = n * (H + 2 * SKIP_PAD) * wide + (row + SKIP_PAD) * wide + column + SKIP_PAD
            tl.store(
                dskip + there[:, None] * C + c[None, :], gradient.to(dskip.dtype.element_ty), inside
            )
        value = tl.load(x + (n * pixels + at[:, None]) * C + c[None, :], inside, 0.0).to(tl.float32)
        value = tl.where(inside, (value - mean[None, :]) * scale[None, :], 0.0)
        gradient = tl.where(value > 0, gradient, gradient * slope)
        total += tl.sum(gradient, 0)
        product += tl.sum(gradient * value, 0)
    place = (n * tl.num_programs(1) + s) * C + c
    tl.store(sums + place, total, c < C)
    tl.store(products + place, product, c < C)


@triton.jit
def gradient_kernel(
    x, dy, dx, mean_in, scale_in, sums, products,
    C, H, W, chunks, slope,
    PAD: tl.constexpr, S: tl.constexpr, P: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    """The gradient of P pixels of x, for B channels, from the sums of all chunks."""
    n, c = tl.program_id(0).to(tl.int64), tl.program_id(2) * B + tl.arange(0, B)
    pixels = H * W
    s = tl.arange(0, S)
    known = (s < chunks)[:, None] & (c < C)[None, :]
    part = (n * chunks + s[:, None]) * C + c[None, :]
    total = tl.sum(tl.load(sums + part, known, 0.0), 0) / pixels
    product = tl.sum(tl.load(products + part, known, 0.0), 0) / pixels
    mean = tl.load(mean_in + n * C + c, c < C, 0.0)
    scale = tl.load(scale_in + n * C + c, c < C, 0.0)
    at = tl.program_id(1) * P + tl.arange(0, P)
    inside = (at < pixels)[:, None] & (c < C)[None, :]
    gradient = folded(dy, n, at, at < pixels, c, C, H, W, PAD)
    place = (n * pixels + at[:, None]) * C + c[None, :]
    value = (tl.load(x + place, inside, 0.0).to(tl.float32) - mean[None, :]) * scale[None, :]
    gradient = tl.where(value > 0, gradient, gradient * slope)
    gradient = (gradient - total[None, :] - value * product[None, :]) * scale[None, :]
    tl.store(dx + place, gradient.to(dx.dtype.element_ty), inside)


class Finish(torch.autograd.Function):
    """y of the module's equation, with kernels both ways."""

    @staticmethod
    def forward(ctx, x, skip, slope: float, pad: int, skip_pad: int, eps: float) -> Tensor:
        n, c, h, w = x.shape
        if pad >= min(h, w):
            raise ValueError(f"reflection padding of {pad} needs more than {h}x{w} pixels")
        x = x.contiguous(memory_format=torch.channels_last)
        if skip is not None:
            skip = skip.contiguous(memory_format=torch.channels_last)
        plan = Plan(x)
        means, squares = plan.partial(x), plan.partial(x)
        moments_kernel[plan.by_chunks](
            x, means, squares, c, h * w, plan.chunk, plan.tile, plan.block, num_warps=WARPS
        )
        y = innermost(x, (n, c, h + 2 * pad, w + 2 * pad))
        mean = torch.empty((n, c), dtype=torch.float32, device=x.device)
        scale = torch.empty_like(mean)
        apply_kernel[plan.by_tiles(y)](
            x, skip, y, means, squares, mean, scale, c, h, w, plan.chunk, plan.chunks, slope, eps,
            pad, skip is not None, skip_pad, plan.joint, plan.tile, plan.block, num_warps=WARPS,
        )  # fmt: skip
        ctx.save_for_backward(x, mean, scale)
        ctx.how = slope, pad, skip_pad, None if skip is None else skip.dtype
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor):
        x, mean, scale = ctx.saved_tensors
        slope, pad, skip_pad, skip_dtype = ctx.how
        n, c, h, w = x.shape
        dy = dy.contiguous(memory_format=torch.channels_last)
        plan = Plan(x)
        sums, products = plan.partial(x), plan.partial(x)
        dskip = None
        if skip_dtype is not None:
            shape = (n, c, h + 2 * skip_pad, w + 2 * skip_pad)
            dskip = innermost(x, shape, skip_dtype)
            if skip_pad:
                dskip.zero_()  # its borders
        gradient_moments_kernel[plan.by_chunks](
            x, dy, dskip, mean, scale, sums, products, c, h, w, plan.chunk, slope,
            pad, dskip is not None, skip_pad, plan.tile, plan.block, num_warps=WARPS,
        )  # fmt: skip
        dx = torch.empty_like(x)
        gradient_kernel[plan.by_tiles(x)](
            x, dy, dx, mean, scale, sums, products, c, h, w, plan.chunks, slope,
            pad, plan.joint, plan.tile, plan.block, num_warps=WARPS,
        )  # fmt: skip
        return dx, dskip, None, None, None, None


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


def innermost(x: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    """An empty tensor where x is, with its channels innermost."""
    return torch.empty(
        shape, dtype=dtype or x.dtype, device=x.device, memory_format=torch.channels_last
    )
