"""A mended copy of a dataset: `check_dataset.py --fix`."""

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from data.checks import Facts
from data.dataset_report import MANIFEST, Report, area_quantiles
from data.pictures import read_levels, read_raw
from util.files import staged, write_text
from util.workers import map_in_order

DROPS_PICTURE = {"duplicate", "unreadable", "no mask"}
DROPS_MASK = {"unreadable", "size", "empty mask", "same mask"}


def write_fixed(report: Report, target: Path, workers: int) -> None:
    """Write the dataset to a new folder, without what cannot be used and with masks of 0 and 255.

    Pictures that are unreadable, of `train` and of `test` both, or without a mask that can be used
    are left out; so are masks that are unreadable, of another size, empty, double or no one's.
    Everything else is copied as it is; the original is not touched.
    """
    dropped = {p.path for p in report.problems if p.kind in DROPS_PICTURE | DROPS_MASK}
    with staged(target) as folder:
        copy_others(report, folder)
        splits = {}
        for name, found in report.facts.items():
            bare = not (report.root / f"{name}_seg").is_dir()
            kept = [fact for fact in found if usable(fact, dropped, bare)]
            copy = partial(copy_scene, report.root, folder, name, dropped)
            areas = list(map_in_order(copy, kept, workers, f"writing {name}"))
            splits[name] = describe(areas)
            print(
                f"{name}: {len(kept)} of {len(found)} pictures, {splits[name]['instances']} masks"
            )
        manifest = {"source": f"check_dataset --fix of {report.root}", "splits": splits}
        write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def usable(fact: Facts, dropped: set[Path], bare: bool) -> bool:
    """Whether a picture stays: readable, once only, and with a mask if its folder has masks."""
    return fact.files.image not in dropped and (bare or any(usable_masks(fact, dropped)))


def usable_masks(fact: Facts, dropped: set[Path]) -> Iterator[tuple[int, Path]]:
    numbered = zip(fact.files.numbers, fact.files.masks, strict=True)
    return ((number, path) for number, path in numbered if path not in dropped)


def copy_others(report: Report, folder: Path) -> None:
    """What is no phase of pictures or masks, but for caches and the old manifest."""
    phases = {f"{name}{end}" for name in report.facts for end in ("", "_seg")}
    for path in report.root.iterdir():
        if path.name in phases | {MANIFEST, "cache"} or path.name.startswith("."):
            continue
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copy2(path, folder / path.name)


def copy_scene(root: Path, folder: Path, name: str, dropped: set[Path], fact: Facts) -> list[float]:
    """Copy a picture and its usable masks; returns the masks' areas."""
    image = fact.files.image
    target = folder / image.relative_to(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(image, target)
    areas = []
    for _, path in usable_masks(fact, dropped):
        mask = binary(path)
        target = (folder / path.relative_to(root)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(target)
        areas.append(float(mask.mean()))
    return areas


def binary(path: Path) -> np.ndarray:
    """What a mask means, bool [H, W]: where it is bright, or where it is not 0 if it is nowhere."""
    mask = read_levels(path) > 127
    return mask if mask.any() else read_raw(path) > 0


def describe(areas: list[list[float]]) -> dict:
    """The manifest's entry of a folder."""
    flat = [area for found in areas for area in found]
    return {
        "pictures": len(areas),
        "instances": len(flat),
        "masks": bool(flat),
        "area_quantiles": area_quantiles(flat),
    }
