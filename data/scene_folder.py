"""Pictures and masks on disk: `{phase}{domain}/STEM.png`, `{phase}{domain}_seg/STEM_0.png`, …"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.extras import Extras
from data.masks import read_masks
from data.pictures import SUFFIXES, list_pictures, read_image
from data.transforms import Preprocessing, draw_crop, fit, resize_image, resize_masks
from util.errors import UserError


@dataclass(frozen=True)
class SceneFiles:
    """One picture's files; masks in the order of their numbers."""

    name: str
    image: Path
    masks: tuple[Path, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Picture:
    """A picture as it is read: image uint8 [C, H, W], masks bool [N, H, W], their numbers.

    extras are those that a model asks for, see `Extras`.
    """

    name: str
    image: Tensor
    masks: Tensor
    numbers: tuple[int, ...]
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def map_extras(self, function: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """The extras, `function` applied to pictures and masks."""
        return {n: function(x) if x.dim() == 3 else x for n, x in self.extras.items()}


class SceneListing(Sequence[SceneFiles]):
    """A list of scenes' files in few bytes: text, in which each scene is made when asked for.

    Loader processes share the pages of a text; of a list of objects each would get a copy, since
    looking at an object counts a reference to it.
    """

    def __init__(self, root: Path, records: Iterable[bytes]):
        records = list(records)
        self.root = root
        self.ends = np.cumsum([0, *map(len, records)])
        self.text = b"".join(records)

    @staticmethod
    def record_of(name: str, image: str, masks: Sequence[tuple[int, str]]) -> bytes:
        """A scene as text: its name and files, relative to the root, each mask with its number."""
        words = [name, *(str(number) for number, _ in masks), image, *(mask for _, mask in masks)]
        return os.fsencode("\0".join(words))

    def record(self, index: int) -> bytes:
        return self.text[self.ends[index] : self.ends[index + 1]]

    def select(self, indices: Iterable[int]) -> "SceneListing":
        return SceneListing(self.root, map(self.record, indices))

    def paths(self) -> Iterator[Path]:
        """All files, one after another."""
        for scene in self:
            yield scene.image
            yield from scene.masks

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> SceneFiles:
        if not 0 <= index < len(self):
            raise IndexError(index)
        name, *words = os.fsdecode(self.record(index)).split("\0")
        count = len(words) // 2
        image, *masks = (self.root / word for word in words[count:])
        return SceneFiles(name, image, tuple(masks), tuple(map(int, words[:count])))


class SceneFolder:
    """One domain's pictures, decoded and resized when asked for."""

    def __init__(
        self,
        files: SceneListing,
        how: Preprocessing | None,
        channels: int,
        exif: str | None = None,
        extras: Extras | None = None,
    ):
        """exif says how masks lie on turned photos whose size does not tell; see `read_masks`."""
        self.files = files
        self.how = how
        self.channels = channels
        self.exif = exif
        self.extras = extras

    def __len__(self) -> int:
        return len(self.files)

    def place(self, index: int) -> str:
        """Where a picture comes from."""
        return str(self.files[index].image)

    def load(self, index: int) -> Picture:
        """A picture and its masks at the size of their files."""
        files = self.files[index]
        image = read_image(files.image, self.channels)
        masks = read_masks(files.masks, files.image, image.shape[-2:], self.exif)
        extras = self.extras.load(files.name, image, masks) if self.extras else {}
        tensors = (torch.from_numpy(image), torch.from_numpy(masks))
        return Picture(files.name, *tensors, files.numbers, extras)

    def paths(self) -> Iterator[Path]:
        """All files, one after another."""
        yield from self.files.paths()
        yield from self.extras.paths() if self.extras else ()

    def resized(self, index: int) -> Picture:
        """A picture and its masks at the size that the crop is cut from."""
        picture = self.load(index)
        size = fit(picture.image.shape[-2:], self.how, picture.name)
        image, masks = resize_image(picture.image, size), resize_masks(picture.masks, size)
        extras = picture.map_extras(lambda pixels: resize(pixels, size))
        return replace(picture, image=image, masks=masks, extras=extras)

    def read(self, index: int, generator: torch.Generator) -> Picture:
        """A picture and its masks, under one geometry."""
        if self.how is None:
            return self.load(index)
        picture = self.resized(index)
        crop = draw_crop(tuple(picture.image.shape[-2:]), self.how, generator)
        image, masks = crop.cut(picture.image), crop.cut(picture.masks)
        return replace(picture, image=image, masks=masks, extras=picture.map_extras(crop.cut))


def resize(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture or a mask at another size."""
    return (resize_masks if pixels.dtype == torch.bool else resize_image)(pixels, size)


def find_scenes(root: Path, phase: str, domain: str, with_masks: bool) -> SceneListing:
    """All pictures of a domain with the masks that belong to them, sorted by name.

    Raises UserError if the folders are missing or empty.
    """
    folder = f"{phase}{domain}"
    if not (root / folder).is_dir():
        there = sorted(p.name[:-1] for p in root.glob(f"*{domain}") if p.is_dir())
        raise UserError(
            f"{root / folder}: there is no such folder; phases of domain {domain} there: "
            f"{', '.join(there) or 'none'} (see --dataroot and --phase)"
        )
    images = list_pictures(root / folder)
    if not images:
        endings = ", ".join(sorted(SUFFIXES))
        raise UserError(f"{root / folder}: no pictures in it; they end in {endings}")
    masks = find_masks(root / f"{folder}_seg") if with_masks else {}
    return SceneListing(
        root,
        (
            SceneListing.record_of(
                stem.replace("/", "_"),
                f"{folder}/{image}",
                [(number, f"{folder}_seg/{mask}") for number, mask in sorted(masks.get(stem, []))],
            )
            for stem, image in images.items()
        ),
    )


def find_masks(folder: Path) -> dict[str, list[tuple[int, str]]]:
    """Masks by their picture's stem, each with its number: `STEM_12.png` is (12, its name)."""
    if not folder.is_dir():
        raise UserError(
            f"{folder}: there is no such folder; it should hold the masks, STEM_0.png, … "
            "(a generated dataset has a test phase with masks if it was made with --test_fraction)"
        )
    masks: dict[str, list[tuple[int, str]]] = {}
    for stem, name in list_pictures(folder).items():
        if split := split_mask_stem(stem):
            masks.setdefault(split[0], []).append((split[1], name))
    return masks


def split_mask_stem(stem: str) -> tuple[str, int] | None:
    """A mask's picture and number: `sheep_12` is (`sheep`, 12); None if it has no number."""
    match = re.fullmatch(r"(.+)_(\d+)", stem, re.ASCII)
    return (match[1], int(match[2])) if match else None


def mask_label(path: Path) -> str:
    """What a mask is numbered, as it is written: `sheep_07.png` is `07`."""
    return path.stem.rpartition("_")[2]


def apply_policy(scenes: SceneListing, policy: str, where: str) -> tuple[SceneListing, str]:
    """Apply `--no_mask` to pictures without a mask; returns the rest and a line to print, or ''."""
    kept, first_bare = [], None
    for index, scene in enumerate(scenes):
        if scene.masks:
            kept.append(index)
        elif first_bare is None:
            first_bare = scene.image
    if first_bare is None:
        return scenes, ""
    bare = len(scenes) - len(kept)
    line = f"{bare} of {len(scenes)} pictures in {where} have no mask, {first_bare.name} first"
    if policy == "error":
        raise UserError(f"{line}; add masks, or let --no_mask skip or keep them")
    if policy == "keep":
        return scenes, f"{line}; kept (see --no_mask)"
    if not kept:
        raise UserError(
            f"{where}: none of its {len(scenes)} pictures has a mask named like "
            f"{first_bare.stem}_0.png in {where}_seg"
        )
    return scenes.select(kept), f"{line}; skipped (see --no_mask)"
