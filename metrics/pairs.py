"""Translated pictures, read back from a folder in the layout of `test.py`.

    FOLDER/images/STEM_real_A_img.png   the picture       STEM_real_A_mask_0.png  its instances
    FOLDER/images/STEM_fake_B_img.png   its translation   STEM_fake_B_mask_0.png  theirs
    FOLDER/images/STEM_fake_B_seg.png   instead of masks, where instances are not told apart
    FOLDER/images/STEM_fake_B_style_1_img.png   another translation of the picture, and so on

likewise from B to A. Any model's results can be scored that are written so. Masks belong together
by their numbers; an instance whose translated mask is empty, or has no file, has vanished.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.direction import Direction, directions_of
from data.masks import read_mask
from data.pictures import read_image, read_raw
from metrics.listing import read_listing
from metrics.pair import Pair, read_rgb
from pages.results import LISTING
from util.errors import UserError

VISUAL = re.compile(
    r"(?P<stem>.+)_(?P<role>real|fake|rec)_(?P<domain>[AB])_"
    r"(?P<kind>(style_\d+_)?img|seg|mask_\d+)"
)


@dataclass(frozen=True)
class PairFiles:
    """One translation's files, by what stands behind the stem: `real_A_img`, `fake_B_mask_0`.

    told_apart and with_masks say whether any translation of its direction has masks of instances,
    and masks at all: where others have some, a missing file means that nothing is left. ours says
    whether `test.py` wrote the files: then a mask is what is brighter than the middle. A union of
    its models is a picture of all levels, and may be dark everywhere.
    """

    name: str
    way: Direction
    folder: Path
    files: Mapping[str, str]
    told_apart: bool
    with_masks: bool
    ours: bool = False
    numbers: Mapping[str, list] = field(default_factory=dict)

    def load(self) -> Pair:
        real, fake = f"real_{self.way.source}", f"fake_{self.way.target}"
        image, translated = self.picture(f"{real}_img"), self.picture(f"{fake}_img")
        if image.shape != translated.shape:
            raise UserError(
                f"{self.path(f'{fake}_img')} is {size_of(translated)} and {real}_img "
                f"{size_of(image)}: translate anew, without another size in between"
            )
        size = image.shape[:2]
        masks, new = self.masks(real, size), self.masks(fake, size)
        there = [mask for same in masks.values() for mask in same if mask.any()]
        translated_ones = [mask for same in new.values() for mask in same]
        foreground = any_of(self.all_of(f"{real}_seg", masks, size))
        own = any_of(self.all_of(f"{fake}_seg", new, size)) if self.with_masks else None
        paired = there and self.told_apart and pairs_up(masks, new) and (new or not own.any())
        return Pair(
            self.name,
            self.way.source,
            image,
            translated,
            stacked(there, size),
            followed(masks, new) if paired else None,
            foreground,
            own,
            self.told_apart,
            stacked(translated_ones, size),
            tuple(self.others(fake)),
            self.numbers,
        )

    def others(self, fake: str) -> Iterator[Path]:
        """The files of further translations, by their numbers."""
        prefix, suffix = f"{fake}_style_", "_img"
        numbers = [
            int(key.removeprefix(prefix).removesuffix(suffix))
            for key in self.files
            if key.startswith(prefix) and key.endswith(suffix)
        ]
        yield from (self.path(f"{prefix}{number}{suffix}") for number in sorted(numbers))

    def picture(self, key: str) -> np.ndarray:
        return read_rgb(self.path(key))

    def masks(self, role: str, size: tuple) -> dict[int, list[np.ndarray]]:
        """All masks of a role by their numbers, in order; of a number there should be one."""
        prefix = f"{role}_mask_"
        found: dict[int, list[np.ndarray]] = {}
        for key in sorted(key for key in self.files if key.startswith(prefix)):
            found.setdefault(int(key.removeprefix(prefix)), []).append(self.mask(key, size))
        return dict(sorted(found.items()))

    def all_of(self, key: str, masks: Mapping[int, list], size: tuple) -> list[np.ndarray]:
        """The masks of a role, else what its one mask of all instances shows, else nothing."""
        found = [mask for same in masks.values() for mask in same]
        if not found and key in self.files:
            found = [self.mask(key, size)]
        return found or [np.zeros(size, bool)]

    def mask(self, key: str, size: tuple) -> np.ndarray:
        path = self.path(key)
        mask = read_image(path, 1)[0] > 127 if self.ours else read_mask(path)
        if mask.shape != size:
            raise UserError(
                f"{path} is {size_of(mask)} and its picture {size[0]}x{size[1]} (height "
                "x width): write masks at their picture's size"
            )
        if not self.ours and not mask.any() and read_raw(path).any():
            raise UserError(
                f"{path} is dark, but not 0 everywhere, so what it marks is not known: "
                "write 255 where the instance is and 0 elsewhere"
            )
        return mask

    def path(self, key: str) -> Path:
        path = self.folder / "images" / self.files.get(key, f"{self.name}_{key}.png")
        if key not in self.files or not path.is_file():
            raise UserError(f"{path} is missing: results are pairs of real and fake pictures")
        return path


def size_of(pixels: np.ndarray) -> str:
    return f"{pixels.shape[0]}x{pixels.shape[1]} (height x width)"


def pairs_up(masks: Mapping[int, list], new: Mapping[int, list]) -> bool:
    """Whether it is known by the numbers which translated mask belongs to which instance.

    It is not if a number stands twice, or if something is translated that was not there.
    """
    once = all(len(found) == 1 for found in (*masks.values(), *new.values()))
    there = {number for number, found in masks.items() if any(mask.any() for mask in found)}
    return once and all(number in there or not found[0].any() for number, found in new.items())


def followed(masks: Mapping[int, list], new: Mapping[int, list]) -> np.ndarray:
    """The translated mask of every instance, bool [N, H, W]: empty where it has no file."""
    return np.stack(
        [
            new[number][0] if number in new else np.zeros_like(found[0])
            for number, found in masks.items()
            if found[0].any()
        ]
    )


def stacked(masks: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Masks of this (height, width) as bool [N, H, W], which may be none."""
    return np.stack(masks) if masks else np.zeros((0, *size), bool)


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
        self.ways = directions_of(self.listing)
        found = self.listed() if self.listing else self.scanned()
        self.pairs = {source: self.pairs_of(source, found) for source in self.ways}
        self.pairs = {source: pairs for source, pairs in self.pairs.items() if pairs}
        if not self.pairs:
            raise UserError(f"{folder / 'images'}: no STEM_fake_B_img.png or STEM_fake_A_img.png")

    def pairs_of(self, source: str, found: Mapping[tuple[str, str], dict]) -> list[PairFiles]:
        """The translations of one direction, in the order of their names."""
        own = {stem: files for (of, stem), files in sorted(found.items()) if of == source}
        keys = {key for files in own.values() for key in files}
        fake = f"fake_{self.ways[source].target}"
        told = any(key.startswith(f"{fake}_mask_") for key in keys)
        masks, listed = told or f"{fake}_seg" in keys, (self.listing or {}).get("pictures", ())
        ours, way = self.listing is not None, self.ways[source]
        numbers = {x["name"]: x.get("numbers", {}) for x in listed if x["source"] == source}
        return [
            PairFiles(stem, way, self.folder, files, told, masks, ours, numbers.get(stem, {}))
            for stem, files in own.items()
        ]

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
        sources = {way.target: way.source for way in self.ways.values()}
        for path in sorted((self.folder / "images").glob("*.png")):
            if match := VISUAL.fullmatch(path.stem):
                domain = match["domain"]
                source = sources[domain] if match["role"] == "fake" else domain
                key = f"{match['role']}_{match['domain']}_{match['kind']}"
                found.setdefault((source, match["stem"]), {})[key] = path.name
        fakes = {way.source: f"fake_{way.target}_img" for way in self.ways.values()}
        translated = {s for (s, _), files in found.items() if fakes[s] in files}
        if alone := [key for key in found if key[0] not in translated]:
            source, stem = alone[0]
            print(
                f"note: {self.folder}: {len(alone)} pictures of {source} have no translation at "
                f"all, {stem} first, so nothing is scored from {self.ways[source].words}"
            )
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
