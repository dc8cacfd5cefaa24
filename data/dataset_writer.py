"""Writes a two-domain dataset from annotated pictures of any kind: the whole of it, or nothing.

A source lists what is to be written, one `Task` per picture and domain, and reads one at a time;
everything else is the same for all sources and stands here.
"""

import json
import shlex
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from data.dataset_report import MANIFEST, area_quantiles
from data.pictures import UnreadableError
from data.sources import Source, Task, choose
from util.errors import UserError
from util.files import staged, write_text
from util.workers import map_in_order


@dataclass(frozen=True)
class Written:
    """What became of a task: the written instances' areas, or why nothing was written."""

    task: Task
    areas: tuple[float, ...] = ()
    skipped: str = ""
    note: str = ""


def write_dataset(source: Source, args) -> None:
    """Write `args.save_root` from a source and print what it holds."""
    root = Path(args.save_root)
    check_target(root, args.overwrite)
    tasks = source.tasks()
    check_categories(tasks, args)
    tasks = present(tasks, args)
    tasks = hold_out(tasks, args.test_fraction, args.seed)
    check_names(tasks)
    with staged(root, "--save_root") as folder:
        write = Guarded(partial(write_one, source, folder, args.min_area, args.max_instances), args)
        done = list(map_in_order(write, tasks, args.workers, source.title))
        manifest = describe(source, done, args)
        write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    report(root, manifest)


# ---- before


def check_target(root: Path, overwrite: bool) -> None:
    """Refuse to write over anything but a dataset of a generator, and that only if asked to."""
    if root.is_file():
        raise UserError(f"--save_root {root} is a file: name a folder")
    if not root.exists() or not any(root.iterdir()):
        return
    try:
        generated = "command" in json.loads((root / MANIFEST).read_text())
    except (OSError, ValueError, TypeError):
        generated = False
    if not generated:
        raise UserError(f"--save_root {root} exists and was not made by a generator: name another")
    if not overwrite:
        raise UserError(f"--save_root {root} exists: add --overwrite, or name another folder")


def check_categories(tasks: list[Task], args) -> None:
    """Refuse categories that no training picture has."""
    for domain, flag in (("A", "cat1"), ("B", "cat2")):
        if not any(task.domain == domain and task.split == "train" for task in tasks):
            raise UserError(
                f"--{flag} {getattr(args, flag)}: no picture to train on has it; "
                "choose a category that is annotated"
            )


def check_names(tasks: list[Task]) -> None:
    """Refuse two pictures of one name."""
    named: dict[tuple, Task] = {}
    for task in tasks:
        first = named.setdefault((task.split, task.domain, task.name), task)
        if first is not task:
            raise UserError(
                f"{task.picture} and {first.picture} would both be {task.name}.png of "
                f"{task.split}{task.domain}: give them different ids or names"
            )


def present(tasks: list[Task], args) -> list[Task]:
    """The tasks whose files are all there; the others are refused, or left out."""
    absent = {
        path
        for path in {path for task in tasks for path in (task.picture, *task.files)}
        if not path.is_file()
    }
    if not absent:
        return tasks
    more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
    if args.missing == "error":
        raise UserError(
            f"{min(absent)}{more}: annotated, but absent; complete the download, or leave such "
            "pictures out with --missing skip"
        )
    kept = [task for task in tasks if absent.isdisjoint((task.picture, *task.files))]
    for domain in "AB":
        if not any(task.domain == domain and task.split == "train" for task in kept):
            raise UserError(
                f"{min(absent)}{more} are absent, and no picture of domain {domain} to train on "
                "is left: complete the download"
            )
    print(f"note: {len(absent)} annotated files are absent, {min(absent)} first; left out")
    return kept


