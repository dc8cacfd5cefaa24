"""Averages of networks over the pictures they were trained on (`--ema`)."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

RAMP_UP = 0.05  # the half-life is at most this share of all pictures so far


class Averages:
    """Exponential moving averages of networks, by name.

    half_life is counted in pictures, so that it means the same at every batch size: a picture that
    lies one half-life back weighs half as much as the newest (Karras et al. 2024, "Analyzing and
    Improving the Training Dynamics of Diffusion Models", App. C). Early in a run it is shorter, or
    the first, untrained weights would stay in the average for long.
    """

    def __init__(self, networks: Mapping[str, nn.Module], half_life: float):
        self.sources = dict(networks)
        self.half_life = half_life
        self.networks = {
            name: deepcopy(network).requires_grad_(False) for name, network in networks.items()
        }

    @torch.no_grad()
    def update(self, seen: int, pictures: int) -> None:
        """Follow the networks after a step of so many pictures; `seen` counts them, too."""
        half_life = min(self.half_life, RAMP_UP * seen)
        decay = 0.5 ** (pictures / half_life)
        for own, others in zip(self.tensors(), self.source_tensors(), strict=True):
            torch._foreach_lerp_(own, others, 1 - decay)

    @torch.no_grad()
    def restart(self) -> None:
        """Begin with the networks as they are."""
        for own, others in zip(self.tensors(), self.source_tensors(), strict=True):
            torch._foreach_copy_(own, others)

    def tensors(self) -> list[list[Tensor]]:
        return [floating(network) for network in self.networks.values()]

    def source_tensors(self) -> list[list[Tensor]]:
        return [floating(network) for network in self.sources.values()]


def floating(network: nn.Module) -> list[Tensor]:
    """Weights and running statistics of a network, but for its counters."""
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
