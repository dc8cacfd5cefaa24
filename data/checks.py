"""What can be wrong with a dataset's files: by their names, by their headers, by their pixels."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.pictures import (
    SUFFIXES,
    UnreadableError,
    is_picture,
    list_files,
    list_pictures,
    picture_size,
    read_image,
    read_levels,
    read_raw,
)
from data.scene_folder import SceneFiles, split_mask_stem
from util.errors import UserError

KINDS = {  # what training does with it -> what it is called
    "unreadable": "refused",
    "size": "refused",
    "no mask folder": "refused",
    "no picture": "refused",
    "no mask": "skipped, see --no_mask",
    "empty mask": "left out",
    "full mask": "used",
    "not binary": "cut at 127",
    "same mask": "used twice",
    "orphan mask": "not read",
    "mask name": "not read",
    "same name": "one of them is not read",
    "same result": "both are used, and test.py's results overwrite each other",
    "not a picture": "not read",
    "duplicate": "used, and the measures are too good",
}
IGNORED = {"Thumbs.db", "desktop.ini"}  # that operating systems leave behind, as are .names
SHOWN = 5  # problems that a command prints before it says how many more there are


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, the file, and a line that names both and the remedy."""

    kind: str
    path: Path
    text: str

    @property
    def refused(self) -> bool:
        return KINDS[self.kind] == "refused"


@dataclass(frozen=True)
class Facts:
    """What a picture was found to hold; areas are shares of it, by the masks' numbers."""

    files: SceneFiles
    size: tuple[int, int]
    digest: str
    areas: dict[int, float]
    problems: tuple[Problem, ...]


# ---- by name


def check_names(root: Path, phase: str, domain: str, with_masks: bool = True) -> list[Problem]:
    """Files of one phase and domain that are not read, for their names."""
    folder, mask_folder = root / f"{phase}{domain}", root / f"{phase}{domain}_seg"
    problems = [*foreign_files(folder), *same_names(folder), *same_results(folder)]
    if not with_masks or not mask_folder.is_dir():
        return problems
    problems += [*foreign_files(mask_folder), *same_names(mask_folder)]
    stems = list_pictures(folder).keys()
    for stem, name in list_pictures(mask_folder).items():
        path, split = mask_folder / name, split_mask_stem(stem)
        if split is None:
            text = "has no number and is not read: name it after its picture, STEM_0.png"
            problems.append(Problem("mask name", path, f"{path} {text}"))
        elif split[0] not in stems:
            text = f"belongs to no picture: there is no {split[0]} in {folder}"
            problems.append(Problem("orphan mask", path, f"{path} {text}"))
    return problems


def foreign_files(folder: Path) -> Iterator[Problem]:
    for name in list_files(folder):
        if not is_picture(name) and Path(name).name not in IGNORED:
            text = f"is not read: pictures end in {', '.join(sorted(SUFFIXES))}"
            yield Problem("not a picture", folder / name, f"{folder / name} {text}")


def same_names(folder: Path) -> Iterator[Problem]:
    """Pictures that differ in nothing but their suffix: the last one is read."""
    read = list_pictures(folder)
    for name in filter(is_picture, list_files(folder)):
        kept = read[os.path.splitext(name)[0]]
        if kept != name:
            text = f"is not read, as {kept} has the same name: rename or remove one of them"
            yield Problem("same name", folder / name, f"{folder / name} {text}")


def same_results(folder: Path) -> Iterator[Problem]:
    """Pictures whose results have one name: `a/b.png` and `a_b.png`."""
    first: dict[str, str] = {}
    for stem, name in list_pictures(folder).items():
        if (other := first.setdefault(stem.replace("/", "_"), name)) != name:
            text = f"and {other} have results of one name: rename one of them"
            yield Problem("same result", folder / name, f"{folder / name} {text}")


# ---- by header


