"""Weights & Biases: the same panels as the dashboard."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from util.files import write_text
from util.loggers.drawing import draw_grid
from util.loggers.records import Record, panels
from util.loggers.run_card import RunCard
from util.loggers.worker import Board, MissingError
from util.progress import Progress

if TYPE_CHECKING:  # for the names of types alone: util imports nothing of the other rooms
    from data.scene import Scene


class WandbBoard(Board):
    """One W&B run per run of ours: `wandb_id.txt` in its folder lets it be continued."""

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
        path = self.card.folder / "wandb_id.txt"
        known = path.read_text().strip() if path.is_file() else None
        self.run = wandb.init(
            project=self.project,
            name=self.card.name,
            dir=str(self.card.folder),
            id=known,
            resume="allow",
            config={**self.card.changed, "command": self.card.command},
            settings=wandb.Settings(silent=True),
        )
        write_text(path, self.run.id)
        for record in [] if known else records:
            self.add(record)

    def record(self, records: Sequence[Record]) -> None:
        self.add(records[-1])

    def add(self, record: Record) -> None:
        values = {
            f"{title}/{name}": value
            for title, own in panels(record).items()
            for name, value in own.items()
            if value is not None
        }
        self.run.log({**values, "pictures": record["total"]}, step=record["total"])

    def pictures(self, progress: Progress, scenes: "Mapping[str, Scene]") -> None:
        grid = self.module.Image(draw_grid(scenes, self.ncols))
        self.run.log({"translations": grid}, step=progress.total)

    def close(self) -> None:
        self.run.finish()
