"""Writes a two-domain dataset from annotated pictures of any kind: the whole of it, or nothing.

A source lists what is to be written, one `Task` per picture and domain, and reads one at a time;
everything else is the same for all sources and stands here.
"""

import json
from collections import Counter, defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from data.pictures import UnreadableError
from datasets.making.account import Written, check_boxes, counted, describe, report, take_account
from datasets.making.report import MANIFEST
from datasets.making.sources import OTHER_CATEGORY, Listing, Source, Task, choose
from util.errors import UserError
from util.files import staged, write_text
from util.workers import map_in_order

UNREADABLE, ABSENT = "in pictures that are unreadable", "in pictures that are absent"


def write_dataset(source: Source, args) -> None:
    """Write `args.save_root` from a source and print what it holds."""
    root = Path(args.save_root)
    check_target(root, args.overwrite)
    listing = source.listing()
    check_categories(listing, args)
    listing = present(listing, args)
    tasks = hold_out(listing.tasks, args.test_fraction, args.seed)
    check_names(tasks)
    with staged(root, "--save_root") as folder:
        write = Guarded(partial(write_one, source, folder, args.min_area, args.max_instances), args)
        done = list(map_in_order(write, tasks, args.workers, source.title))
        check_boxes(source, done)
        account = take_account(listing, done)
        manifest = describe(source, account, done, args)
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


def check_categories(listing: Listing, args) -> None:
    """Refuse categories that no training picture has."""
    for domain, flag in (("A", "cat1"), ("B", "cat2")):
        if any(task.domain == domain and task.split == "train" for task in listing.tasks):
            continue
        left_out: Counter[str] = Counter()
        for (_, reason), count in listing.left_out.items():
            left_out[reason] += count if reason != OTHER_CATEGORY else 0
        because = f" (left out: {counted(left_out)})" if +left_out else ""
        raise UserError(
            f"--{flag} {getattr(args, flag)}: no picture to train on has it{because}; "
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


def present(listing: Listing, args) -> Listing:
    """The tasks whose files are all there; the others are refused, or left out and counted."""
    tasks = listing.tasks
    absent = {
        path
        for path in {path for task in tasks for path in (task.picture, *task.files)}
        if not path.is_file()
    }
    if not absent:
        return listing
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
    left_out = listing.left_out.copy()
    for task in tasks:
        if not absent.isdisjoint((task.picture, *task.files)):
            left_out[task.domain, ABSENT] += task.instances or 0
    return replace(listing, tasks=kept, left_out=left_out)


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
            lost = Counter({UNREADABLE: task.instances or 0})
            return Written(task, skipped="unreadable", left_out=lost)


def write_one(
    source: Source, folder: Path, min_area: float, max_instances: int | None, task: Task
) -> Written:
    """Read a picture and write it with its masks; without an instance left it is skipped."""
    found = source.read(task)
    target = f"{task.split}{task.domain}"
    if found.masks is None:
        save(folder / target / f"{task.name}.png", found.image)
        return Written(task, notes=found.notes)
    masks, left_out = choose(found.masks, min_area, max_instances)
    written = Written(
        task,
        tuple(float(mask.mean()) for mask in masks),
        left_out=found.left_out + left_out,
        notes=found.notes,
        compared=found.compared,
        misfits=found.misfits,
    )
    if not (len(masks) or source.bare):
        return replace(written, skipped="no instance left")
    save(folder / target / f"{task.name}.png", found.image)
    for number, mask in enumerate(masks):
        save(folder / f"{target}_seg" / f"{task.name}_{number}.png", mask.astype(np.uint8) * 255)
    return written


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)