def check_headers(scenes: Iterable[SceneFiles]) -> tuple[dict[tuple[int, int], str], list[Problem]]:
    """The sizes there are, each with the name of a first picture; what headers tell is wrong."""
    sizes: dict[tuple[int, int], str] = {}
    problems = []
    for scene in scenes:
        try:
            size = picture_size(scene.image)
        except UnreadableError as error:
            problems.append(Problem("unreadable", scene.image, str(error)))
            continue
        sizes.setdefault(size, str(scene.image))
        for path in scene.masks:
            try:
                problems += compare_sizes(scene.image, size, path, picture_size(path))
            except UnreadableError as error:
                problems.append(Problem("unreadable", path, str(error)))
    return sizes, problems


def compare_sizes(image: Path, size: tuple, mask: Path, mask_size: tuple) -> list[Problem]:
    if mask_size == size:
        return []
    text = (
        f"{mask} is {mask_size[0]}x{mask_size[1]} (height x width) and its picture {image} is "
        f"{size[0]}x{size[1]}: make the mask anew from the picture"
    )
    return [Problem("size", mask, text)]


def refuse(problems: Iterable[Problem]) -> None:
    """Raise a UserError that names what cannot work; tell the rest, a line for each kind."""
    refused, others = [], defaultdict(list)
    for problem in problems:
        (refused if problem.refused else others[problem.kind]).append(problem)
    if refused:
        lines = [problem.text for problem in refused[:SHOWN]]
        if len(refused) > SHOWN:
            lines.append(f"and {len(refused) - SHOWN} more: see datasets/check_dataset.py")
        raise UserError("\nerror: ".join(lines))
    for found in others.values():
        more = f" (and {len(found) - 1} more: see datasets/check_dataset.py)" * (len(found) > 1)
        print(f"note: {found[0].text}{more}")


# ---- by pixels


def check_pixels(files: SceneFiles) -> Facts:
    """Decode a picture and its masks, and look at them."""
    try:
        pixels = read_image(files.image, 3)
    except UnreadableError as error:
        return Facts(files, (0, 0), "", {}, (Problem("unreadable", files.image, str(error)),))
    size = pixels.shape[-2:]
    problems: list[Problem] = []
    areas, seen = {}, {}
    for path, number in zip(files.masks, files.numbers, strict=True):
        try:
            levels = read_levels(path)
        except UnreadableError as error:
            problems.append(Problem("unreadable", path, str(error)))
            continue
        if wrong := compare_sizes(files.image, size, path, levels.shape):
            problems += wrong
            continue
        problems += check_levels(path, levels)
        mask = levels > 127
        if mask.any():
            areas[number] = float(mask.mean())
            first = seen.setdefault(mask.tobytes(), path)
            if first != path:
                text = f"{path} is the same as {first.name}: remove one of them"
                problems.append(Problem("same mask", path, text))
    if not files.masks:
        text = f"{files.image} has no mask: add {files.image.stem}_0.png or leave it out"
        problems.append(Problem("no mask", files.image, text))
    content = hashlib.blake2b(repr(size).encode() + pixels.tobytes(), digest_size=16).hexdigest()
    return Facts(files, size, content, areas, tuple(problems))


def check_levels(path: Path, levels: np.ndarray) -> Iterator[Problem]:
    """What is wrong with a mask's brightness, uint8 [H, W]."""
    values = np.unique(levels)
    if values[-1] <= 127:
        raw = np.unique(read_raw(path))
        if raw[-1] == 0:
            yield Problem("empty mask", path, f"{path} is empty: remove it")
        else:
            text = f"holds {listed(raw)} and is read as empty: make the instance 255"
            yield Problem("not binary", path, f"{path} {text}")
    elif values[0] > 127:
        yield Problem("full mask", path, f"{path} covers the whole picture: is it inverted?")
    elif len(values) > 2:
        text = f"holds {listed(values)}, not two: it is cut at 127"
        yield Problem("not binary", path, f"{path} {text}")


def listed(values: np.ndarray) -> str:
    """`the values 0, 1 and 2` or `97 values`."""
    if len(values) > 6:
        return f"{len(values)} values"
    first = ", ".join(str(value) for value in values[:-1].tolist())
    return f"the values {first} and {values[-1]}" if first else f"only the value {values[-1]}"
