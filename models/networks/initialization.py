"""Weight initialisation of the CycleGAN family."""

from torch import nn

SCHEMES = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: nn.init.xavier_normal_(weight, gain=gain),
    "kaiming": lambda weight, gain: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
    "orthogonal": lambda weight, gain: nn.init.orthogonal_(weight, gain=gain),
}


def initialize(network: nn.Module, scheme: str, gain: float = 0.02, linear: bool = False) -> None:
    """Draw every convolution's weight by `scheme`, a key of SCHEMES, and set the biases to 0.

    With `linear` those of linear layers as well.

    `gain` is the standard deviation of `normal` and the factor of `xavier` and `orthogonal`.
    """
    drawn = (nn.Conv2d, nn.ConvTranspose2d, *([nn.Linear] if linear else []))
    for layer in network.modules():
        if isinstance(layer, drawn):
            SCHEMES[scheme](layer.weight, gain)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, gain)
            nn.init.zeros_(layer.bias)
