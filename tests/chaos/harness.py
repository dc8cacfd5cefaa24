"""Real small trainings in processes of their own, and ways to break them.

One process imports everything and forks a child for every run, so that a run begins in a moment. It
computes nothing with torch itself: children inherit no threads.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import train
from loggers.records import read_records
from training.state_file import read_state
from util.errors import UserError

LIMIT = 120.0  # seconds that a run may take
WORDS = (
    "--gpu_ids -1 --ngf 4 --ndf 4 --n_blocks 1 --load_size 36 --crop_size 32 --dropout "
    "--set_order random --pool_size 3 --batch_size 2 --ins_per 1 --ins_max 2 --display_id 0 "
    "--niter 2 --niter_decay 2 --print_freq 2 --save_latest_freq 4 --save_epoch_freq 2 "
    "--update_html_freq 8 --resume auto"
)


@dataclass
class Run:
    """A training in a folder of its own that is begun and continued by one command."""

    data: Path
    folder: Path
    words: str = ""
    sabotage: Callable[[], None] = lambda: None  # called in the child, before it begins
    codes: list[int] = field(default_factory=list)

    def start(self) -> int:
        """Fork a child that runs train.py; returns its process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        sys.stdout.flush()
        if child := os.fork():
            return child
        code = 1
        try:
            os.setsid()
            os.chdir(self.folder)
            log = os.open("console.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1), os.dup2(log, 2)
            sys.stdout, sys.stderr = (os.fdopen(i, "w", buffering=1) for i in (1, 2))
            torch.set_num_threads(1)
            self.sabotage()
            train.main(
                ["--dataroot", str(self.data), "--name", "r", *WORDS.split(), *self.words.split()]
            )
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    def finish(self, child: int) -> int:
        """Wait for it; returns its status as a shell has it. Raises TimeoutError."""
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                code = os.waitstatus_to_exitcode(status)
                self.codes.append(code if code >= 0 else 128 - code)
                return self.codes[-1]
            time.sleep(0.005)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise TimeoutError(f"{self.folder}: still running after {LIMIT:.0f} s")

    def run(self) -> int:
        return self.finish(self.start())

    def hit(self, number: int, after: float) -> int:
        """Start it and send a signal after so many seconds, if it is still there."""
        child = self.start()
        time.sleep(after)
        os.kill(child, number)
        return self.finish(child)

    # ---- what it left

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints/r"

    def state(self) -> dict | None:
        """The saved state, None if there is none yet. Raises UserError if it is torn."""
        path = self.checkpoints / "state.pt"
        return read_state(path) if path.is_file() else None

    def pictures(self) -> tuple[int, int]:
        """Pictures in the saved state, and in the log."""
        state, records = self.state(), read_records(self.checkpoints / "metrics.jsonl")
        saved = state["progress"]["total"] if state else 0
        return saved, max(saved, records[-1]["total"] if records else 0)

    def told(self) -> str:
        return (self.folder / "console.txt").read_text(errors="replace")


@dataclass
class Outcome:
    """What a kind of fault did to the runs that had it."""

    fault: str
    tried: int = 0
    lost: int = 0  # pictures at most between the last save and the end
    torn: int = 0  # state files that were not whole
    stuck: int = 0  # runs that could not go on
    different: int = 0  # runs whose end is not the unbroken one's
    tracebacks: int = 0

    def note(self, run: Run) -> None:
        """Count a fault that has happened to a run, by what it left."""
        self.tried += 1
        try:
            saved, logged = run.pictures()
            self.lost = max(self.lost, logged - saved)
        except UserError:
            self.torn += 1

    def end(self, run: Run, whole: dict) -> None:
        """Let the run go on to its end, and compare."""
        try:
            code = run.run()
        except TimeoutError:
            code = -1
        self.stuck += code != 0
        self.different += code == 0 and not same(numbers_of(run.state()), numbers_of(whole))
        self.tracebacks += "Traceback" in run.told()

    @property
    def good(self) -> bool:
        return not (self.torn or self.stuck or self.different or self.tracebacks)

    def row(self) -> list[str]:
        counts = (self.tried, self.torn, self.stuck, self.different, self.tracebacks, self.lost)
        return [self.fault, *map(str, counts)]


HEADER = [
    "fault".ljust(28),
    "tried",
    "torn",
    "stuck",
    "different",
    "tracebacks",
    "pictures lost at most",
]


def numbers_of(state: dict | None) -> dict:
    """All of a state but the options, which name the folder of the data."""
    return {name: value for name, value in (state or {}).items() if name != "options"}


def same(one, other) -> bool:
    """Whether nested states are equal to the bit."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def durations(run: Run) -> float:
    """Seconds that an unbroken run takes."""
    start = time.monotonic()
    if code := run.run():
        raise RuntimeError(f"an unbroken run ended with {code}:\n{run.told()}")
    return time.monotonic() - start


def moments(count: int, seconds: float, seed: int) -> Sequence[float]:
    draw = random.Random(seed)
    return [draw.uniform(0, seconds) for _ in range(count)]
