"""MGD-GAN's networks of pictures (Su et al., IJCAI 2021, section 2.2): APADE and D_img.

APADE is SPADE's generator (Park et al., CVPR 2019, "Semantic Image Synthesis with
Spatially-Adaptive Normalization") with an encoder of the background in place of its noise, and two
heads. Maps are `segmentation_map`s, [B, 5, H, W]; H and W are multiples of 2^halvings.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    avg_pool2d,
    interpolate,
    leaky_relu,
    max_pool2d,
)

from models.networks.fused import NO_ACTIVATION, Fusible, finish
from models.networks.layers import (
    Conv2d,
    InstanceNorm2d,
    SpectralConv2d,
    Stage,
    UnbiasedSpectralConv2d,
    laid_like,
)
from models.networks.spectral import normed_weights, spectral_norm

SLOPE = 0.2
HIDDEN = 2  # channels between a map and its scale and shift, in widths


def segmentation_map(masks: Tensor, present: Tensor, label: Tensor, hole: Tensor) -> Tensor:
    """What is to be drawn, where, and what was removed: M_seg of section 2.2, [B, 3 + K, H, W].

    masks [B, N, H, W] in [0, 1], present [B, N], label [B, K] one-hot, hole [B, 1, H, W] in [0, 1]:
    the sum of the masks, at most 1; the label there; the edges of every mask; the hole. The parts
    are the paper's, how they are written is ours. Edges are the largest minus the smallest of 3x3
    pixels, so that a gradient comes back through them.
    """
    own = masks * present[:, :, None, None]
    own = torch.cat([torch.zeros_like(hole), own], 1)  # at least one
    total = own.sum(1, keepdim=True).clamp(max=1)
    edges = (max_pool2d(own, 3, 1, 1) + max_pool2d(-own, 3, 1, 1)).amax(1, keepdim=True)
    return torch.cat([total, label[:, :, None, None] * total, edges, hole], 1)


class ApadeGenerator(nn.Module):
    """G_img (Eq. 9): draws instances for a background, and says how much of them is to be seen.

    background [B, C, H, W] in [-1, 1] and a map -> the foreground I_fg, likewise, and the fusion
    map alpha, [B, 1, H, W] in [0, 1].
    """

    def __init__(
        self, *, image_channels: int = 3, width: int = 64, halvings: int = 5, map_channels: int = 5
    ):
        super().__init__()
        self.halvings = halvings
        widths = [width * 2**i for i in range(halvings)]
        deepest, hidden = widths[-1], HIDDEN * width
        self.encoder = Stage(
            *(
                nn.Sequential(
                    spectral_norm(UnbiasedSpectralConv2d(before, after, 3, stride=2, padding=1)),
                    InstanceNorm2d(after),
                    nn.LeakyReLU(SLOPE),
                )
                for before, after in zip([image_channels, *widths], widths, strict=False)
            )
        )
        self.map = Conv2d(map_channels, deepest, 3, padding=1)
        how = (map_channels, hidden)
        self.head, self.middle_0, self.middle_1 = (
            SpadeBlock(deepest, deepest, *how) for _ in range(3)
        )
        self.up = nn.ModuleList(
            SpadeBlock(before, after, *how)
            for before, after in zip(widths[::-1], widths[-2::-1], strict=False)
        )
        self.foreground = Conv2d(width, image_channels, 3, padding=1)
        self.fusion = Conv2d(width, 1, 3, padding=1)

    def forward(self, background: Tensor, layout: Tensor) -> tuple[Tensor, Tensor]:
        layout = laid_like(layout, background)
        small = interpolate(layout, scale_factor=0.5**self.halvings, mode="nearest")
        with normed_weights(self):
            x = self.head(self.encoder(background) + self.map(small), layout)
            x = self.middle_1(self.middle_0(doubled(x), layout), layout)
            for block in self.up:
                x = block(doubled(x), layout)
        x = leaky_relu(x, SLOPE)
        return torch.tanh(self.foreground(x)), torch.sigmoid(self.fusion(x))


class SpadeBlock(nn.Module):
    """Residual block of SPADE, [B, before, h, w] and a map of any size -> [B, after, h, w]."""

    def __init__(self, before: int, after: int, map_channels: int, hidden: int):
        super().__init__()
        middle = min(before, after)
        self.norms = nn.ModuleList(Spade(x, map_channels, hidden) for x in (before, middle))
        self.layers = nn.ModuleList(
            spectral_norm(SpectralConv2d(*channels, 3, padding=1))
            for channels in ((before, middle), (middle, after))
        )
        self.shortcut_norm = self.shortcut = None
        if before != after:
            self.shortcut_norm = Spade(before, map_channels, hidden)
            self.shortcut = spectral_norm(SpectralConv2d(before, after, 1, bias=False))

    def forward(self, x: Tensor, layout: Tensor) -> Tensor:
        layout = interpolate(layout, x.shape[-2:], mode="nearest")
        result = x
        for norm, layer in zip(self.norms, self.layers, strict=True):
            result = layer(norm(result, layout, SLOPE))
        if self.shortcut is not None:
            x = self.shortcut(self.shortcut_norm(x, layout))
        return x + result


class Spade(Fusible):
    """Instance norm whose scale and shift are read from a map of the same size (SPADE, Eq. 1).

    After it comes a leaky ReLU of the given slope; 1 is none. SPADE normalises over batches, on
    many GPUs; batches are one or two pictures here, and a picture's result should not depend on the
    others.
    """

    def __init__(self, channels: int, map_channels: int, hidden: int):
        super().__init__()
        self.norm = InstanceNorm2d(channels)
        self.read = Conv2d(map_channels, hidden, 3, padding=1)
        self.scale = nn.Conv2d(hidden, channels, 3, padding=1)
        self.shift = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, layout: Tensor, slope: float = NO_ACTIVATION) -> Tensor:
        read = torch.relu(self.read(layout))
        if self.runs_fused(x):
            return finish(x, gain=self.scale(read), shift=self.shift(read), slope=slope)
        result = self.norm(x) * (1 + self.scale(read)) + self.shift(read)
        return leaky_relu(result, slope) if slope != NO_ACTIVATION else result


class ImageDiscriminator(nn.Module):
    """D_img: SPADE's PatchGAN at several sizes of the picture, on map and picture together.

    image [B, C, H, W], map -> for every size the output of each layer; the last one is scores.
    """

    def __init__(
        self, *, image_channels: int = 3, width: int = 64, scales: int = 2, map_channels: int = 5
    ):
        super().__init__()
        channels = image_channels + map_channels
        self.scales = nn.ModuleList(
            nn.ModuleList(patch_layers(channels, width)) for _ in range(scales)
        )

    def forward(self, image: Tensor, layout: Tensor) -> list[list[Tensor]]:
        x = torch.cat([laid_like(layout, image), image], 1)
        outputs = []
        with normed_weights(self):
            for i, layers in enumerate(self.scales):
                if i:
                    x = avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
                outputs.append(run_layers(layers, x))
        return outputs


def run_layers(layers: Sequence[nn.Module], x: Tensor) -> list[Tensor]:
    """What comes out of every layer."""
    found = []
    for layer in layers:
        x = layer(x)
        found.append(x)
    return found


def patch_layers(channels: int, width: int) -> list[nn.Module]:
    """The layers of a PatchGAN of SPADE: three halve the picture, the last one scores."""

    def conv(before: int, after: int, stride: int, kind: type = SpectralConv2d) -> nn.Conv2d:
        return kind(before, after, 4, stride=stride, padding=2)

    def normed(before: int, after: int, stride: int) -> Stage:
        layer = spectral_norm(conv(before, after, stride, UnbiasedSpectralConv2d))
        return Stage(layer, InstanceNorm2d(after), nn.LeakyReLU(SLOPE))

    return [
        nn.Sequential(conv(channels, width, 2), nn.LeakyReLU(SLOPE)),
        normed(width, 2 * width, 2),
        normed(2 * width, 4 * width, 2),
        normed(4 * width, 8 * width, 1),
        conv(8 * width, 1, 1),
    ]


def doubled(x: Tensor) -> Tensor:
    """Twice as high and wide, by repeating pixels."""
    return interpolate(x, scale_factor=2, mode="nearest")
