"""The real pictures that translations are compared with."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import torch

from data.pictures import read_image, read_masks
from data.scene_folder import SceneListing, find_scenes
from data.transforms import resize_image, resize_masks

FEW = 10


class RealPictures:
    """A phase of a dataset, brought to the size that the translations have."""

    def __init__(self, root: Path, phase: str, size: tuple[int, int]):
        self.root = root
        self.phase = phase
        self.size = size
        self.files = cache(self.find)

    def find(self, domain: str, with_masks: bool) -> SceneListing:
        return find_scenes(self.root, self.phase, domain, with_masks)

    def of(self, domain: str, with_masks: bool = False) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """A domain's pictures, uint8 [H, W, 3], with the unions of their masks, bool [H, W].

        Without masks the unions are full; with them, pictures without a mask are left out.
        """
        for scene in self.files(domain, with_masks):
            if with_masks and not scene.masks:
                continue
            pixels = read_image(scene.image, 3)
            masks = np.ones((1, *pixels.shape[1:]), bool)
            if with_masks:
                masks = read_masks(scene.masks, pixels.shape[1:])
            image = resize_image(torch.from_numpy(pixels), self.size).permute(1, 2, 0).numpy()
            yield image, resize_masks(torch.from_numpy(masks), self.size).any(0).numpy()

    def few(self) -> list[str]:
        """A line for each domain that has too few pictures for a score to mean much."""
        counts = {domain: len(self.files(domain, False)) for domain in "AB"}
        return [
            f"only {count} pictures in {self.root}/{self.phase}{domain}: scores that compare with "
            "them say little"
            for domain, count in counts.items()
            if count < FEW
        ]
