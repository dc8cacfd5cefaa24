"""TensorBoard: the same panels as the dashboard, in `checkpoints/NAME/tensorboard`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from loggers.drawing import draw_grid
from loggers.records import Record, panels
from loggers.run_card import RunCard
from loggers.worker import Board, MissingError
from training.progress import Progress

if TYPE_CHECKING:  # for the names of types alone
    from data.scene import Scene


class TensorBoard(Board):
    """Event files, of curves and in a folder of their own of pictures.

    Curves are written whole whenever it is opened, and hide those that were there: so nothing is
    missing and nothing is left of what a run went back from. Pictures cannot be written again.
    """

    name = "TensorBoard"
    trouble = "cannot be written"
    advice = "--logger none is silent"

    def __init__(self, card: RunCard, ncols: int):
        self.card = card
        self.ncols = ncols or 6
        self.writer = self.album = None

    def open(self, records: Sequence[Record]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingError(
                "no TensorBoard, it is not installed (pip install -r requirements-loggers.txt)"
            ) from None
        self.close()
        folder = self.card.folder / "tensorboard"
        total = records[-1]["total"] if records else 0
        self.writer = SummaryWriter(str(folder), purge_step=0)
        self.album = SummaryWriter(str(folder / "pictures"), purge_step=total + 1)
        facts = {**self.card.changed, "command": self.card.command}
        lines = [f"    {name}: {value}" for name, value in facts.items()]
        self.writer.add_text("run", "\n".join(lines), total)
        for record in records:
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
        self.album.add_image("pictures", grid, progress.total, dataformats="HWC")
        self.album.flush()

    def close(self) -> None:
        for writer in (self.writer, self.album):
            if writer:
                writer.close()
