"""Weights & Biases: the same panels as the dashboard."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loggers.drawing import draw_grid
from loggers.records import Record, panels
from loggers.run_card import RunCard
from loggers.worker import Board, MissingError
from training.progress import Progress
from util.files import write_json

if TYPE_CHECKING:  # for the names of types alone
    from data.scene import Scene


class WandbBoard(Board):
    """One W&B run per run of ours; `wandb.json` in its folder lets it be continued.

    Curves are over the number of pictures, not over W&B's own steps, which must not go back.
    """

    name = "Weights & Biases"
    advice = "WANDB_MODE=offline keeps it on this machine; --logger none is silent"

    def __init__(self, card: RunCard, project: str, ncols: int):
        self.card = card
        self.project = project
        self.ncols = ncols or 6
        self.module = self.run = None

    def open(self, records: Sequence[Record]) -> None:
        try:
            import wandb
        except ImportError:
            raise MissingError(
                "no Weights & Biases, it is not installed (pip install -r requirements-loggers.txt)"
            ) from None
        self.module = wandb
        known = self.known()
        self.run = wandb.init(
            project=self.project,
            name=self.card.name,
            dir=str(self.card.folder),
            id=known.get("id"),
            resume="allow",
            config={**self.card.changed, "command": self.card.command},
            settings=wandb.Settings(silent=True),
        )
        self.run.define_metric("pictures")
        self.run.define_metric("*", step_metric="pictures")
        since = known.get("sent", -1)
        for record in records:
            if record["total"] > since:
                self.add(record)
        self.remember(max(since, records[-1]["total"] if records else -1))

    @property
    def notes(self) -> Path:
        return self.card.folder / "wandb.json"

    def known(self) -> dict:
        """The W&B run that an earlier start began, and how far it got."""
        try:
            found = json.loads(self.notes.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def remember(self, total: int) -> None:
        write_json(self.notes, {"id": self.run.id, "sent": total})

    def record(self, records: Sequence[Record]) -> None:
        self.add(records[-1])
        self.remember(records[-1]["total"])

    def add(self, record: Record) -> None:
        values = {
            f"{title}/{name}": value
            for title, own in panels(record).items()
            for name, value in own.items()
            if value is not None
        }
        self.run.log({**values, "pictures": record["total"]})

    def pictures(self, progress: Progress, scenes: "Mapping[str, Scene]") -> None:
        grid = self.module.Image(draw_grid(scenes, self.ncols))
        self.run.log({"translations": grid, "pictures": progress.total})

    def close(self) -> None:
        self.run.finish()
