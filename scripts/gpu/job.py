"""One check at work: its commands, each in a process of its own, its log and its time limit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

PATIENCE = 5.0  # seconds that a command has to end by itself when it is told to
PAUSE = 0.02  # seconds between two looks at a command


class Failed(Exception):  # noqa: N818, as are the others, what became of a check
    """The check did not pass; the text says why in one line."""


class Skipped(Exception):  # noqa: N818
    """The check cannot be made here; the text says why in one line."""


class OutOfTime(Exception):  # noqa: N818
    """The commands of the check did not end in time."""


class Job:
    """Runs the commands of one check in a folder of its own, until `seconds` are over.

    device is the value of --gpu_ids. All that the commands print goes into the log.
    """

    def __init__(self, folder: Path, log: Path, seconds: float, device: str):
        self.folder = folder
        self.log = log
        self.device = device
        self.deadline = time.monotonic() + seconds
        self.figures: dict | None = None  # of the speed table
        folder.mkdir(parents=True)
        log.parent.mkdir(parents=True, exist_ok=True)

    def python(
        self, *words: str | Path, expected: int = 0, stop_when: Callable[[], bool] = bool
    ) -> str:
        """Run Python with these words, and return what it printed.

        It gets a SIGTERM once `stop_when` is true. Raises Failed if its exit code is not the
        expected one, OutOfTime if it has to be ended.
        """
        begin = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, *map(str, words)]
        with open(self.log, "ab", buffering=0) as log:
            log.write(f"$ {' '.join(command)}\n".encode())
            code = self.wait(command, log, stop_when)
        said = self.log.read_bytes()[begin:].decode(errors="replace").partition("\n")[2]
        if code != expected:
            raise Failed(f"ended with {code}: {reason(said)}")
        return said

    def wait(self, command: Sequence[str], log, stop_when: Callable[[], bool]) -> int:
        """The exit code of a command."""
        told = False
        with started(command, log, self.folder, self.environment()) as process:
            while process.poll() is None:
                if time.monotonic() > self.deadline:
                    raise OutOfTime
                if not told and (told := stop_when()):
                    process.send_signal(signal.SIGTERM)
                time.sleep(PAUSE)
        return process.returncode

    def environment(self) -> dict[str, str]:
        """Nothing is kept back from the log, and nothing was compiled before."""
        own = {
            "PYTHONUNBUFFERED": "1",
            "TORCHINDUCTOR_CACHE_DIR": str(self.folder / "compiled"),
            "TRITON_CACHE_DIR": str(self.folder / "triton"),
        }
        return os.environ | own | ({"CUDA_VISIBLE_DEVICES": ""} if self.device == "-1" else {})


def reason(said: str) -> str:
    """The line that says best why a command failed: an error of ours, of Python, or the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith("error: ")]
    raised = [line for line in lines if line.split(":")[0].endswith(("Error", "Exception"))]
    return (ours[:1] or raised[-1:] or lines[-1:] or ["it printed nothing"])[0]


# ---- processes


@contextmanager
def started(
    command: Sequence[str], log, folder: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen]:
    """A process that leads a group of its own; at the end of the block none of it is left."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started: asked first, forced after a while."""
    groups = {process.pid}
    if process.poll() is None:
        groups |= groups_below(process.pid)
        send(groups, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        groups |= groups_below(process.pid)
    send(groups, signal.SIGKILL)
    process.wait()


def send(groups: set[int], number: int) -> None:
    for group in groups - {os.getpgrp()}:
        with suppress(OSError):  # it is gone
            os.killpg(group, number)


def groups_below(process: int) -> set[int]:
    """The process groups of all that a process started, where the system tells of them (/proc).

    torchrun, for one, starts every process in a group of its own.
    """
    children: dict[int, list[tuple[int, int]]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append((int(path.parent.name), int(fields[2])))
    groups, found = set(), [process]
    while found:
        for number, group in children.get(found.pop(), ()):
            found.append(number)
            groups.add(group)
    return groups
