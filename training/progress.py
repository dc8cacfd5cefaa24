"""Where a run stands, counted in pictures."""

import time
from dataclasses import asdict, dataclass, fields


@dataclass
class Progress:
    """Counters of a run; they travel in its state file.

    epoch    number of the current epoch, from 1
    images   pictures per domain of it that are done
    total    pictures per domain in all epochs
    step     pictures of the last batch
    best     the best score on the validation pictures so far, the epoch that it is of, and its name
    """

    epoch: int = 1
    images: int = 0
    total: int = 0
    step: int = 0
    best: float | None = None
    best_epoch: int = 0
    best_of: str = ""

    def advance(self, images: int) -> None:
        """Count one batch."""
        self.images += images
        self.total += images
        self.step = images

    def end_epoch(self) -> None:
        self.epoch += 1
        self.images = 0

    def due(self, every: int) -> bool:
        """Whether the last batch passed a multiple of `every` pictures, whatever the batch size."""
        return self.total // every > (self.total - self.step) // every

    def state_dict(self) -> dict:
        return asdict(self)

    def load_state_dict(self, state: dict) -> None:
        for field in fields(self):
            setattr(self, field.name, state.get(field.name, field.default))


class StepTimer:
    """Seconds per picture spent computing and waiting for data, since they were last asked for."""

    def __init__(self):
        self.waited = self.worked = 0.0
        self.images = 0
        self.mark = time.perf_counter()

    def data_ready(self) -> None:
        self.waited += self._lap()

    def step_done(self, images: int) -> None:
        self.worked += self._lap()
        self.images += images

    def forget(self) -> None:
        """Do not count the time since the last call: logging and saving are neither."""
        self._lap()

    def read(self) -> dict[str, float]:
        """`time` and `data` in seconds per picture, `images_per_s`; starts anew."""
        images = max(self.images, 1)
        seconds = max(self.worked + self.waited, 1e-9)
        result = {
            "time": self.worked / images,
            "data": self.waited / images,
            "images_per_s": self.images / seconds,
        }
        self.waited = self.worked = 0.0
        self.images = 0
        return result

    def _lap(self) -> float:
        before, self.mark = self.mark, time.perf_counter()
        return self.mark - before
