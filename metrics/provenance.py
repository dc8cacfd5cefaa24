"""Whether results were made of the pictures that they are scored against."""

from pathlib import Path

import numpy as np
from PIL import Image

from data.scene_folder import find_scenes
from metrics.pairs import PairFiles, PairFolder
from metrics.reals import Preparation
from util.errors import UserError

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
    there = {scene.name: scene.image for scene in find_scenes(root, phase, source, False)}
    pairs = folder.pairs[source]
    for k in range(min(MOST, len(pairs))):
        pair = pairs[k * len(pairs) // min(MOST, len(pairs))]
        if pair.name not in there:
            raise other_data(
                folder, root, f"{root / f'{phase}{source}'} has no picture {pair.name}"
            )
        if not same_picture(pair, preparation, there[pair.name]):
            raise other_data(folder, root, f"{there[pair.name]} is another picture than theirs")


def untranslated(folder: PairFolder, source: str, root: Path, phase: str) -> str:
    """A line if the results are not of just the dataset's pictures, or ''.

    Pictures that are not there cannot spoil a score.
    """
    if not (root / f"{phase}{source}").is_dir():
        return ""
    there = [scene.name for scene in find_scenes(root, phase, source, False)]
    names = {pair.name for pair in folder.pairs[source]}
    if not names & {*there}:
        return f"{folder.folder}: no picture of {root / f'{phase}{source}'} is among the results"
    absent = [name for name in there if name not in names]
    if not absent:
        return ""
    return (
        f"{folder.folder}: {len(absent)} of {len(there)} pictures of {root / f'{phase}{source}'} "
        f"have no translation here, {absent[0]} first"
    )


def same_picture(pair: PairFiles, preparation: Preparation, path: Path) -> bool:
    own = pair.picture(f"real_{pair.source}_img")
    pixels = preparation.image(path)
    if pixels.shape != own.shape:  # stretched, by --aspect_ratio
        size = own.shape[1::-1]
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.BICUBIC))
    return bool(np.abs(pixels.astype(int) - own).mean() <= ANOTHER)


def other_data(folder: PairFolder, root: Path, why: str) -> UserError:
    made_of = f" of {folder.listing['data']['dataroot']}" if folder.listing else ""
    return UserError(
        f"--dataroot {root}: {folder.folder} has translations{made_of}, and {why}: name the "
        "dataset that they were made from, or translate anew"
    )
