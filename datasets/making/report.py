"""A whole dataset, looked at: what it holds and what is wrong with it."""

import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from data.checks import Problem, check_names
from data.pictures import list_pictures
from data.pixel_checks import Facts, check_pixels, nothing_to_translate
from data.scene_folder import find_scenes
from datasets.making.backgrounds import check_backgrounds
from util.errors import UserError
from util.workers import map_in_order

MANIFEST = "dataset.json"
HELD_OUT = ("test", "val")  # phases that must share no picture with `train`
ALL_BOXES = ", all boxes"
AREAS = (0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1)  # edges of the histogram, shares of a picture


@dataclass(frozen=True)
class Report:
    """What was found in `root`: the pictures of every folder such as `trainA`, and all problems.

    exif says how masks were taken to lie on turned photos; see `read_masks`.
    """

    root: Path
    facts: dict[str, list[Facts]]
    problems: list[Problem]
    exif: str | None = None

    @cached_property
    def by_path(self) -> dict[Path, list[str]]:
        found = defaultdict(list)
        for problem in self.problems:
            found[problem.path].append(problem.text)
        return dict(found)

    def of_picture(self, fact: Facts) -> list[str]:
        """What is wrong with a picture or its masks."""
        files = (fact.files.image, *fact.files.masks)
        return [text for path in files for text in self.by_path.get(path, ())]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows, one per folder."""
        header = ["", "pictures", "sizes (HxW)", "instances", "per picture", "area, quartiles"]
        return header, [[name, *summary(found)] for name, found in self.facts.items()]


def inspect(root: Path, workers: int, exif: str | None = None) -> Report:
    """Read every file of a dataset. Raises UserError if `root` is none."""
    look = partial(check_pixels, exif=exif)
    folders = find_folders(root)
    annotated = any((root / f"{name}_seg").is_dir() for name in folders)
    facts: dict[str, list[Facts]] = {}
    problems: list[Problem] = []
    for name in folders:
        phase, domain = name[:-1], name[-1]
        with_masks = (root / f"{name}_seg").is_dir()
        problems += check_names(root, phase, domain, with_masks)
        if annotated and not with_masks and not declared_bare(root, name):
            path = root / f"{name}_seg"
            text = f"{path}: there is no such folder, so {name} has no masks"
            problems.append(Problem("no mask folder", path, text))
        if not list_pictures(root / name):
            problems.append(Problem("no picture", root / name, f"{root / name} has no picture"))
            facts[name] = []
            continue
        scenes = find_scenes(root, phase, domain, with_masks)
        facts[name] = list(map_in_order(look, scenes, workers, f"checking {name}"))
        # Where instances are boxes, pictures without any are meant: a street without a car.
        may_be_bare = not with_masks or told_of_boxes(facts[name]) == ALL_BOXES
        for fact in facts[name]:
            problems += [p for p in fact.problems if not (may_be_bare and p.kind == "no mask")]
        folder = root / f"{name}_seg"
        if with_masks and (fault := nothing_to_translate(folder, facts[name])):
            problems.append(Problem("no instance", folder, fault))
        if with_masks:
            problems += check_backgrounds(root, name, workers, exif)
    return Report(root, facts, [*problems, *find_duplicates(facts)], exif)


def find_folders(root: Path) -> list[str]:
    """The folders of pictures: `trainA`, `trainB`, …"""
    if not root.is_dir():
        raise UserError(
            f"{root} is {'no folder' if root.exists() else 'not there'}: name a dataset"
        )
    folders = [p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    found = [name for name in folders if re.fullmatch(r"\w+?[AB]", name)]
    if not found:
        raise UserError(f"{root} is no dataset: there is no trainA, trainB, testA, … in it")
    return sorted(found, key=lambda name: (name[:-1] != "train", name))


def declared_bare(root: Path, name: str) -> bool:
    """Whether a generator wrote this folder without masks on purpose."""
    try:
        splits = json.loads((root / MANIFEST).read_text())["splits"]
        return not splits[name]["masks"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def find_duplicates(facts: dict[str, list[Facts]]) -> list[Problem]:
    """Pictures of `test` and `val`, of whichever domain, that are pictures of `train` as well."""
    trained = {
        fact.digest: fact.files.image
        for name, found in facts.items()
        for fact in found
        if name[:-1] == "train" and fact.digest
    }
    return [
        Problem(
            "duplicate",
            fact.files.image,
            f"{fact.files.image} is the same picture as {trained[fact.digest]}: take one out",
        )
        for name, found in facts.items()
        for fact in found
        if name[:-1] in HELD_OUT and fact.digest in trained
    ]


# ---- numbers


def summary(found: list[Facts]) -> list[str]:
    """A folder's row of the table."""
    sizes = Counter(fact.size for fact in found if fact.digest).most_common()
    shown = [f"{height}x{width}" for (height, width), _ in sizes[:1]]
    more = [f"and {len(sizes) - 1} more"] if len(sizes) > 1 else []
    counts = [len(fact.areas) for fact in found]
    quantiles = area_quantiles(areas_of(found)).values()
    return [
        str(len(found)),
        " ".join(shown + more),
        f"{sum(counts)}{told_of_boxes(found)}",
        f"{min(counts)} to {max(counts)}, mean {np.mean(counts):.1f}" if any(counts) else "",
        " / ".join(f"{100 * value:.2g}" for value in quantiles) + " %" if quantiles else "",
    ]


def told_of_boxes(found: list[Facts]) -> str:
    """How many of the instances have no outline but a box."""
    boxes, instances = sum(len(fact.boxes) for fact in found), sum(len(f.areas) for f in found)
    if not boxes:
        return ""
    return ALL_BOXES if boxes == instances else f", {boxes} of them boxes"


def areas_of(found: list[Facts]) -> list[float]:
    return [area for fact in found for area in fact.areas.values()]


def area_quantiles(areas: list[float]) -> dict[str, float]:
    """Smallest, quartiles and largest of areas that are shares of their pictures."""
    if not areas:
        return {}
    names = ("min", "25%", "median", "75%", "max")
    found = np.quantile(areas, (0, 0.25, 0.5, 0.75, 1))
    return {name: round(float(value), 5) for name, value in zip(names, found, strict=True)}


def instance_histogram(found: list[Facts], most: int = 8) -> dict[str, int]:
    """Pictures by their number of instances, those with `most` or more in one bin."""
    counts = Counter(min(len(fact.areas), most) for fact in found)
    labels = [*map(str, range(most)), f"{most} or more"]
    return occupied(dict(zip(labels, (counts[n] for n in range(most + 1)), strict=True)))


def area_histogram(found: list[Facts]) -> dict[str, int]:
    """Instances by their share of the picture."""
    counts = np.histogram(areas_of(found), AREAS)[0].tolist()
    edges = zip(AREAS, AREAS[1:], strict=False)
    labels = [f"{100 * low:g} to {100 * high:g} %" for low, high in edges]
    return occupied(dict(zip(labels, counts, strict=True)))


def occupied(bins: dict[str, int]) -> dict[str, int]:
    """A histogram without the empty bins at its ends."""
    items = list(bins.items())
    filled = [i for i, (_, count) in enumerate(items) if count]
    return dict(items[filled[0] : filled[-1] + 1]) if filled else {}


def by_kind(problems: list[Problem]) -> dict[str, list[Problem]]:
    found = defaultdict(list)
    for problem in problems:
        found[problem.kind].append(problem)
    return dict(found)
