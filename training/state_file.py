"""A file of tensors and plain values that is known to be whole.

It is what torch.save writes, a zip, whose comment is the SHA-256 of all that stands before it:
PyTorch reads it like any other, and one that is torn or altered is known before anything is read.
"""

import hashlib
import os
import pickle
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import torch

from util.errors import UserError
from util.files import write_atomic

DIGITS = 64  # of the hash, in hexadecimal
CHUNK = 1 << 20


class TornError(UserError):
    """A file that is not whole, or not what was written: the fact, and what to do about it."""

    def __init__(self, fact: str):
        super().__init__(f"{fact}: use another copy of it")
        self.fact = fact


def write_state(path: Path, content: Mapping) -> None:
    """Write tensors and plain values with their hash, whole or not at all. Raises OSError."""

    def write(file: BinaryIO) -> None:
        save(content, file)
        file.seek(-2, os.SEEK_END)  # where a zip says how long its comment is
        file.write(struct.pack("<H", DIGITS))
        digits = hash_of(file, file.tell())
        file.seek(0, os.SEEK_END)
        file.write(digits)

    write_atomic(path, write)


def save(content: Mapping, file: BinaryIO) -> None:
    """torch.save, but a full disk is an OSError and not one of PyTorch's RuntimeErrors."""
    telling = Telling(file)
    try:
        torch.save(content, telling)
    except RuntimeError:
        if telling.error:
            raise telling.error from None
        raise


class Telling:
    """A binary file for writing that remembers why it could not be written."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.error: OSError | None = None

    def write(self, data) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self.file.flush()


def read_state(path: Path) -> dict:
    """What was written. Raises TornError if the file is not whole, UserError if it is another."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - DIGITS))
            end = file.read()
            plain = end[-22:-18] == b"PK\5\6" and end[-2:] == b"\0\0"  # a zip without a comment
            if not plain and hash_of(file, size - DIGITS) != end:
                raise TornError(f"{path} is not whole, or not what was written")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from None
    return load_file(path)


def hash_of(file: BinaryIO, length: int) -> bytes:
    """The SHA-256 of a file's first bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    file.seek(0)
    while length > 0 and (chunk := file.read(min(CHUNK, length))):
        digest.update(chunk)
        length -= len(chunk)
    return digest.hexdigest().encode()


def load_file(path: Path) -> dict:
    """A file of tensors and plain values, on the CPU; nothing in it is executed.

    Raises TornError if it is not whole, UserError if it holds more than tensors and plain values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of a strange file is an error
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than weights and was not loaded: get it from its source again"
        ) from None
    except Exception as error:  # a broken pickle makes the unpickler stumble in any way
        raise TornError(
            f"{path} cannot be read, it may be truncated ({first_line(error)})"
        ) from None
    if not isinstance(content, Mapping):
        raise UserError(f"{path} is no checkpoint: it holds a {type(content).__name__}")
    return content


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
