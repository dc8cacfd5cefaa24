"""Where DA-GAN looked, as pictures for people."""

import torch
from torch import Tensor

from models.boxes import inside
from util.images import COLORS

LINE = 1.0  # pixels


def edges_of(centres: Tensor, share: float, size: tuple[int, int]) -> Tensor:
    """left, top, right and bottom of windows in pixels, [B, N, 4], of centres [B, N, 2]."""
    height, width = size
    sides = centres.new_tensor([width, height])
    return torch.cat([(centres - share / 2) * sides, (centres + share / 2) * sides], -1)


def drawn_windows(image: Tensor, centres: Tensor, share: float) -> Tensor:
    """A picture [B, C, H, W] in [-1, 1] with a frame around each window."""
    size = image.shape[-2:]
    edges, drawn = edges_of(centres, share, size), image.clone()
    narrower = edges + edges.new_tensor([LINE, LINE, -LINE, -LINE])
    frames = inside(edges, size) & ~inside(narrower, size)
    for number in range(frames.shape[1]):
        levels = image.new_tensor(COLORS[number % len(COLORS)]) / 127.5 - 1
        color = levels if image.shape[1] == 3 else levels.mean(0, keepdim=True)
        drawn = torch.where(frames[:, number, None], color[:, None, None], drawn)
    return drawn


def regions_of(image: Tensor, centres: Tensor, share: float) -> Tensor:
    """What is in any window, and grey elsewhere."""
    size = image.shape[-2:]
    seen = inside(edges_of(centres, share, size), size).any(1, keepdim=True)
    return torch.where(seen, image, 0)
