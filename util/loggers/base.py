"""The interface of a logger, and all loggers of a run as one."""

from collections.abc import Mapping

from torch import Tensor
from tqdm import tqdm

from util.progress import Progress


class Logger:
    """The interface. `picture_freq` is how often, in pictures, it wants visuals; 0: never."""

    picture_freq = 0

    def step(self, progress: Progress) -> None:
        """After every batch; must not wait for the device."""

    def losses(self, progress: Progress, losses: Mapping[str, float], facts: Mapping) -> None:
        """Losses, and the facts `time`, `data`, `images_per_s` and `lr`, now and then."""

    def pictures(self, progress: Progress, visuals: Mapping[str, Tensor]) -> None:
        """Visuals [B, C, H, W] in [-1, 1] by name."""

    def close(self) -> None:
        """At the end of the run, also when it fails."""


class Loggers:
    """All loggers of a run as one; closed at the end, whatever happens.

    A log or a page that cannot be written, on a full disk say, is told once and does not end a run.
    """

    def __init__(self, loggers: list[Logger]):
        self.loggers = loggers
        self.failed: set[Logger] = set()

    def call(self, logger: Logger, method: str, *arguments) -> None:
        try:
            getattr(logger, method)(*arguments)
        except OSError as error:
            if logger not in self.failed:
                self.failed.add(logger)
                tqdm.write(f"note: {type(logger).__name__} cannot write ({error}); the run goes on")

    def __enter__(self) -> "Loggers":
        return self

    def __exit__(self, *_) -> None:
        for logger in self.loggers:
            logger.close()

    def step(self, progress: Progress) -> None:
        for logger in self.loggers:
            logger.step(progress)

    def losses(self, progress, losses, facts) -> None:
        for logger in self.loggers:
            self.call(logger, "losses", progress, losses, facts)

    def pictures(self, progress: Progress, get_visuals, last: bool = False) -> None:
        """Ask for visuals if a logger's turn has come, or if these are the last ones."""
        wanting = [
            x for x in self.loggers if x.picture_freq and (last or progress.due(x.picture_freq))
        ]
        if wanting:
            visuals = get_visuals()
            if not visuals:  # a run resumed after its last step
                return
            for logger in wanting:
                self.call(logger, "pictures", progress, visuals)
