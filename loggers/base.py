"""The interface of a logger, and all loggers of a run as one."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tqdm import tqdm

from loggers.records import Record
from training.progress import Progress
from util.errors import UserError

if TYPE_CHECKING:  # for the names of types alone
    from data.scene import Scene


class Logger:
    """The interface. `picture_freq` is how often, in pictures, it wants scenes; 0: never."""

    name = "logger"
    picture_freq = 0

    def step(self, progress: Progress) -> None:
        """After every batch; must not wait for the device."""

    def report(self, progress: Progress, record: Record) -> None:
        """Losses and facts, now and then; see `make_record`."""

    def pictures(self, progress: Progress, scenes: "Mapping[str, Scene]") -> None:
        """Scenes on the CPU by role: real_A, fake_B, rec_A, …"""

    def close(self) -> None:
        """At the end of the run, also when it fails."""


class Loggers:
    """All loggers of a run as one; closed at the end, whatever happens.

    A log that cannot be written, on a full disk say, or a picture to show that cannot be read is
    told once and does not end a run.
    """

    def __init__(self, loggers: list[Logger], get_scenes: "Callable[[], Mapping[str, Scene]]"):
        self.loggers = loggers
        self.get_scenes = get_scenes
        self.failed: set[str] = set()

    def attempt(self, who: str, call: Callable, *arguments):
        """What `call` returns; None, told once for each `who`, if a file cannot be had."""
        try:
            return call(*arguments)
        except (OSError, UserError) as error:
            if who not in self.failed:
                self.failed.add(who)
                tqdm.write(f"note: {who}: {error}; the run goes on")
            return None

    def __enter__(self) -> "Loggers":
        return self

    def __exit__(self, *_) -> None:
        for logger in self.loggers:
            logger.close()

    def step(self, progress: Progress) -> None:
        for logger in self.loggers:
            logger.step(progress)

    def report(self, progress: Progress, record: Record) -> None:
        for logger in self.loggers:
            self.attempt(logger.name, logger.report, progress, record)

    def pictures(self, progress: Progress, last: bool = False) -> None:
        """Make scenes if a logger's turn has come, or if these are the last ones."""
        wanting = [
            x for x in self.loggers if x.picture_freq and (last or progress.due(x.picture_freq))
        ]
        if wanting:
            scenes = self.attempt("pictures to show", self.get_scenes)
            for logger in wanting if scenes else ():
                self.attempt(logger.name, logger.pictures, progress, scenes)
