"""A mended copy of a dataset: `check_dataset.py --fix`."""

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from data.dataset_report import HELD_OUT, MANIFEST, Report, area_quantiles
from data.pictures import read_levels, read_raw
from data.scene_folder import SceneFiles
from util.errors import UserError
from util.files import staged, write_text
from util.workers import map_in_order

DROPPED = {"unreadable", "size", "empty mask", "same mask", "no mask"}


def write_fixed(report: Report, target: Path, workers: int) -> None:
    """Write the dataset to a new folder, without what cannot be used and with masks of 0 and 255.

    Left out are pictures that are unreadable, of `train` and of `test` both, or without a mask
    that can be used; masks that are unreadable, of another size, empty, double or no one's.
    Everything else is copied as it is; the original is not touched.
    """
    if target.exists() or report.root.resolve() in target.resolve().parents:
        raise UserError(f"--fix {target} exists or lies in the dataset: name a new folder outside")
    kept = choose(report)
    if empty := [name for name, found in kept.items() if not found and report.facts[name]]:
        raise UserError(
            f"--fix: no picture of {empty[0]} can be used, so there is nothing to write"
        )
    with staged(target, "--fix") as folder:
        copy_others(report, folder)
        splits = {}
        for name, found in kept.items():
            copy = partial(copy_scene, report.root, folder)
            areas = list(map_in_order(copy, found, workers, f"writing {name}"))
            splits[name] = describe(areas)
            counts = f"{len(found)} of {len(report.facts[name])} pictures"
            print(f"{name}: {counts}, {splits[name]['instances']} masks")
        manifest = {"source": f"check_dataset --fix of {report.root}", "splits": splits}
        write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def choose(report: Report) -> dict[str, list[SceneFiles]]:
    """The pictures of every folder that can be used, each with the masks that can."""
    dropped = {p.path for p in report.problems if p.kind in DROPPED}
    kept, trained = {}, set()
    for name, found in report.facts.items():  # train first
        bare = not (report.root / f"{name}_seg").is_dir()
        kept[name] = []
        for fact in found:
            files = without(fact.files, dropped)
            double = name[:-1] in HELD_OUT and fact.digest in trained
            if files.image not in dropped and not double and (bare or files.masks):
                kept[name].append(files)
                trained |= {fact.digest} if name[:-1] == "train" else set()
    return kept


def without(files: SceneFiles, dropped: set[Path]) -> SceneFiles:
    """The same picture without the masks that are dropped."""
    numbered = zip(files.numbers, files.masks, strict=True)
    kept = [(number, path) for number, path in numbered if path not in dropped]
    numbers, masks = zip(*kept, strict=True) if kept else ((), ())
    return replace(files, numbers=numbers, masks=masks)


def copy_others(report: Report, folder: Path) -> None:
    """What is no phase of pictures or masks, but for caches and the old manifest."""
    phases = {f"{name}{end}" for name in report.facts for end in ("", "_seg")}
    for path in report.root.iterdir():
        if path.name in phases | {MANIFEST, "cache"} or path.name.startswith("."):
            continue
        if path.is_dir():
            shutil.copytree(path, folder / path.name, symlinks=True)
        else:
            shutil.copy2(path, folder / path.name, follow_symlinks=False)


def copy_scene(root: Path, folder: Path, files: SceneFiles) -> list[float]:
    """Copy a picture and its masks, made binary, each once; returns the masks' areas."""
    copy = folder / files.image.relative_to(root)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(files.image, copy)
    masks = {mask.tobytes(): (path, mask) for path in files.masks[::-1] for mask in [binary(path)]}
    for path, mask in masks.values():
        copy = (folder / path.relative_to(root)).with_suffix(".png")
        copy.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(copy)
    return [float(mask.mean()) for _, mask in masks.values()]


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
