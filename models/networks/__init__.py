"""Networks: built by name from keywords, called with plain tensors."""

from torch import nn

from models.networks.initialization import SCHEMES, initialize
from models.networks.insta_gan import (
    SetDiscriminator,
    SetGenerator,
    StackedDiscriminator,
    StackedGenerator,
)
from models.networks.layers import NORMS, SpectralConv2d
from models.networks.spectral import spectral_norm

GENERATORS = {"set": SetGenerator, "basic": StackedGenerator}
DISCRIMINATORS = {"set": SetDiscriminator, "basic": StackedDiscriminator}

__all__ = [
    "DISCRIMINATORS",
    "GENERATORS",
    "NORMS",
    "SCHEMES",
    "build_discriminator",
    "build_generator",
]


def build_generator(
    name: str, *, init: str = "normal", gain: float = 0.02, **keywords
) -> nn.Module:
    """A generator of GENERATORS with its weights drawn by the scheme `init`."""
    network = GENERATORS[name](**keywords)
    initialize(network, init, gain)
    return network


def build_discriminator(
    name: str, *, init: str = "default", gain: float = 0.02, spectral: bool = True, **keywords
) -> nn.Module:
    """A discriminator of DISCRIMINATORS with spectral norm on every convolution (paper, App. A).

    Without it (`spectral=False`) `basic` is that of pytorch-CycleGAN-and-pix2pix.

    `init="default"` is PyTorch's own initialisation, which the published runs had: the official
    spectral-norm wrapper hid the weights from the initialiser.
    """
    network = DISCRIMINATORS[name](**keywords)
    if init != "default":
        initialize(network, init, gain)
    for layer in network.modules():
        if spectral and isinstance(layer, SpectralConv2d):
            spectral_norm(layer)
    return network
