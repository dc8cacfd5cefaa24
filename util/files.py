"""Files that are either whole or absent."""

import codecs
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from util.errors import UserError

try:
    import fcntl
except ImportError:  # Windows: two processes may then do the same work, each whole
    fcntl = None


HELD: set[int] = set()  # locks of this process, which a process that it forks does not hold
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: [os.close(HELD.pop()) for _ in list(HELD)])


def write_atomic(path: Path, write: Callable) -> None:
    """Call `write` with a binary file beside `path`, then rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(beside, "w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        if error.errno is not None and not error.filename:  # a full disk does not say where
            error.filename = str(path)
        raise
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where a folder can be opened for that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Delete what processes that are gone had begun to write in a folder."""
    for path in folder.glob(".*.tmp"):
        number = path.name.split(".")[-2]
        if number.isdigit() and not running(int(number)):
            path.unlink(missing_ok=True)


def running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8, whole or not at all."""
    write_atomic(path, lambda file: file.write(text.encode(errors="replace")))


def read_lines(path: Path) -> list[str]:
    """The lines of a text file of any system: UTF-8 or UTF-16, with a mark of it or without."""
    content = path.read_bytes()
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if utf16 else "utf-8-sig", "surrogateescape").splitlines()


def write_json(path: Path, content: dict) -> None:
    """Write a JSON file for programs and people, whole or not at all."""
    write_text(path, json.dumps(content, indent=1) + "\n")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time is inside for the same path; a killed one lets go."""
    with open(path.with_name(f".{path.name}.lock"), "w") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def staged(target: Path, flag: str) -> Iterator[Path]:
    """A folder that takes the place of `target` when all went well, and is gone otherwise.

    Raises UserError, which names the flag, if it cannot be written or another process is at it.
    """
    root = target.resolve()
    if root == Path.cwd():
        raise UserError(f"{flag} {target} is the folder you are in: name one below it")
    folder = root.with_name(f".{root.name}.partial")
    made = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with sole_owner(folder, f"{flag} {target}"):
            for path in folder.iterdir():  # of a run that was killed
                remove(path)
            try:
                yield folder
                replace_folder(folder, root)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise cannot_be_written(f"{flag} {target}", error) from None
    finally:
        for parent in made:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def cannot_be_written(what: str, error: OSError) -> UserError:
    """One line for a folder that could not be written, and is gone."""
    # What shutil raises for several files is a list of (source, target, reason).
    reason = error.strerror or (error.args[0][0][2] if isinstance(error, shutil.Error) else error)
    return UserError(
        f"{what} cannot be written ({reason}), and nothing of it is left: make room, or name "
        "another folder"
    )


@contextmanager
def sole_owner(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder or file; it goes when the process does, however that ends."""
    if not fcntl:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    HELD.add(handle)
    try:
        if not locked_now(handle, folder):
            raise UserError(f"{what} is being written by another process: wait, or name another")
        yield
    finally:
        HELD.discard(handle)
        os.close(handle)


def locked_now(handle: int, folder: Path) -> bool:
    """Lock an open folder, unless another process has; a disk without locks is nobody's."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return folder.exists() and os.path.samestat(os.fstat(handle), folder.stat())


def remove(path: Path) -> None:
    """Delete a file or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def replace_folder(folder: Path, root: Path) -> None:
    """Put `folder` where `root` is; what was there goes last: one of them is always whole."""
    old = root.with_name(f".{root.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if root.exists():
        root.rename(old)
    folder.rename(root)
    shutil.rmtree(old, ignore_errors=True)


def keep_as(path: Path, other: Path) -> None:
    """The same file under another name too, in the place of what had it."""
    beside = other.with_name(f".{other.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    try:
        os.link(path, beside)
    except OSError:  # a file system without links
        shutil.copyfile(path, beside)
    os.replace(beside, other)
