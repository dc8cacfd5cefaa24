"""The layers that generators and discriminators share.

Positions inside every `nn.Sequential` are those of the official code, because they are the keys of
its checkpoints.
"""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.networks.padding import ReflectionPad
from models.networks.precision import without_autocast

NORMS = {"instance": nn.InstanceNorm2d, "batch": nn.BatchNorm2d, "none": nn.Identity}


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
        x = checkpoint(stage[start : start + length], x, use_reentrant=False)
    return x


def needs_bias(norm: str) -> bool:
    """Whether a convolution before `norm` has a bias: only batch norm brings its own."""
    return norm != "batch"


class ResnetBlock(nn.Module):
    """Residual block of two reflection-padded 3x3 convolutions, [B, C, H, W] -> [B, C, H, W]."""

    def __init__(self, channels: int, norm: str, dropout: bool):
        super().__init__()
        bias = needs_bias(norm)
        self.conv_block = nn.Sequential(
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            NORMS[norm](channels),
            nn.ReLU(),
            *([nn.Dropout(0.5)] if dropout else []),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            NORMS[norm](channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


def resnet_encoder(
    in_channels: int, width: float, *, n_blocks: int, norm: str, dropout: bool
) -> nn.Sequential:
    """Encoder of CycleGAN's ResNet generator, [B, in, H, W] -> [B, 4 width, H/4, W/4].

    Channels are the rounded multiples of `width`, so that a fraction of it counts.
    """
    bias = needs_bias(norm)
    outer, middle, inner = (round(scale * width) for scale in (1, 2, 4))
    layers: list[nn.Module] = [
        ReflectionPad(3),
        nn.Conv2d(in_channels, outer, 7, bias=bias),
        NORMS[norm](outer),
        nn.ReLU(),
    ]
    for before, after in ((outer, middle), (middle, inner)):
        layers += [
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=bias),
            NORMS[norm](after),
            nn.ReLU(),
        ]
    layers += [ResnetBlock(inner, norm, dropout) for _ in range(n_blocks)]
    return nn.Sequential(*layers)


def resnet_decoder(out_channels: int, width: float, *, norm: str) -> nn.Sequential:
    """Decoder of CycleGAN's generator, [B, 4 width, H/4, W/4] -> [B, out, H, W] in [-1, 1]."""
    bias = needs_bias(norm)
    outer, middle, inner = (round(scale * width) for scale in (1, 2, 4))
    twice = {"stride": 2, "padding": 1, "output_padding": 1}
    layers: list[nn.Module] = []
    for before, after in ((inner, middle), (middle, outer)):
        layers += [
            nn.ConvTranspose2d(before, after, 3, **twice, bias=bias),
            NORMS[norm](after),
            nn.ReLU(),
        ]
    layers += [ReflectionPad(3), nn.Conv2d(outer, out_channels, 7), nn.Tanh()]
    return nn.Sequential(*layers)


class PatchConv2d(nn.Conv2d):
    """4x4 convolution of a PatchGAN; its weight, spectral norm included, is made in full precision.

    Under autocast the power iteration would run in bfloat16, whose eight bits of mantissa blur the
    largest singular value by up to a per cent.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int):
        super().__init__(in_channels, out_channels, 4, stride=stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        with without_autocast(x.device):
            weight = self.weight
        return self._conv_forward(x, weight, self.bias)


def patch_features(in_channels: int, width: int, *, n_layers: int, norm: str) -> nn.Sequential:
    """Strided half of a PatchGAN, [B, in, H, W] -> [B, patch_width, H / 2^n, W / 2^n]."""
    layers: list[nn.Module] = [PatchConv2d(in_channels, width, stride=2), nn.LeakyReLU(0.2)]
    for level in range(1, n_layers):
        channels = patch_width(width, level + 1)
        layers += [
            PatchConv2d(patch_width(width, level), channels, stride=2),
            NORMS[norm](channels),
            nn.LeakyReLU(0.2),
        ]
    return nn.Sequential(*layers)


def patch_width(width: int, n_layers: int) -> int:
    """Channels after `n_layers` strided layers: doubled by all but the first, to 8 `width`."""
    return width * min(2 ** (n_layers - 1), 8)


def patch_classifier(channels: int, *, norm: str) -> nn.Sequential:
    """Judging half of a PatchGAN, [B, C, h, w] -> [B, 1, h - 2, w - 2]: scores, no sigmoid."""
    return nn.Sequential(
        PatchConv2d(channels, 2 * channels, stride=1),
        NORMS[norm](2 * channels),
        nn.LeakyReLU(0.2),
        PatchConv2d(2 * channels, 1, stride=1),
    )
