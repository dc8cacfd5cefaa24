"""What breaks: disks, clocks and losses in a run's own process, and what is around it."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import util.files
from models.unpaired import UnpairedModel

# ---- sabotage, in the run's own process


def slow_disk() -> None:
    honest = os.fsync

    def slow(handle: int) -> None:
        time.sleep(0.05)
        honest(handle)

    util.files.os.fsync = slow


def jumping_clock() -> None:
    honest, calls = time.time, []

    def jumping() -> float:
        calls.append(1)
        return honest() + (-1) ** len(calls) * 1e8

    time.time = jumping


def spoil(step: int) -> None:
    """The generators' losses of one step are not finite."""
    steps, train_step = [], UnpairedModel.train_step
    losses_of = UnpairedModel.generator_losses

    def counted(self, scenes):
        steps.append(1)
        train_step(self, scenes)

    def spoilt(self, *arguments):
        losses, moved = losses_of(self, *arguments)
        bad = len(steps) == step
        return {n: x * float("nan") if bad else x for n, x in losses.items()}, moved

    spoilt.__name__ = losses_of.__name__
    UnpairedModel.train_step, UnpairedModel.generator_losses = counted, spoilt


# ---- surroundings


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Callable]:
    """A folder on a disk of its own of a few megabytes, and a function that fills or frees it.

    Raises SystemExit where none can be mounted.
    """
    folder.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    if subprocess.run(words, capture_output=True).returncode:
        raise SystemExit("error: a small disk cannot be mounted: run this as root")
    filler = folder / "filler"

    def fill(full: bool = True) -> None:
        if not full:
            filler.unlink()
            return
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass

    try:
        yield fill
    finally:
        subprocess.run(["umount", str(folder)], capture_output=True)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
