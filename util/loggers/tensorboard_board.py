"""TensorBoard: the same panels as the dashboard, in `checkpoints/NAME/tensorboard`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from util.loggers.drawing import draw_grid
from util.loggers.records import Record, panels
from util.loggers.run_card import RunCard
from util.loggers.worker import Board, MissingError
from util.progress import Progress

if TYPE_CHECKING:  # for the names of types alone: util imports nothing of the other rooms
    from data.scene import Scene


class TensorBoard(Board):
    """Event files; TensorBoard itself joins those of a run that was continued."""

    name = "TensorBoard"
    advice = "--logger none is silent"

    def __init__(self, card: RunCard, ncols: int):
        self.card = card
        self.ncols = ncols or 6
        self.writer = None

    def open(self, records: Sequence[Record]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingError(
                "no TensorBoard, it is not installed (pip install -r requirements-loggers.txt)"
            ) from None
        total = records[-1]["total"] if records else 0
        folder = self.card.folder / "tensorboard"
        earlier = any(folder.glob("events.*")) if folder.is_dir() else False
        purge = total + 1 if earlier else None  # what a run that went back had written
        self.writer = SummaryWriter(str(folder), purge_step=purge)
        facts = {**self.card.changed, "command": self.card.command}
        lines = [f"    {name}: {value}" for name, value in facts.items()]
        self.writer.add_text("run", "\n".join(lines), total)
        for record in [] if earlier else records:
            self.add(record)
        self.writer.flush()

    def record(self, records: Sequence[Record]) -> None:
        self.add(records[-1])

    def add(self, record: Record) -> None:
        for title, values in panels(record).items():
            for name, value in values.items():
                if value is not None:
                    self.writer.add_scalar(f"{title}/{name}", value, record["total"])

    def pictures(self, progress: Progress, scenes: "Mapping[str, Scene]") -> None:
        grid = draw_grid(scenes, self.ncols)
        self.writer.add_image("pictures", grid, progress.total, dataformats="HWC")
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()
