"""A U-Net (Ronneberger et al., MICCAI 2015) with group norm, which sees each picture alone."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.networks.initialization import initialize
from models.networks.layers import Conv2d

HALVINGS = 4  # height and width have to be multiples of 2 to this power
GROUP = 8  # channels that are normalised together, or all if they cannot be divided so
SMALL = 0.05  # standard deviation of the last layer's weights: at first it says next to nothing
WIDEST = 8  # times the width, in the deepest layers


class UNet(nn.Module):
    """[B, C, H, W] -> [B, outputs, H, W]; H and W are multiples of 16."""

    def __init__(self, *, image_channels: int = 3, width: int = 32, outputs: int = 1):
        super().__init__()
        widths = [width * min(2**depth, WIDEST) for depth in range(HALVINGS + 1)]
        self.first = double_conv(image_channels, widths[0])
        self.down = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(2), double_conv(*pair))
            for pair in zip(widths, widths[1:], strict=False)
        )
        self.up = nn.ModuleList(
            double_conv(deep + shallow, shallow)
            for shallow, deep in reversed([*zip(widths, widths[1:], strict=False)])
        )
        self.last = Conv2d(widths[0], outputs, 1)
        initialize(self, "kaiming")
        nn.init.normal_(self.last.weight, std=SMALL)

    def forward(self, image: Tensor) -> Tensor:
        x, skipped = self.first(image), []
        for stage in self.down:
            skipped.append(x)
            x = stage(x)
        for stage, skip in zip(self.up, reversed(skipped), strict=True):
            x = stage(torch.cat([interpolate(x, scale_factor=2.0), skip], 1))
        return self.last(x)


def double_conv(channels: int, width: int) -> nn.Sequential:
    """Two 3x3 convolutions with their norms, [B, channels, H, W] -> [B, width, H, W]."""
    layers = []
    for before in (channels, width):
        layers += [
            Conv2d(before, width, 3, padding=1, bias=False),
            nn.GroupNorm(width // GROUP if width % GROUP == 0 else 1, width),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)
