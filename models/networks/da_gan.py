"""DA-GAN's networks (Ma et al., CVPR 2018, sections 3.1 and 3.4): attention finds what is encoded.

Images are [B, C, H, W] in [-1, 1]. A code is [B, 4 w, H/s, W/s] for a width w; s is 4, and 8 of
large pictures. Centres of windows are shares of width and height, [B, N, 2] as x, y.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from models.networks.layers import NORMS, Conv2d

SLOPE = 0.2
SOFT = 1.6  # sharpness of windows in the beginning, per half of their side
SHARP = 10.0  # in the end, per pixel
SPREAD = 0.01  # of the locator's last weights: windows begin where its biases say


class RegionEncoder(nn.Module):
    """E: a picture, or one region of it, as a code."""

    def __init__(self, *, image_channels: int = 3, width: int = 64, large: bool = False):
        super().__init__()
        inner = 4 * width
        self.layers = nn.Sequential(
            *normed(image_channels, width),
            *normed(width, 2 * width, stride=2),
            *normed(2 * width, inner, stride=2),
            *(normed(inner, inner, stride=2) if large else ()),
            BatchBlock(inner),
            BatchBlock(inner),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class Quarters(nn.Module):
    """The means of a picture's quarters, [B, C, H, W] -> [B, C, 2, 2]; the middle row counts twice.

    As `nn.AdaptiveAvgPool2d(2)`, which ONNX has for a single size alone.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not torch.compiler.is_compiling():
            return adaptive_avg_pool2d(x, 2)
        height, width = x.shape[2:]
        rows = (slice((height + 1) // 2), slice(height // 2, None))
        columns = (slice((width + 1) // 2), slice(width // 2, None))
        means = [x[:, :, own, other].mean((2, 3)) for own in rows for other in columns]
        return torch.stack(means, 2).unflatten(2, (2, 2))


class Locator(nn.Module):
    """f_loc (Eq. 1): where the N windows are, from the code of the whole picture: [B, N, 2].

    A window stays inside: its centre is at least half its side, share / 2, away from the edges.
    """

    def __init__(self, *, width: int = 64, windows: int = 1, share: float = 0.75):
        super().__init__()
        self.share = share
        self.layers = nn.Sequential(
            *normed(4 * width, 2 * width, stride=2),
            *normed(2 * width, width, stride=2),
            Quarters(),
            nn.Flatten(),
            nn.Linear(4 * width, 2 * width),
            nn.ReLU(),
        )
        self.places = nn.Linear(2 * width, 2 * windows)
        self.windows = windows
        self.start()

    @torch.no_grad()
    def start(self) -> None:
        """The windows on a grid, so that each has a part of its own from the beginning."""
        windows = self.windows
        nn.init.normal_(self.places.weight, std=SPREAD)
        columns = next(n for n in range(1, windows + 1) if n * n >= windows)
        rows = -(-windows // columns)
        grid = [
            ((i % columns + 0.5) / columns, (i // columns + 0.5) / rows) for i in range(windows)
        ]
        inside = (torch.tensor(grid) - self.share / 2) / max(1 - self.share, 1e-6)
        self.places.bias.copy_(torch.logit(inside.clamp(0.05, 0.95)).flatten())

    def forward(self, code: Tensor) -> Tensor:
        free = self.places(self.layers(code)).unflatten(1, (-1, 2))
        return self.share / 2 + (1 - self.share) * torch.sigmoid(free)


def window_masks(
    centres: Tensor, share: float, size: tuple[int, int], progress: float | Tensor = 1.0
) -> Tensor:
    """Where each window is (Eq. 2 and 4), [B, N, H, W] in [0, 1]; differentiable in the centres.

    centres [B, N, 2]; a window covers `share` of either side of a picture of (height, width). With
    progress 0 its edges are so soft that all of the picture shines through a little, with 1 sharp.
    """
    across, down = (
        profile(place * side, share * side / 2, side, sharpness(progress, share * side / 2))
        for place, side in zip(centres.unbind(-1), size[::-1], strict=True)
    )
    return down[..., :, None] * across[..., None, :]


def sharpness(progress: float | Tensor, half: float) -> float | Tensor:
    """k of Eq. 4 per pixel, for a window's half side in pixels; in equal ratios, step by step."""
    first = min(SOFT / half, SHARP)
    return first * (SHARP / first) ** progress


def profile(centre: Tensor, half: float, side: int, sharpness: float | Tensor) -> Tensor:
    """1 on `half` pixels to each side of a centre [...] in pixels, 0 elsewhere, [..., side]."""
    pixels = torch.arange(side, device=centre.device, dtype=centre.dtype) + 0.5
    distance = pixels - centre[..., None]
    rise, fall = distance + half, distance - half
    return torch.sigmoid(sharpness * rise) - torch.sigmoid(sharpness * fall)


class AttentionEncoder(nn.Module):
    """DAE (Eq. 3): the codes of the regions that the locator finds, one after another.

    image [B, C, H, W] -> codes [B, N 4 w, h, w], centres [B, N, 2]. With `attends=False` there is
    one region, the whole picture. `sees_all` adds the code of the whole picture, as channels.

    The edges of windows are soft in the beginning, so that gradients reach their centres from afar,
    and sharp after `sharpen_for` calls of `sharpen`; how far that is gets saved with the weights.
    """

    def __init__(
        self,
        encoder: RegionEncoder,
        locator: Locator,
        *,
        attends: bool = True,
        sees_all: bool = False,
        sharpen_for: int = 1,
    ):
        super().__init__()
        self.sharpen_for = sharpen_for
        self.register_buffer("progress", torch.tensor(0.0))
        self.encoder = encoder
        self.locator = locator if attends else None
        self.attends = attends
        self.sees_all = sees_all

    def sharpen(self) -> None:
        """After an update: a little sharper."""
        self.progress.add_(1 / self.sharpen_for).clamp_(max=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        whole = self.encoder(image)
        if self.locator is None:
            return whole, image.new_full((len(image), 1, 2), 0.5)
        centres = self.locator(whole)
        masks = window_masks(centres, self.locator.share, image.shape[-2:], self.progress)
        regions = image[:, None] * masks[:, :, None]  # [B, N, C, H, W]
        found = self.encoder(regions.flatten(0, 1)).unflatten(0, regions.shape[:2])
        codes = found.flatten(1, 2)
        return (torch.cat([codes, whole], 1) if self.sees_all else codes), centres


class RegionDecoder(nn.Module):
    """G: codes [B, K, h, w] -> picture [B, C, H, W]."""

    def __init__(
        self,
        codes: int,
        *,
        image_channels: int = 3,
        width: int = 64,
        n_blocks: int = 6,
        large: bool = False,
    ):
        super().__init__()
        inner = 4 * width
        self.layers = nn.Sequential(
            *normed(codes, inner),
            *(BatchBlock(inner) for _ in range(n_blocks)),
            *((nn.Upsample(scale_factor=2), *normed(inner, inner)) if large else ()),
            nn.Upsample(scale_factor=2),
            *normed(inner, 2 * width),
            nn.Upsample(scale_factor=2),
            *normed(2 * width, width),
            Conv2d(width, image_channels, 3, padding=1),
            nn.Tanh(),
        )

    def forward(self, codes: Tensor) -> Tensor:
        return self.layers(codes)


class Judge(nn.Module):
    """D1 or D2: a logit for each picture, [B]."""

    def __init__(self, size: tuple[int, int], *, image_channels: int = 3, width: int = 64):
        super().__init__()
        halvings = max(3, min(6, min(size).bit_length() - 3))  # 3 at 32 pixels, 4 at 64, 6 at 256
        widths = [image_channels, *(min(width * 2**i, 8 * width) for i in range(halvings))]
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate(zip(widths, widths[1:], strict=False)):
            norm = [NORMS["batch"](after)] if i else []
            conv = Conv2d(before, after, 4, stride=2, padding=1, bias=not norm)
            layers += [conv, *norm, nn.LeakyReLU(SLOPE)]
        height, width_left = (side // 2**halvings for side in size)
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.verdict = nn.Linear(widths[-1] * height * width_left, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.verdict(self.layers(image))[:, 0]


class CodeClassifier(nn.Module):
    """C: which class codes [B, K, h, w] are of, and what it sees on the way.

    Returns features of a middle block [B, D, h', w'], those of the last one, averaged, [B, D], and
    logits [B, classes].
    """

    def __init__(self, codes: int, classes: int, *, width: int = 128, n_blocks: int = 9):
        super().__init__()
        self.enter = nn.Sequential(
            nn.Conv2d(codes, width, 1, bias=False), NORMS["batch"](width), nn.ReLU()
        )
        third = max(1, n_blocks // 3)
        blocks = []
        for number in range(n_blocks):
            if number in (third, 2 * third):
                blocks.append(nn.Sequential(*normed(width, width, stride=2)))
            blocks.append(BatchBlock(width))
        middle = len(blocks) // 2 + 1
        self.first, self.last = nn.Sequential(*blocks[:middle]), nn.Sequential(*blocks[middle:])
        self.out = nn.Linear(width, classes)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        middle = self.first(self.enter(codes))
        seen = self.last(middle).mean((2, 3))
        return middle, seen, self.out(seen)


class BatchBlock(nn.Module):
    """Residual block of two 3x3 convolutions with batch norm, [B, C, H, W] -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            *normed(channels, channels),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            NORMS["batch"](channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def normed(before: int, after: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """A 3x3 convolution, batch norm and ReLU."""
    conv = Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
    return conv, NORMS["batch"](after), nn.ReLU()


@contextmanager
def held_still(*networks: nn.Module) -> Iterator[None]:
    """Gradients go through these networks and not into them; batch norm counts nothing.

    Its statistics are those of the batch, as they are in training.
    """
    weights = [w for net in networks for w in net.parameters() if w.requires_grad]
    norms = [
        layer
        for net in networks
        for layer in net.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.track_running_stats
    ]
    for weight in weights:
        weight.requires_grad_(False)
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
        for norm in norms:
            norm.track_running_stats = True
