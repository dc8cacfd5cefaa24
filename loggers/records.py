"""What a run reports: one record at a time, a line of `metrics.jsonl` each."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.direction import words_of
from training.progress import Progress
from util.files import write_text

FILE = "metrics.jsonl"
TEXT = "loss_log.txt"
POINTS = 2000  # of a curve that is sent whole
PATIENCE = 3  # records in a row that make an alarm

Record = dict
Panels = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class Curves:
    """What a model declares of the numbers in its records, see `BaseModel`.

    panels  title -> label -> where the number stands in a record, such as `losses.NAME`
    alarms  where a share stands that should not stay at 1 -> what to say if it does
    advice  what to do then
    summary short names of the progress bar -> losses that are added up
    """

    panels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    alarms: Mapping[str, str] = field(default_factory=dict)
    advice: str = ""
    summary: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @staticmethod
    def of(model) -> "Curves":
        """Those of a model or its class."""
        return Curves(model.panels, model.alarms, model.alarm_advice, model.loss_summary)


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


def panels(record: Record, curves: Curves) -> Panels:
    """A record's numbers by the panel they are drawn in."""
    found: Panels = {}
    declared = {path for own in curves.panels.values() for path in own.values()}
    others = [name for name in record.get("losses", {}) if f"losses.{name}" not in declared]
    wanted = dict(curves.panels) | {f"{n} loss": {n: f"losses.{n}"} for n in others}
    for title, own in wanted.items():
        there = {label: path for label, path in own.items() if has(record, path)}
        found[title] = {label: number(record, path) for label, path in there.items()}
    for way, scores in record.get("scores", {}).items():
        for name, value in scores.items():
            found.setdefault(f"validation: {name}", {})[words_of(way)] = value
    found["learning rate"] = dict(record.get("lr", {}))
    found["pictures per second"] = {"pictures / s": record.get("images_per_s")}
    busy = record.get("time", 0) + record.get("data", 0)
    found["share of time waiting for data"] = {"share": record.get("data", 0) / (busy or 1)}
    if "memory" in record:
        found["GPU memory, GB"] = {"peak": record["memory"] / 1e9}
    return {title: own for title, own in found.items() if own}


def number(record: Record, path: str) -> float | None:
    """What stands in a record at `masks.area.A`; None if nothing does."""
    value = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def has(record: Record, path: str) -> bool:
    *names, last = path.split(".")
    own = number(record, ".".join(names))
    return isinstance(own, Mapping) and last in own


def alarms(records: Sequence[Record], curves: Curves) -> list[str]:
    """What is wrong by the last records, a line each: with the data, or by the model's alarms."""
    return [*data_alarms(records), *collapses(records, curves)]


def data_alarms(records: Sequence[Record]) -> list[str]:
    """What the run itself has noted of its data."""
    return [str(text) for text in records[-1].get("alarms", ())] if records else []


def collapses(records: Sequence[Record], curves: Curves) -> list[str]:
    """One line for each of the model's alarms that the last records give."""
    last = list(records)[-PATIENCE:]
    if len(last) < PATIENCE:
        return []
    return [
        f"{words} since picture {since(records, path)}"
        for path, words in curves.alarms.items()
        if all((number(record, path) or 0) > 0.99 for record in last)
    ]


def since(records: Sequence[Record], path: str) -> int:
    """The number of pictures at the first record of the alarm that the last one gives."""
    first = records[-1]["total"]
    for record in reversed(records):
        if (number(record, path) or 0) <= 0.99:
            break
        first = record["total"]
    return first


def smoothed(values: Sequence[float | None], share: float) -> list[float | None]:
    """An exponential mean, of which the past has this share; None stays and does not count."""
    mean, found = None, []
    for value in values:
        if value is not None:
            mean = value if mean is None else share * mean + (1 - share) * value
        found.append(None if value is None else mean)
    return found
