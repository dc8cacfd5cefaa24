"""What a run reports: one record at a time, a line of `metrics.jsonl` each."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.progress import Progress
from util.files import write_text

FILE = "metrics.jsonl"
TEXT = "loss_log.txt"
POINTS = 2000  # of a curve that is sent whole
PATIENCE = 3  # records in a row that make an alarm

# What of a record goes into which panel, by the role of a loss: both directions in one.
ROLES = {
    "G": "adversarial loss, generators",
    "D": "adversarial loss, discriminators",
    "cyc": "cycle loss",
    "idt": "identity loss",
    "ctx": "context loss",
}
MASKS = {  # of the model's facts about masks, by direction
    "area": "mask area, translated / real",
    "kept": "instances, translated / real",
}
SCORED = {"AtoB": "A to B", "BtoA": "B to A"}  # directions of evaluate.py
DIRECTIONS = {"A": "A to B", "B": "B to A"}

Record = dict
Panels = dict[str, dict[str, float | None]]


def make_record(progress: Progress, losses: Mapping[str, float], facts: Mapping) -> Record:
    """Where the run stands, its facts (time, data, images_per_s, lr, …) and losses.

    What is not finite becomes None: JSON has no word for it.
    """
    position = {"epoch": progress.epoch, "iters": progress.images, "total": progress.total}
    return position | finite({**facts, "losses": losses})


def finite(value):
    """The same numbers, nested as they are, those that are none replaced by None."""
    if isinstance(value, Mapping):
        return {key: finite(own) for key, own in value.items()}
    return value if not isinstance(value, float) or math.isfinite(value) else None


def read_records(path: Path) -> list[Record]:
    """All whole lines of a `metrics.jsonl`; one that was cut short is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [record for line in lines if (record := parsed(line)) is not None]


def parsed(line: str) -> Record | None:
    """A record of a whole line; None for anything else."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    counted = all(isinstance(record.get(name), int) for name in ("epoch", "iters", "total"))
    nested = ("losses", "masks", "lr", "scores")
    return record if counted and all(isinstance(record.get(x, {}), dict) for x in nested) else None


def cut_logs(folder: Path, progress: Progress) -> None:
    """Take from a run's logs what came after the state that it goes on from, and a torn last line.

    Those of an earlier run in the folder of one that begins are kept as `old_…`.
    """
    for name, is_of_run in ((FILE, is_before), (TEXT, is_text_before)):
        path = folder / name
        if not path.is_file():
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and is_of_run(line, progress)]
        if lines and not kept:
            path.replace(path.with_name(f"old_{name}"))
        elif kept != lines:
            write_text(path, "".join(kept))


def is_before(line: str, progress: Progress) -> bool:
    """Whether a line of `metrics.jsonl` is a record of no later than this."""
    record = parsed(line)
    return record is not None and record["total"] <= progress.total


def is_text_before(line: str, progress: Progress) -> bool:
    """The same of a line of `loss_log.txt`; headings stay with a run that goes on."""
    found = re.match(r"\(epoch: (\d+), iters: (\d+),", line)
    if not found:
        return progress.total > 0
    return (int(found[1]), int(found[2])) <= (progress.epoch, progress.images)


def continuous(records: Sequence[Record]) -> list[Record]:
    """A run's records in order: those after a checkpoint that was gone back to count alone."""
    kept: list[Record] = []
    for record in records:
        while kept and kept[-1]["total"] >= record["total"]:
            kept.pop()
        kept.append(record)
    return kept


def thinned(records: Sequence[Record], points: int = POINTS) -> list[Record]:
    """At most about `points` of them, evenly spread, the last one included, and all with scores."""
    every, last = max(1, -(-len(records) // points)), len(records) - 1
    return [x for i, x in enumerate(records) if (last - i) % every == 0 or "scores" in x]


def panels(record: Record) -> Panels:
    """A record's numbers by the panel they are drawn in."""
    found: Panels = {}
    for name, value in record.get("losses", {}).items():
        role = name.rpartition("_")[0] or name
        found.setdefault(ROLES.get(role, f"{role} loss"), {})[name] = value
    for fact, title in MASKS.items():
        if own := record.get("masks", {}).get(fact):
            found[title] = {DIRECTIONS[domain]: value for domain, value in own.items()}
    for way, scores in record.get("scores", {}).items():
        for name, value in scores.items():
            found.setdefault(f"validation: {name}", {})[SCORED.get(way, way)] = value
    found["learning rate"] = dict(record.get("lr", {}))
    found["pictures per second"] = {"pictures / s": record.get("images_per_s")}
    busy = record.get("time", 0) + record.get("data", 0)
    found["share of time waiting for data"] = {"share": record.get("data", 0) / (busy or 1)}
    if "memory" in record:
        found["GPU memory, GB"] = {"peak": record["memory"] / 1e9}
    return {title: own for title, own in found.items() if own}


def alarms(records: Sequence[Record]) -> list[str]:
    """What is wrong by the last records, a line each: with the data, or with translated masks."""
    return [*data_alarms(records), *collapses(records)]


def data_alarms(records: Sequence[Record]) -> list[str]:
    """What the run itself has noted of its data."""
    return [str(text) for text in records[-1].get("alarms", ())] if records else []


def collapses(records: Sequence[Record]) -> list[str]:
    """One line for each direction whose masks have collapsed in the last records."""
    last = list(records)[-PATIENCE:]
    if len(last) < PATIENCE:
        return []
    found = []
    for domain, way in DIRECTIONS.items():
        for fact, words in (("empty", "all empty"), ("full", "all full")):
            shares = [record.get("masks", {}).get(fact, {}).get(domain) for record in last]
            if all(share is not None and share > 0.99 for share in shares):
                since = collapsed_since(records, domain, fact)
                found.append(f"{way}: the translated masks are {words} since picture {since}")
    return found


def collapsed_since(records: Sequence[Record], domain: str, fact: str) -> int:
    """The number of pictures at the first record of the collapse that the last one is in."""
    since = records[-1]["total"]
    for record in reversed(records):
        if (record.get("masks", {}).get(fact, {}).get(domain) or 0) <= 0.99:
            break
        since = record["total"]
    return since


def smoothed(values: Sequence[float | None], share: float) -> list[float | None]:
    """An exponential mean, of which the past has this share; None stays and does not count."""
    mean, found = None, []
    for value in values:
        if value is not None:
            mean = value if mean is None else share * mean + (1 - share) * value
        found.append(None if value is None else mean)
    return found
