"""Triton kernels for instance norm, activation, sum and reflection padding, channels innermost.

    z = (x - mean) / sqrt(var + eps)
    y = pad(act(z * (1 + gain) + shift) + skip)

mean and var are those of each channel of each picture, in float32 whatever x is. x is [N, C, H, W],
y [N, C, H + 2 pad, W + 2 pad], both in channels_last. act is a leaky ReLU: `slope` 1 is none, 0 a
ReLU. skip lies inside a tensor that is padded by `skip_pad` pixels; its borders are not looked at.

OF says what has a gain and a shift of its own: "nothing", then there are none; "channels" of each
picture, [N, C]; or "pixels", [N, C, H, W] in channels_last.

Two passes each way: moments in chunks of pixels, joined by the second pass (Chan et al. 1983), so
that a mean far from zero costs no digits. `models/networks/fused.py` has the definition, and
`finishing.py` runs the kernels. With TRITON_INTERPRET=1 in the environment they run on a CPU,
slowly.
"""

import triton
import triton.language as tl


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
def modulation(gain, shift, n, c, C, place, inside, OF: tl.constexpr):
    """1 + gain and shift of B channels, [1, B], or of pixels of them, [P, B]; not of nothing."""
    if OF == "pixels":
        factor = 1 + tl.load(gain + place, inside, 0.0).to(tl.float32)
        term = tl.load(shift + place, inside, 0.0).to(tl.float32)
    else:
        factor = 1 + tl.load(gain + n * C + c, c < C, 0.0).to(tl.float32)[None, :]
        term = tl.load(shift + n * C + c, c < C, 0.0).to(tl.float32)[None, :]
    return factor, term


@triton.jit
def apply_kernel(
    x, skip, gain, shift, y, means, squares, mean_out, scale_out,
    C, H, W, chunk, chunks, slope, eps,
    OF: tl.constexpr, PAD: tl.constexpr, SKIP: tl.constexpr, SKIP_PAD: tl.constexpr,
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
    if OF != "nothing":
        factor, term = modulation(gain, shift, n, c, C, place, inside, OF)
        value = value * factor + term
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
    x, gain, shift, dy, dskip, dgain, dshift, mean_in, scale_in, sums, products,
    C, H, W, chunk, slope,
    OF: tl.constexpr, PAD: tl.constexpr, SKIP: tl.constexpr, SKIP_PAD: tl.constexpr,
    P: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    """Sums over a chunk of pixels of a gradient, and of it times z; the gradient of skip.

    It is that of z, but of z * (1 + gain) if gains are of channels, whose own gradients these sums
    are. Gains and shifts of pixels have their gradients from here.
    """
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
        place = (n * pixels + at[:, None]) * C + c[None, :]
        z = tl.load(x + place, inside, 0.0).to(tl.float32)
        z = tl.where(inside, (z - mean[None, :]) * scale[None, :], 0.0)
        value = z
        if OF != "nothing":
            factor, term = modulation(gain, shift, n, c, C, place, inside, OF)
            value = z * factor + term
        gradient = tl.where(value > 0, gradient, gradient * slope)
        if OF == "pixels":
            tl.store(dshift + place, gradient.to(dshift.dtype.element_ty), inside)
            tl.store(dgain + place, (gradient * z).to(dgain.dtype.element_ty), inside)
            gradient *= factor
        total += tl.sum(gradient, 0)
        product += tl.sum(gradient * z, 0)
    place = (n * tl.num_programs(1) + s) * C + c
    tl.store(sums + place, total, c < C)
    tl.store(products + place, product, c < C)


@triton.jit
def gradient_kernel(
    x, gain, shift, dy, dx, dgain, dshift, mean_in, scale_in, sums, products,
    C, H, W, chunks, slope,
    OF: tl.constexpr, PAD: tl.constexpr, S: tl.constexpr, P: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    """The gradient of P pixels of x, for B channels, from the sums of all chunks.

    The first program of a picture keeps the gradients of gains and shifts of channels.
    """
    n, c = tl.program_id(0).to(tl.int64), tl.program_id(2) * B + tl.arange(0, B)
    pixels = H * W
    s = tl.arange(0, S)
    known = (s < chunks)[:, None] & (c < C)[None, :]
    part = (n * chunks + s[:, None]) * C + c[None, :]
    total = tl.sum(tl.load(sums + part, known, 0.0), 0)
    product = tl.sum(tl.load(products + part, known, 0.0), 0)
    if OF == "channels":
        own = (c < C) & (tl.program_id(1) == 0)
        tl.store(dshift + n * C + c, total.to(dshift.dtype.element_ty), own)
        tl.store(dgain + n * C + c, product.to(dgain.dtype.element_ty), own)
    total, product = total / pixels, product / pixels
    mean = tl.load(mean_in + n * C + c, c < C, 0.0)
    scale = tl.load(scale_in + n * C + c, c < C, 0.0)
    at = tl.program_id(1) * P + tl.arange(0, P)
    inside = (at < pixels)[:, None] & (c < C)[None, :]
    gradient = folded(dy, n, at, at < pixels, c, C, H, W, PAD)
    place = (n * pixels + at[:, None]) * C + c[None, :]
    z = (tl.load(x + place, inside, 0.0).to(tl.float32) - mean[None, :]) * scale[None, :]
    value = z
    if OF != "nothing":
        factor, term = modulation(gain, shift, n, c, C, place, inside, OF)
        value = z * factor + term
    gradient = tl.where(value > 0, gradient, gradient * slope)
    if OF == "pixels":
        gradient *= factor
    gradient = (gradient - total[None, :] - z * product[None, :]) * scale[None, :]
    if OF == "channels":
        gradient *= factor
    tl.store(dx + place, gradient.to(dx.dtype.element_ty), inside)
