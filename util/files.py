"""Files that are either whole or absent."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: two processes may then do the same work, each whole
    fcntl = None


def write_atomic(path: Path, write: Callable) -> None:
    """Call `write` with a binary file beside `path`, then rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    write_atomic(path, lambda file: file.write(text.encode()))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time is inside for the same path; a killed one lets go."""
    with open(path.with_name(f".{path.name}.lock"), "w") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def staged(root: Path) -> Iterator[Path]:
    """A folder beside `root` that takes its place when all went well and is gone otherwise."""
    root = root.absolute()
    folder = root.with_name(f".{root.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir(parents=True)
    try:
        yield folder
        replace_folder(folder, root)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def replace_folder(folder: Path, root: Path) -> None:
    """Put `folder` where `root` is; what was there goes last: one of them is always whole."""
    old = root.with_name(f".{root.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if root.exists():
        root.rename(old)
    folder.rename(root)
    shutil.rmtree(old, ignore_errors=True)
