"""Tensors to pixels and files."""

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor


def to_pixels(tensor: Tensor) -> np.ndarray:
    """[C, H, W] in [-1, 1] -> uint8 [H, W, C], or [H, W] if C is 1."""
    pixels = ((tensor.detach().float().cpu() + 1) * 127.5).round().clamp(0, 255).byte()
    return pixels.permute(1, 2, 0).squeeze(-1).numpy()


def save_png(pixels: np.ndarray, path: Path, aspect_ratio: float = 1.0) -> None:
    """Write uint8 pixels; an aspect ratio stretches the width (> 1) or the height (< 1)."""
    picture = Image.fromarray(pixels)
    width, height = picture.size
    if aspect_ratio > 1:
        picture = picture.resize((round(width * aspect_ratio), height), Image.BICUBIC)
    elif aspect_ratio < 1:
        picture = picture.resize((width, round(height / aspect_ratio)), Image.BICUBIC)
    picture.save(path)
