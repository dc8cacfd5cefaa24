"""A thread between a run and a board that shows it: a slow or absent one costs the run nothing."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from loggers.base import Logger
from loggers.records import FILE, Record, continuous, read_records
from training.progress import Progress

if TYPE_CHECKING:  # for the names of types alone
    from data.scene import Scene

RECORDS, PICTURES = 1000, 2  # that wait for a board; of more the oldest are dropped
RETRY = (2.0, 60.0)  # seconds between attempts to reach a board, doubling from first to last
DRAIN = 5.0  # seconds that the end of a run waits for a board


class MissingError(Exception):
    """A board that cannot be had in this installation; there is no use in trying again."""


class Board:
    """Something that shows a run: a dashboard, a page. All calls come from one thread.

    Any of them may raise anything; the board is then opened again later, with all records so far.
    """

    name = "board"
    trouble = "does not answer"
    advice = ""  # how to have it, or to be rid of the note

    def open(self, records: Sequence[Record]) -> None:
        """Make the client, and show what there is of the run. Raises MissingError if it cannot."""

    def record(self, records: Sequence[Record]) -> None:
        """Show the last of a run's records."""

    def pictures(self, progress: Progress, scenes: "Mapping[str, Scene]") -> None:
        """Show scenes on the CPU, by role: real_A, fake_B, rec_A, …"""

    def close(self) -> None:
        """The run has ended."""


class Worker(Logger):
    """Keeps what a run reports until its board has shown it, in a thread of its own.

    No record is lost: a board that comes back gets all that stand in `metrics.jsonl`. Of pictures
    the last ones are kept.
    """

    def __init__(self, board: Board, folder: Path, picture_freq: int, retry=RETRY, drain=DRAIN):
        self.board = board
        self.name = board.name
        self.folder = folder
        self.freq = picture_freq
        self.retry, self.drain = retry, drain
        self.records: deque[Record] = deque(maxlen=RECORDS)
        self.waiting: deque[tuple[Progress, Mapping]] = deque(maxlen=PICTURES)
        self.news = threading.Condition()
        self.ending = False
        self.overflowed = False  # records were dropped that stand in the log alone
        self.told: set[str] = set()
        self.thread = threading.Thread(target=self.work, daemon=True, name=board.name)
        self.thread.start()

    # ---- called by the run

    @property
    def picture_freq(self) -> int:
        return self.freq if self.thread.is_alive() else 0

    def report(self, progress: Progress, record: Record) -> None:
        self.overflowed |= len(self.records) == RECORDS
        self.put(self.records, record)

    def pictures(self, progress: Progress, scenes: "Mapping[str, Scene]") -> None:
        self.put(self.waiting, (Progress(**progress.state_dict()), scenes))

    def put(self, queue: deque, item) -> None:
        if self.thread.is_alive():
            with self.news:
                queue.append(item)
                self.news.notify()

    def close(self) -> None:
        """Let the board show what it still can within a time limit."""
        with self.news:
            self.ending = True
            self.news.notify()
        self.thread.join(self.drain)

    # ---- the thread

    def work(self) -> None:
        pause, last = self.retry[0], False
        while True:
            try:
                self.show_all()
                return
            except MissingError as error:
                self.tell(f"{error}; logs go on")
                return
            except Exception as error:  # whatever a board does, the run goes on without it
                self.tell(
                    f"{self.board.name} {self.board.trouble} ({reason(error)}); the run and its "
                    f"logs go on, and what it missed is sent later ({self.board.advice})"
                )
            if last:
                return
            with self.news:  # at the end there is one more attempt
                last = self.news.wait_for(lambda: self.ending, timeout=pause)
            pause = min(2 * pause, self.retry[1])

    def show_all(self) -> None:
        """Open the board and show it everything until the run ends. Raises what the board does."""
        shown = continuous(read_records(self.folder / FILE))
        self.board.open(shown)
        if self.told:
            self.tell(f"{self.board.name} has been sent what it missed")
        while True:
            with self.news:
                self.news.wait_for(lambda: self.records or self.waiting or self.ending)
                record = self.records.popleft() if self.records else None
                pictures = self.waiting[0] if self.waiting else None
            if record is not None:
                self.show(record, shown)
            elif pictures is not None:
                self.board.pictures(*pictures)
                with self.news:  # now that they are shown, unless newer ones took their place
                    if self.waiting and self.waiting[0] is pictures:
                        self.waiting.popleft()
            else:
                self.board.close()
                return

    def show(self, record: Record, shown: list[Record]) -> None:
        """Show a record unless it was read from the file; one of an earlier place cuts the rest."""
        if self.overflowed:
            self.overflowed = False
            shown[:] = continuous(read_records(self.folder / FILE))
            self.board.open(shown)
        after = [own for own in shown[-RECORDS:] if own["total"] >= record["total"]]
        if record in after:
            return
        shown[len(shown) - len(after) :] = [record]
        if after:
            self.board.open(shown)
        else:
            self.board.record(shown)

    def tell(self, text: str) -> None:
        """Each thing once, however often it happens."""
        if text not in self.told:
            self.told.add(text)
            tqdm.write(f"note: {text}")


def reason(error: Exception) -> str:
    """What went wrong in a few words: the file and why, or the kind of error."""
    named = isinstance(error, OSError) and error.filename and error.strerror
    return f"{error.filename}: {error.strerror}" if named else type(error).__name__
