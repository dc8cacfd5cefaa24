"""A mended copy of a dataset: `check_dataset.py --fix`."""

import json
import shutil
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from data.masks import read_masks
from data.pictures import decode, read_header
from data.scene_folder import SceneFiles, split_mask_stem
from datasets.making.report import HELD_OUT, MANIFEST, Report, area_quantiles
from util.errors import UserError
from util.files import staged, write_text
from util.workers import map_in_order

DROPPED = {"unreadable", "size", "empty mask", "unknown values", "same mask", "no mask"}


def write_fixed(report: Report, target: Path, workers: int) -> None:
    """Write the dataset to a new folder, without what cannot be used and with masks of 0 and 255.

    Left out are pictures that are unreadable, of `train` and of `test` both, or without a mask
    that can be used; masks that are unreadable, of another size, empty, double or no one's.
    Photos with an EXIF turn are written turned, with their masks; of two masks of one number one
    gets the next. Everything else is copied as it is; the original is not touched.
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
            copy = partial(copy_scene, report.root, folder, report.exif)
            areas = list(map_in_order(copy, found, workers, f"writing {name}"))
            splits[name] = describe(areas)
            counted = f"{len(found)} of {len(report.facts[name])} pictures"
            print(f"{name}: {counted}, {splits[name]['instances']} masks")
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


def copy_scene(root: Path, folder: Path, exif: str | None, files: SceneFiles) -> list[float]:
    """Copy a picture and its masks, made binary, each once; returns the masks' areas."""
    header = read_header(files.image)
    copy_picture(files.image, folder / files.image.relative_to(root), header.orientation)
    masks = read_masks(files.masks, files.image, header.size, exif)
    names: set[str] = set()
    written: dict[bytes, float] = {}
    for path, mask in zip(files.masks, masks, strict=True):
        if mask.tobytes() in written:
            continue
        name = free_name(path, names)
        names.add(name)
        copy = folder / path.relative_to(root).with_name(f"{name}.png")
        copy.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(copy)
        written[mask.tobytes()] = float(mask.mean())
    return list(written.values())


def free_name(path: Path, names: set[str]) -> str:
    """A mask's name without suffix; with the next number that is free if another has its own."""
    numbers = {split_mask_stem(name)[1] for name in names}
    stem, number = split_mask_stem(path.stem)
    if number not in numbers:
        return path.stem
    return f"{stem}_{next(n for n in count() if n not in numbers)}"


def copy_picture(source: Path, target: Path, orientation: int) -> None:
    """Copy a picture's file; one with an EXIF turn is written turned, without loss."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if orientation == 1:
        shutil.copyfile(source, target)
    else:
        decode(source).save(target.with_suffix(".png"))


def describe(areas: list[list[float]]) -> dict:
    """The manifest's entry of a folder."""
    flat = [area for found in areas for area in found]
    return {
        "pictures": len(areas),
        "instances": len(flat),
        "masks": bool(flat),
        "area_quantiles": area_quantiles(flat),
    }
