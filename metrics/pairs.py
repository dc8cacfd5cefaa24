"""Translated pictures, read back from a folder in the layout of `test.py`.

    FOLDER/images/STEM_real_A_img.png   the picture       STEM_real_A_mask_0.png  its instances
    FOLDER/images/STEM_fake_B_img.png   its translation   STEM_fake_B_mask_0.png  theirs
    FOLDER/images/STEM_fake_B_seg.png   instead of masks, where instances are not told apart

likewise from B to A. Any model's results can be scored that are written so.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.masks import read_mask
from data.pictures import read_image
from util.errors import UserError
from util.results import LISTING

DIRECTIONS = {"A": "AtoB", "B": "BtoA"}  # by the source's domain
VISUAL = re.compile(
    r"(?P<stem>.+)_(?P<role>real|fake|rec)_(?P<domain>[AB])_(?P<kind>img|seg|mask_\d+)"
)


@dataclass(frozen=True)
class Pair:
    """A picture and its translation.

    image, translated  uint8 [H, W, 3]
    masks              bool [N, H, W], the instances of the picture
    translated_masks   bool [N, H, W], the same instances translated; None where they are not told
                       apart, or not translated at all
    foreground         bool [H, W], where the picture has an instance
    translated_foreground  the same of the translation; None if the model translates no masks
    """

    name: str
    source: str
    image: np.ndarray
    translated: np.ndarray
    masks: np.ndarray
    translated_masks: np.ndarray | None
    foreground: np.ndarray
    translated_foreground: np.ndarray | None

    @property
    def background(self) -> np.ndarray:
        """Where neither has an instance, bool [H, W]."""
        if self.translated_foreground is None:
            return ~self.foreground
        return ~(self.foreground | self.translated_foreground)

    @property
    def place(self) -> np.ndarray:
        """Where the translation has its instances, or the picture if no masks were translated."""
        own = self.translated_foreground
        return self.foreground if own is None else own


@dataclass(frozen=True)
class PairFiles:
    """One translation's files, by what stands behind the stem: `real_A_img`, `fake_B_mask_0`."""

    name: str
    source: str
    folder: Path
    files: Mapping[str, str]

    def load(self) -> Pair:
        target = "B" if self.source == "A" else "A"
        real, fake = f"real_{self.source}", f"fake_{target}"
        image, translated = self.picture(f"{real}_img"), self.picture(f"{fake}_img")
        if image.shape != translated.shape:
            raise UserError(
                f"{self.path(f'{fake}_img')} is {size_of(translated)} and {real}_img "
                f"{size_of(image)}: translate anew, without another size in between"
            )
        masks, new = (self.masks(role, image.shape[:2]) for role in (real, fake))
        seg, new_seg = (self.union(f"{role}_seg", image.shape[:2]) for role in (real, fake))
        foreground = any_of(list(masks.values()) or seg or [np.zeros(image.shape[:2], bool)])
        together = list(new.values()) or new_seg
        same = masks.keys() == new.keys() and new
        return Pair(
            self.name,
            self.source,
            image,
            translated,
            np.stack(list(masks.values())) if masks else np.zeros((0, *image.shape[:2]), bool),
            np.stack([new[number] for number in masks]) if same else None,
            foreground,
            any_of(together) if together else None,
        )

    def picture(self, key: str) -> np.ndarray:
        return read_image(self.path(key), 3).transpose(1, 2, 0)

    def masks(self, role: str, size: tuple) -> dict[str, np.ndarray]:
        """All masks of a role by their numbers, in their order."""
        prefix = f"{role}_mask_"
        numbers = [key.removeprefix(prefix) for key in self.files if key.startswith(prefix)]
        return {n: self.mask(f"{prefix}{n}", size) for n in sorted(numbers, key=int)}

    def union(self, key: str, size: tuple) -> list[np.ndarray]:
        return [self.mask(key, size)] if key in self.files else []

    def mask(self, key: str, size: tuple) -> np.ndarray:
        mask = read_mask(self.path(key))
        if mask.shape != size:
            raise UserError(
                f"{self.path(key)} is {size_of(mask)} and its picture {size[0]}x{size[1]} (height "
                "x width): write masks at their picture's size"
            )
        return mask

    def path(self, key: str) -> Path:
        path = self.folder / "images" / self.files.get(key, f"{self.name}_{key}.png")
        if key not in self.files or not path.is_file():
            raise UserError(f"{path} is missing: results are pairs of real and fake pictures")
        return path


def size_of(pixels: np.ndarray) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]} (height x width)"


def any_of(masks: list[np.ndarray]) -> np.ndarray:
    return np.logical_or.reduce(masks)


class PairFolder:
    """The translations of a results folder, by direction, in the order of their names.

    A folder that `test.py` wrote has a list of its last translation: what an earlier one left there
    is not read. Raises UserError if there are no results.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        if not (folder / "images").is_dir():
            raise UserError(
                f"{folder}: there is no folder images in it; results are "
                "images/STEM_fake_B_img.png and the like, as test.py writes them"
            )
        self.listing = read_listing(folder / LISTING)
        found = self.listed() if self.listing else self.scanned()
        self.pairs = {
            source: [
                PairFiles(stem, source, folder, files)
                for (of, stem), files in sorted(found.items())
                if of == source
            ]
            for source in "AB"
        }
        self.pairs = {source: pairs for source, pairs in self.pairs.items() if pairs}
        if not self.pairs:
            raise UserError(f"{folder / 'images'}: no STEM_fake_B_img.png or STEM_fake_A_img.png")

    def listed(self) -> dict[tuple[str, str], dict[str, str]]:
        """The files of every translation by source and name, as `test.py` wrote them down."""
        return {
            (picture["source"], picture["name"]): {
                key: Path(file).name
                for kind in ("files", "masks")
                for key, file in picture[kind].items()
            }
            for picture in self.listing["pictures"]
        }

    def scanned(self) -> dict[tuple[str, str], dict[str, str]]:
        """The same by the files' names: all sources of the directions that have a translation."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        for path in sorted((self.folder / "images").glob("*.png")):
            if match := VISUAL.fullmatch(path.stem):
                source = match["domain"] if match["role"] != "fake" else swapped(match["domain"])
                key = f"{match['role']}_{match['domain']}_{match['kind']}"
                found.setdefault((source, match["stem"]), {})[key] = path.name
        translated = {s for (s, _), files in found.items() if f"fake_{swapped(s)}_img" in files}
        return {key: files for key, files in found.items() if key[0] in translated}

    def annotated(self, source: str) -> bool:
        """Whether any picture of a direction has an instance."""
        return any(
            key.startswith((f"real_{source}_mask", f"real_{source}_seg"))
            for pair in self.pairs[source]
            for key in pair.files
        )

    def load(self, source: str, size: int) -> Iterator[list[Pair]]:
        """The pairs of one direction, `size` at a time."""
        for start in range(0, len(self.pairs[source]), size):
            yield [files.load() for files in self.pairs[source][start : start + size]]


def read_listing(path: Path) -> dict | None:
    """What `test.py` wrote down of its results, if it made them."""
    if not path.is_file():
        return None
    try:
        listing = json.loads(path.read_text())
        missing = {"phase", "channels", "aspect_ratio", "preprocessing"} - listing["data"].keys()
        for picture in listing["pictures"]:
            missing |= {"name", "source", "files", "masks", "width"} - picture.keys()
        if missing:
            raise KeyError(*missing)
        return listing
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is no list of results: delete it, or translate anew") from None


def swapped(domain: str) -> str:
    return "A" if domain == "B" else "B"
