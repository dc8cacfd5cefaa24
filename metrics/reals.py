"""The real pictures that translations are compared with, made as the translated ones were."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.base_dataset import generator_for
from data.masks import read_masks
from data.pictures import read_image
from data.scene_folder import SceneFiles, SceneListing, find_scenes
from data.transforms import Preprocessing, draw_crop, fit, resize_image, resize_masks

FEW = 10


@dataclass(frozen=True)
class Preparation:
    """What becomes of a file's pixels on the way to the results.

    channels  1 for grey
    exif      how masks lie on turned photos; see `read_masks`
    how       resizing and the crop of the middle; None if pictures keep their size
    size      (H, W) to resize to instead, where nothing else is known
    """

    channels: int = 3
    how: Preprocessing | None = None
    size: tuple[int, int] | None = None
    exif: str | None = None

    @staticmethod
    def of(listing: dict | None, size: tuple[int, int]) -> "Preparation":
        """The one that `test.py` wrote down; without it, all pictures are taken to be resized."""
        if listing is None:
            return Preparation(size=size)
        data = listing["data"]
        if data["preprocessing"] is None:
            return Preparation(data["channels"], exif=data.get("exif"))
        given = data["preprocessing"] | {"flip": False, "random": False}
        pairs = {name: tuple(given[name]) for name in ("load_size", "fine_size")}
        how = Preprocessing(**given | pairs)
        return Preparation(data["channels"], how, exif=data.get("exif"))

    def image(self, path: Path) -> np.ndarray:
        """A picture, uint8 [H, W, 3]."""
        pixels = torch.from_numpy(read_image(path, self.channels)).expand(3, -1, -1)
        return self.cut(resize_image(pixels, self.resized(pixels, path))).permute(1, 2, 0).numpy()

    def union(self, image: Path, masks: tuple[Path, ...]) -> np.ndarray:
        """Where a picture has an instance, bool [H, W]."""
        size = read_image(image, 1).shape[1:]
        union = torch.from_numpy(read_masks(masks, image, size, self.exif).any(0))[None]
        return self.cut(resize_masks(union, self.resized(union, image)))[0].numpy()

    def resized(self, pixels: Tensor, path: Path) -> tuple[int, int]:
        size = tuple(pixels.shape[-2:])
        return fit(size, self.how, str(path)) if self.how else self.size or size

    def cut(self, pixels: Tensor) -> Tensor:
        if self.how is None:
            return pixels
        return draw_crop(tuple(pixels.shape[-2:]), self.how, generator_for(0)).cut(pixels)


class RealPictures:
    """A phase of a dataset."""

    def __init__(self, root: Path, phase: str, preparation: Preparation):
        self.root = root
        self.phase = phase
        self.preparation = preparation
        self.files = cache(self.find)

    def folder(self, domain: str) -> Path:
        return self.root / f"{self.phase}{domain}"

    def find(self, domain: str, with_masks: bool) -> SceneListing:
        return find_scenes(self.root, self.phase, domain, with_masks)

    def of(
        self, domain: str, with_masks: bool = False, most: int | None = None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """A domain's pictures, uint8 [H, W, 3], with the unions of their masks, bool [H, W].

        Without masks the unions are full; with them, pictures without a mask are left out. Of more
        than `most` pictures so many are taken, evenly.
        """
        for scene in self.some(domain, with_masks, most):
            image = self.preparation.image(scene.image)
            if not with_masks:
                yield image, np.ones(image.shape[:2], bool)
            elif scene.masks:
                yield image, self.preparation.union(scene.image, scene.masks)

    def some(self, domain: str, with_masks: bool, most: int | None) -> Sequence[SceneFiles]:
        scenes = self.files(domain, with_masks)
        if most is None or len(scenes) <= most:
            return scenes
        return [scenes[i * len(scenes) // most] for i in range(most)]

    def few(self, domain: str, with_masks: bool = False) -> str:
        """A warning if a domain has too few pictures for a score to mean much, or ''."""
        scenes = self.files(domain, with_masks)
        count = sum(bool(scene.masks) for scene in scenes) if with_masks else len(scenes)
        if count >= FEW:
            return ""
        masked = " with masks" * with_masks
        return (
            f"warning: only {count} pictures{masked} in {self.folder(domain)}: scores that compare "
            "with them say little"
        )
