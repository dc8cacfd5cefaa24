"""Whether results were made of the pictures that they are scored against."""

from pathlib import Path

import numpy as np
from PIL import Image

from data.pictures import UnreadableError, list_pictures
from data.scene_folder import find_scenes
from metrics.pairs import PairFiles, PairFolder
from metrics.reals import Preparation
from util.errors import UserError
from util.images import stretched

ANOTHER = 8  # of 255 levels, in the mean: more is another picture, not another rounding
MOST = 200  # pictures that are compared, spread evenly


def check_sources(
    folder: PairFolder, source: str, root: Path, phase: str, preparation: Preparation
) -> None:
    """Compare a direction's sources with the dataset's pictures of the same names.

    Raises UserError for one that is another, or not there; a phase that is not there is not
    compared.
    """
    if not (root / f"{phase}{source}").is_dir():
        return
    there = pictures_of(root, phase, source)
    pairs = folder.pairs[source]
    if absent := [pair.name for pair in pairs if pair.name not in there]:
        raise other_data(folder, root, f"{root / f'{phase}{source}'} has no picture {absent[0]}")
    ratio = folder.listing["data"]["aspect_ratio"] if folder.listing else None
    for k in range(min(MOST, len(pairs))):
        pair = pairs[k * len(pairs) // min(MOST, len(pairs))]
        if not same_picture(pair, preparation, there[pair.name], ratio):
            raise other_data(folder, root, f"{there[pair.name]} is another picture than theirs")


def pictures_of(root: Path, phase: str, domain: str) -> dict[str, Path]:
    """A phase's pictures by name; none of a phase that is not there, or is empty."""
    if not list_pictures(root / f"{phase}{domain}"):
        return {}
    return {scene.name: scene.image for scene in find_scenes(root, phase, domain, False)}


def untranslated(folder: PairFolder, source: str, root: Path, phase: str) -> str:
    """A line if the results are not of just the dataset's pictures, or ''.

    Pictures that are not there cannot spoil a score.
    """
    there = pictures_of(root, phase, source)
    names = {pair.name for pair in folder.pairs[source]}
    if there and not names & {*there}:
        return f"{folder.folder}: no picture of {root / f'{phase}{source}'} is among the results"
    absent = [name for name in there if name not in names]
    if not absent:
        return ""
    return (
        f"{folder.folder}: {len(absent)} of {len(there)} pictures of {root / f'{phase}{source}'} "
        f"have no translation here, {absent[0]} first"
    )


def same_picture(
    pair: PairFiles, preparation: Preparation, path: Path, ratio: float | None
) -> bool:
    """Whether a translation was made of this file; ratio is --aspect_ratio, None if not known."""
    own = pair.picture(f"real_{pair.way.source}_img")
    try:
        pixels = preparation.image(path)
    except UnreadableError:
        raise
    except UserError:  # too small for the crop that theirs was large enough for
        return False
    wide, tall = own.shape[1::-1]
    if ratio and stretched(pixels.shape[1], pixels.shape[0], ratio) != (wide, tall):
        return False
    if pixels.shape != own.shape:
        pixels = np.asarray(Image.fromarray(pixels).resize((wide, tall), Image.BICUBIC))
    return bool(np.abs(pixels.astype(int) - own).mean() <= ANOTHER)


def other_data(folder: PairFolder, root: Path, why: str) -> UserError:
    said = folder.listing["data"].get("dataroot") if folder.listing else None
    made_of = f" of {said}" if said else ""
    return UserError(
        f"--dataroot {root}: {folder.folder} has translations{made_of}, and {why}: name the "
        "dataset that they were made from, or translate anew"
    )
