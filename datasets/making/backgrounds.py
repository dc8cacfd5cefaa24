"""Whether the backgrounds beside a dataset's pictures are those of its pictures and masks."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from data.checks import Problem
from data.masks import read_mask
from data.pictures import list_pictures, read_image
from data.scene_folder import SceneFolder, find_scenes
from util.errors import UserError
from util.workers import map_in_order

KINDS = ("hole", "inpainted")  # folders that make_backgrounds.py writes beside the pictures
REMEDY = "run datasets/make_backgrounds.py again"


def check_backgrounds(root: Path, folder: str, workers: int, exif: str | None) -> list[Problem]:
    """What is wrong with the backgrounds of one folder such as `trainA`; nothing if it has none."""
    places = {kind: root / f"{folder}_{kind}" for kind in KINDS}
    if not any(place.is_dir() for place in places.values()):
        return []
    files = {
        kind: {stem.replace("/", "_"): file for stem, file in listed(place).items()}
        for kind, place in places.items()
    }
    source = SceneFolder(find_scenes(root, folder[:-1], folder[-1], True), None, 3, exif)
    look = partial(check_one, source, places, files)
    found = map_in_order(look, range(len(source)), workers, f"checking backgrounds, {folder}")
    return [problem for one in found for problem in one]


def listed(place: Path) -> dict[str, str]:
    return list_pictures(place) if place.is_dir() else {}


def check_one(
    source: SceneFolder, places: dict[str, Path], files: dict[str, dict[str, str]], i: int
) -> list[Problem]:
    """What is wrong with one picture's background; a picture that cannot be read has no word."""
    name, image = source.files[i].name, source.files[i].image
    if missing := [kind for kind in KINDS if name not in files[kind]]:
        text = f"{image} has no {missing[0]} in {places[missing[0]]}: {REMEDY}"
        return [Problem("no background", image, text)]
    hole_file, filled_file = (places[kind] / files[kind][name] for kind in KINDS)
    try:
        picture = source.load(i)
        hole, filled = read_mask(hole_file), read_image(filled_file, 3)
    except UserError:
        return []  # told elsewhere, or while it is read
    return list(
        compare(
            picture.image.numpy(), picture.masks.numpy(), (hole_file, hole), (filled_file, filled)
        )
    )


def compare(image: np.ndarray, masks: np.ndarray, hole, filled) -> Iterator[Problem]:
    """A hole and a background, each with its path, against their picture and its masks."""
    for path, pixels in (hole, filled):
        if pixels.shape[-2:] != image.shape[-2:]:
            there, wanted = ("x".join(map(str, x.shape[-2:])) for x in (pixels, image))
            text = f"{path} is {there} and its picture {wanted} (height x width): {REMEDY}"
            yield Problem("background size", path, text)
            return
    if (masks.any(0) & ~hole[1]).any():
        text = f"{hole[0]} does not cover all masks of its picture: {REMEDY}"
        yield Problem("small hole", hole[0], text)
    if ((image != filled[1]).any(0) & ~hole[1]).any():
        text = f"{filled[0]} is not its picture outside the hole: {REMEDY}"
        yield Problem("other background", filled[0], text)
