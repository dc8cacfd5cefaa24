"""What one wants to know of a run at a glance: what was typed, and how far it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loggers.records import Curves, Record
from util.stamp import typed_command


@dataclass(frozen=True)
class RunCard:
    """A run's name, its command, the options that differ from their defaults, and its length.

    epoch_images is the number of pictures per domain in an epoch, curves what its model declares.
    """

    name: str
    folder: Path
    epoch_images: int
    epochs: int
    changed: Mapping[str, object] = field(default_factory=dict)
    command: str = field(default_factory=typed_command)
    curves: Curves = field(default_factory=Curves)

    def position(self, records: Sequence[Record]) -> dict[str, str]:
        """Epoch, pictures and the time that is left at the speed of the last record."""
        if not records:
            return {"epoch": f"1 of {self.epochs}"}
        last = records[-1]
        whole = self.epoch_images * self.epochs
        done = (last["epoch"] - 1) * self.epoch_images + last["iters"]
        facts = {
            "epoch": f"{last['epoch']} of {self.epochs}",
            "pictures": f"{done:,} of {whole:,} per domain",
        }
        if speed := last.get("images_per_s"):
            facts["time left"] = duration((whole - done) / speed)
        return facts


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def as_typed(value: object) -> str:
    """An option's value in the way it is typed: lists joined by commas."""
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)
