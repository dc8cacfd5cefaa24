"""What a generated dataset holds, and what became of every annotation that was read for it."""

import shlex
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from datasets.making.report import area_quantiles
from datasets.making.sources import Listing, Source, Task
from util.errors import UserError


@dataclass(frozen=True)
class Written:
    """What became of a task: the written instances' areas, or why nothing was written.

    left_out counts its other annotations by their reason; the rest is as `Annotated` has it.
    """

    task: Task
    areas: tuple[float, ...] = ()
    skipped: str = ""
    left_out: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()
    compared: int = 0
    misfits: tuple[str, ...] = ()

    @property
    def read(self) -> int:
        return len(self.areas) + self.left_out.total()


def counted(reasons: Mapping[str, int]) -> str:
    """`2 without a category, 1 smaller than --min_area`."""
    return ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)


def check_boxes(source: Source, done: list[Written]) -> None:
    """Tell of masks that are not where their annotation's own box is; refuse if most are not."""
    misfits = [text for written in done for text in written.misfits]
    compared = sum(written.compared for written in done)
    if not misfits:
        return
    what, remedy = source.misfits
    told = f"{len(misfits)} of {compared} {what}: {misfits[0]}"
    if 2 * len(misfits) > compared:
        raise UserError(f"{told}; mend the annotations, or {remedy}")
    print(f"note: {told}")


@dataclass(frozen=True)
class Account:
    """What became of every annotation: written, or left out for a reason."""

    read: int
    written: int
    left_out: dict[str, int]

    def __str__(self) -> str:
        rest = f"; left out: {counted(self.left_out)}" if self.left_out else ""
        return f"annotations: {self.read} read, {self.written} written{rest}"


def take_account(listing: Listing, done: list[Written]) -> Account:
    """Add up what became of the annotations; none may be unaccounted for."""
    read = listing.read + sum(w.read for w in done if w.task.instances is None)
    written = sum(len(w.areas) for w in done)
    left_out: Counter[str] = Counter()
    for (_, reason), count in listing.left_out.items():
        left_out[reason] += count
    for one in done:
        left_out += one.left_out
    if read != written + left_out.total():
        raise AssertionError(f"{read} annotations read, {written} written, left out: {left_out}")
    return Account(read, written, dict(left_out.most_common()))


def describe(source: Source, account: Account, done: list[Written], args) -> dict:
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
            own = (w.left_out for w in done if w.task.domain == domain)
            reasons = counted(sum(own, Counter()))
            raise UserError(
                f"--{flag} {getattr(args, flag)}: no picture to train on is left ({reasons}); "
                "lower --min_area or --test_fraction, or choose another category"
            )
    skipped, notes = defaultdict(list), defaultdict(list)
    for written in done:
        where = f"{written.task.split}{written.task.domain}/{written.task.name}"
        if written.skipped:
            skipped[written.skipped].append(where)
        for note in written.notes:
            notes[note].append(where)
    return {
        "source": source.title,
        "categories": {"A": args.cat1, "B": args.cat2},
        "splits": splits,
        "skipped": skipped,
        "notes": notes,
        "annotations": asdict(account),
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
    print(f"    {Account(**manifest['annotations'])}")
    print(f"dataset: {root}; look at it with python datasets/check_dataset.py {root} --page")
