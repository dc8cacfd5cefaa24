"""Pictures that are translated at another size than their own."""

from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import interpolate

from data.transforms import resize_image, resize_masks
from models.pasting import feathered
from translation.result import Result

SEAM = 2  # pixels, at the size of the translation, over which changed parts fade into the rest


def fitted(image: np.ndarray, longest: int | None) -> np.ndarray:
    """An image, uint8 [H, W, C], whose longer side is `longest` at the most; None: as it is."""
    height, width = image.shape[:2]
    scale = (longest or max(height, width)) / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(scale * height)), max(1, round(scale * width)))
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return np.ascontiguousarray(resize_image(pixels, size).permute(1, 2, 0).numpy())


def resized_masks(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Masks, bool [N, H, W], at another size."""
    if not len(masks):
        return np.zeros((0, *size), bool)
    return resize_masks(torch.from_numpy(masks), size).numpy()


def enlarged(result: Result, original: np.ndarray) -> Result:
    """A result at the size of the picture that it was made of.

    What did not change keeps the picture's own pixels; the rest is enlarged.
    """
    size = original.shape[:2]
    if result.source.shape[:2] == size:
        return result

    def placed(pixels: np.ndarray) -> np.ndarray:
        changed = (pixels != result.source).any(-1)
        weight = feathered(to_tensor(changed[..., None]), SEAM)
        weight = interpolate(weight, size, mode="bilinear")
        large = interpolate(to_tensor(pixels), size, mode="bicubic", antialias=True)
        mixed = torch.lerp(to_tensor(original), large, weight)
        return mixed[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()

    return replace(
        result,
        source=original,
        pictures=[placed(pixels) for pixels in result.pictures],
        steps=[placed(pixels) for pixels in result.steps],
        source_masks=smooth(result.source_masks, size),
        masks=smooth(result.masks, size),
    )


def smooth(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Masks, bool [N, H, W], made larger with smooth outlines."""
    if not len(masks):
        return np.zeros((0, *size), bool)
    levels = torch.from_numpy(masks).float()[None]
    return (interpolate(levels, size, mode="bilinear")[0] > 0.5).numpy()


def to_tensor(pixels: np.ndarray) -> torch.Tensor:
    """[H, W, C] -> float [1, C, H, W]."""
    return torch.from_numpy(np.array(pixels)).float().permute(2, 0, 1)[None]
