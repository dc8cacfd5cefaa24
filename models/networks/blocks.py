"""Encoders, decoders and classifiers: what generators and discriminators are built from.

Positions inside every `nn.Sequential` are those of the official code, because they are the keys of
its checkpoints.
"""

from torch import nn

from models.networks.layers import (
    NORMS,
    Conv2d,
    ConvTranspose2d,
    ReflectionPad,
    ResnetBlock,
    SpectralConv2d,
    Stage,
    conv_before,
    needs_bias,
)


def resnet_encoder(
    in_channels: int, width: float, *, n_blocks: int, norm: str, dropout: bool
) -> Stage:
    """Encoder of CycleGAN's ResNet generator, [B, in, H, W] -> [B, 4 width, H/4, W/4].

    Channels are the rounded multiples of `width`, so that a fraction of it counts.
    """
    bias, conv = needs_bias(norm), conv_before(norm)
    outer, middle, inner = (round(scale * width) for scale in (1, 2, 4))
    layers: list[nn.Module] = [
        ReflectionPad(3),
        conv(in_channels, outer, 7, bias=bias),
        NORMS[norm](outer),
        nn.ReLU(),
    ]
    for before, after in ((outer, middle), (middle, inner)):
        layers += [
            conv(before, after, 3, stride=2, padding=1, bias=bias),
            NORMS[norm](after),
            nn.ReLU(),
        ]
    layers += [ResnetBlock(inner, norm, dropout) for _ in range(n_blocks)]
    return Stage(*layers)


def resnet_decoder(out_channels: int, width: float, *, norm: str) -> Stage:
    """Decoder of CycleGAN's generator, [B, 4 width, H/4, W/4] -> [B, out, H, W] in [-1, 1]."""
    bias, conv = needs_bias(norm), conv_before(norm, ConvTranspose2d)
    outer, middle, inner = (round(scale * width) for scale in (1, 2, 4))
    twice = {"stride": 2, "padding": 1, "output_padding": 1}
    layers: list[nn.Module] = []
    for before, after in ((inner, middle), (middle, outer)):
        layers += [
            conv(before, after, 3, **twice, bias=bias),
            NORMS[norm](after),
            nn.ReLU(),
        ]
    layers += [ReflectionPad(3), Conv2d(outer, out_channels, 7), nn.Tanh()]
    return Stage(*layers)


def patch_features(in_channels: int, width: int, *, n_layers: int, norm: str) -> Stage:
    """Strided half of a PatchGAN, [B, in, H, W] -> [B, patch_width, H / 2^n, W / 2^n]."""
    layers: list[nn.Module] = [patch_conv(in_channels, width, stride=2), nn.LeakyReLU(0.2)]
    for level in range(1, n_layers):
        channels = patch_width(width, level + 1)
        layers += [
            patch_conv(patch_width(width, level), channels, stride=2, norm=norm),
            NORMS[norm](channels),
            nn.LeakyReLU(0.2),
        ]
    return Stage(*layers)


def patch_width(width: int, n_layers: int) -> int:
    """Channels after `n_layers` strided layers: doubled by all but the first, to 8 `width`."""
    return width * min(2 ** (n_layers - 1), 8)


def patch_classifier(channels: int, *, norm: str) -> Stage:
    """Judging half of a PatchGAN, [B, C, h, w] -> [B, 1, h - 2, w - 2]: scores, no sigmoid."""
    return Stage(
        patch_conv(channels, 2 * channels, stride=1, norm=norm),
        NORMS[norm](2 * channels),
        nn.LeakyReLU(0.2),
        patch_conv(2 * channels, 1, stride=1),
    )


def patch_conv(before: int, after: int, *, stride: int, norm: str = "none") -> Conv2d:
    """4x4 convolution of a PatchGAN, before a norm of this name."""
    return conv_before(norm, SpectralConv2d)(before, after, 4, stride=stride, padding=1)