def hold_out(tasks: list[Task], fraction: float, seed: int) -> list[Task]:
    """Move this share of the training pictures to the split `test`, by picture, not by task.

    Drawn among the pictures of A alone, of B alone and of both, so that every domain loses its
    share and no picture is on both sides.
    """
    domains = defaultdict(set)
    for task in tasks:
        if task.split == "train":
            domains[task.picture].add(task.domain)
    held = set()
    rng = np.random.default_rng(seed)
    for kind in ({"A"}, {"B"}, {"A", "B"}):
        pictures = sorted(path for path, found in domains.items() if found == kind)
        count = round(fraction * len(pictures))
        held |= {pictures[i] for i in rng.permutation(len(pictures))[:count]}
    chosen = [task for task in tasks if task.split == "train" and task.picture in held]
    if fraction and {task.domain for task in chosen} != {"A", "B"}:
        print(f"note: --test_fraction {fraction} of so few pictures leaves a domain without any")
    return [
        replace(task, split="test") if task.split == "train" and task.picture in held else task
        for task in tasks
    ]


# ---- one picture


class Guarded:
    """`write` of one task, whose unreadable pictures are skipped if that was asked for."""

    def __init__(self, write, args):
        self.write = write
        self.missing = args.missing

    def __call__(self, task: Task) -> Written:
        try:
            return self.write(task)
        except UnreadableError as error:
            if self.missing == "error":
                raise UserError(f"{error}, or leave it out with --missing skip") from None
            return Written(task, skipped="unreadable")


def write_one(
    source: Source, folder: Path, min_area: float, max_instances: int | None, task: Task
) -> Written:
    """Read a picture and write it with its masks; without an instance left it is skipped."""
    found = source.read(task)
    target = f"{task.split}{task.domain}"
    if found.masks is None:
        save(folder / target / f"{task.name}.png", found.image)
        return Written(task, note=found.note)
    masks = choose(found.masks, min_area, max_instances)
    if not len(masks):
        return Written(task, skipped="no instance left")
    save(folder / target / f"{task.name}.png", found.image)
    for number, mask in enumerate(masks):
        save(folder / f"{target}_seg" / f"{task.name}_{number}.png", mask.astype(np.uint8) * 255)
    return Written(task, tuple(float(mask.mean()) for mask in masks), note=found.note)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


# ---- after


def describe(source: Source, done: list[Written], args) -> dict:
    """The manifest. Raises UserError if a domain has nothing to train on."""
    splits: dict[str, dict] = {}
    for key in sorted({(w.task.split, w.task.domain) for w in done}):
        kept = [w for w in done if (w.task.split, w.task.domain) == key and not w.skipped]
        areas = [area for written in kept for area in written.areas]
        if kept:
            splits["".join(key)] = {
                "pictures": len(kept),
                "instances": len(areas),
                "masks": bool(areas),
                "area_quantiles": area_quantiles(areas),
            }
    for domain, flag in (("A", "cat1"), ("B", "cat2")):
        if f"train{domain}" not in splits:
            reasons = Counter(w.skipped for w in done if w.task.domain == domain and w.skipped)
            counted = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
            raise UserError(
                f"--{flag} {getattr(args, flag)}: no picture to train on is left ({counted}); "
                "lower --min_area or --test_fraction, or choose another category"
            )
    skipped, notes = defaultdict(list), defaultdict(list)
    for written in done:
        where = f"{written.task.split}{written.task.domain}/{written.task.name}"
        if written.skipped:
            skipped[written.skipped].append(where)
        if written.note:
            notes[written.note].append(where)
    return {
        "source": source.title,
        "categories": {"A": args.cat1, "B": args.cat2},
        "splits": splits,
        "skipped": skipped,
        "notes": notes,
        "options": {name: str(value) for name, value in sorted(vars(args).items())},
        "command": shlex.join(sys.argv),
    }


def report(root: Path, manifest: dict) -> None:
    for name, facts in manifest["splits"].items():
        if facts["masks"]:
            low, middle, high = (facts["area_quantiles"][q] for q in ("min", "median", "max"))
            areas = f"{100 * low:.2g} / {100 * middle:.2g} / {100 * high:.2g} %"
            instances = f"{facts['instances']:>6} instances, area min / median / max {areas}"
        else:
            instances = "  without masks"
        print(f"{name:>8}: {facts['pictures']:>6} pictures, {instances}")
    for title, found in (manifest["skipped"] | manifest["notes"]).items():
        print(f"    note: {title}: {len(found)} pictures, {found[0]} first")
    print(f"dataset: {root}; look at it with python datasets/check_dataset.py {root} --page")
