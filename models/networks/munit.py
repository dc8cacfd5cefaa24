"""MUNIT's networks (Huang et al., ECCV 2018), which INIT (Shen et al., CVPR 2019) is built on.

A picture is what is in it, its content [B, 4 w, H/4, W/4] for a width w, and how it looks, its
style [B, S]. Pictures are [B, C, H, W] in [-1, 1], H and W multiples of 4.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, layer_norm

from models.networks.fused import Fusible, finish
from models.networks.layers import (
    Conv2d,
    InstanceNorm2d,
    ReflectionPad,
    ResnetBlock,
    Stage,
    UnbiasedConv2d,
    keeping_layout,
)

DOWN = 4  # by how much a content is smaller than its picture
TINY = 1e-6
SLOPE = 0.2
HALVINGS = 4  # of a discriminator at each size
STYLE_HALVINGS = 4
LEFT = 0.05  # of a picture, at least, where features are averaged


class ContentEncoder(nn.Module):
    """What is in a picture: convolutions with instance norm, which takes most of the style away."""

    def __init__(self, *, image_channels: int = 3, width: int = 64, n_blocks: int = 4):
        super().__init__()
        inner = DOWN * width
        self.layers = Stage(
            *normed(image_channels, width, 7, 1),
            *normed(width, 2 * width, 4, 2),
            *normed(2 * width, inner, 4, 2),
            *(ResnetBlock(inner, "instance", dropout=False) for _ in range(n_blocks)),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image)


class StyleEncoder(nn.Module):
    """How a picture looks, or a part of it; without any norm, which would take that away.

    image [B, C, H, W] -> [B, S]. With weights [B, 1, H, W] in [0, 1], features are averaged where
    these are; a picture of which they leave less than a twentieth, or less than one cell of
    features, is seen as a whole.
    """

    def __init__(self, *, image_channels: int = 3, width: int = 64, styles: int = 8):
        super().__init__()
        widths = [width, 2 * width, *[4 * width] * (STYLE_HALVINGS - 1)]
        self.layers = Stage(
            *plain(image_channels, width, 7, 1),
            *(
                layer
                for before, after in zip(widths, widths[1:], strict=False)
                for layer in plain(before, after, 4, 2)
            ),
        )
        self.style = nn.Linear(widths[-1], styles)

    def forward(self, image: Tensor, weights: Tensor | None = None) -> Tensor:
        features = self.layers(image)
        return self.style(pooled(features, weights))


def pooled(features: Tensor, weights: Tensor | None) -> Tensor:
    """Means of features [B, C, h, w] over their cells, weighted by a map of any size: [B, C]."""
    everything = features.mean((2, 3))
    if weights is None:
        return everything
    share = interpolate(weights, features.shape[-2:], mode="area")  # [B, 1, h, w]
    total = share.sum((2, 3))
    chosen = (features * share).sum((2, 3)) / total.clamp(min=TINY)
    enough = (total >= 1) & (weights.mean((2, 3)) >= LEFT)
    return torch.where(enough, chosen, everything)


class Decoder(nn.Module):
    """A picture of a content, in a style.

    content [B, 4 w, h, w], style [B, S] -> [B, C, 4 h, 4 w]. An MLP makes means and deviations of
    the style, which the residual blocks take on (AdaIN, Huang and Belongie, ICCV 2017). They are
    arguments of the blocks, and no state of theirs.
    """

    def __init__(
        self,
        *,
        image_channels: int = 3,
        width: int = 64,
        styles: int = 8,
        hidden: int = 256,
        n_blocks: int = 4,
    ):
        super().__init__()
        inner = DOWN * width
        self.blocks = nn.ModuleList(AdainBlock(inner) for _ in range(n_blocks))
        self.mlp = nn.Sequential(
            nn.Linear(styles, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, n_blocks * AdainBlock.NORMS * 2 * inner),
        )
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2),
                ReflectionPad(2),
                nn.Conv2d(before, before // 2, 5),
                SampleNorm(before // 2),
                nn.ReLU(),
            )
            for before in (inner, inner // 2)
        )
        self.out = nn.Sequential(ReflectionPad(3), Conv2d(width, image_channels, 7), nn.Tanh())

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        x = content
        moments = self.mlp(style).unflatten(1, (len(self.blocks), AdainBlock.NORMS, 2, -1))
        for block, own in zip(self.blocks, moments.unbind(1), strict=True):
            x = block(x, own)
        for layers in self.up:
            x = layers(x)
        return self.out(x)


class AdainBlock(Fusible):
    """Residual block whose norms take their moments from outside.

    [B, C, h, w] and moments [B, 2, 2, C]: of each of both norms mean and deviation.
    """

    NORMS = 2

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(ReflectionPad(1), UnbiasedConv2d(channels, channels, 3))
            for _ in range(self.NORMS)
        )

    def forward(self, x: Tensor, moments: Tensor) -> Tensor:
        first, second = self.layers
        y = first(x)
        if self.runs_fused(y):
            y = finish(y, None, *gain_and_shift(moments[:, 0]), slope=0.0, padding=1)
            _, conv = second  # what y is padded for
            return finish(conv(y), x, *gain_and_shift(moments[:, 1]))
        y = torch.relu(adain(y, moments[:, 0]))
        return x + adain(second(y), moments[:, 1])


def adain(x: Tensor, moments: Tensor, eps: float = 1e-5) -> Tensor:
    """Features [B, C, h, w] with other means and deviations, [B, 2, C]; of each picture its own."""
    variance, mean = torch.var_mean(x, (2, 3), keepdim=True, correction=0)
    shift, scale = moments[..., None, None].unbind(1)
    return scale * (x - mean) * torch.rsqrt(variance + eps) + shift


def gain_and_shift(moments: Tensor) -> tuple[Tensor, Tensor]:
    """What `finish` takes of moments [B, 2, C]: the scale less 1, and the shift, [B, C] each.

    In half precision a scale near 0 would lose its digits by that.
    """
    shift, scale = moments.unbind(1)
    return scale.to(torch.promote_types(scale.dtype, torch.float32)) - 1, shift


class SampleNorm(nn.Module):
    """Norm over all of a sample [B, C, H, W], with a scale and a shift for each channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.scale = nn.Parameter(torch.rand(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        normed = keeping_layout(lambda y: layer_norm(y, y.shape[1:]), x)
        return normed * self.scale[:, None, None] + self.shift[:, None, None]


class MultiScaleDiscriminator(nn.Module):
    """PatchGANs of a picture, of half of it, of a quarter: scores [B, 1, h, w] of each size."""

    def __init__(self, *, image_channels: int = 3, width: int = 64, scales: int = 3):
        super().__init__()
        widths = [image_channels, *(width * 2**i for i in range(HALVINGS))]
        self.scales = nn.ModuleList(
            nn.Sequential(
                *(
                    nn.Sequential(
                        ReflectionPad(1), Conv2d(before, after, 4, stride=2), nn.LeakyReLU(SLOPE)
                    )
                    for before, after in zip(widths, widths[1:], strict=False)
                ),
                Conv2d(widths[-1], 1, 1),
            )
            for _ in range(scales)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        return [judge(x) for judge, x in zip(self.scales, self.sizes(image), strict=True)]

    def sizes(self, image: Tensor) -> Iterator[Tensor]:
        """The picture, half of it, and so on."""
        for number in range(len(self.scales)):
            if number:
                image = avg_pool2d(image, 3, stride=2, padding=1, count_include_pad=False)
            yield image


def least_side(scales: int) -> int:
    """The smallest picture that a discriminator of so many sizes can look at.

    The last of its strided layers has to have two pixels to reflect; a halved side is rounded up.
    """
    side = 2
    for _ in range(HALVINGS - 1):
        side *= 2
    for _ in range(scales - 1):
        side = 2 * side - 1
    return side


def normed(before: int, after: int, side: int, stride: int) -> tuple[nn.Module, ...]:
    """A reflection-padded convolution, instance norm and ReLU."""
    pad, conv, relu = plain(before, after, side, stride, UnbiasedConv2d)
    return pad, conv, InstanceNorm2d(after), relu


def plain(
    before: int, after: int, side: int, stride: int, kind: type = Conv2d
) -> tuple[nn.Module, ...]:
    """A reflection-padded convolution and ReLU."""
    pad = ReflectionPad((side - 1) // 2)
    return pad, kind(before, after, side, stride=stride), nn.ReLU()
