"""Pictures that annotation files name as they lay on another machine."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from data.pictures import is_picture, list_files, stem_of
from util.errors import UserError


class PictureFinder:
    """Finds the file of a picture below a folder, and none outside of it.

    A name that is a path in the folder is that file. Any other, one with backslashes or of another
    machine or server, is found by the longest end of its path that a file has, if only one has it.
    `STEM.*` stands for a picture with any suffix.
    """

    def __init__(self, folder: Path, flag: str = "--images"):
        """flag is the one that the folder is named by."""
        self.folder = folder
        self.flag = flag

    @cached_property
    def by_stem(self) -> dict[str, list[str]]:
        """Paths of all pictures below the folder by their stems, in small letters."""
        found = defaultdict(list)
        for file in filter(is_picture, list_files(self.folder)):
            found[stem_of(split(file)[-1]).casefold()].append(file)
        return found

    def find(self, name: str) -> tuple[Path | None, bool]:
        """The file, None if there is none, and whether its path had to be guessed.

        Raises UserError if several files fit.
        """
        if path := self.at(name):
            return path, False
        for parts in readings(name):
            for fold in (unchanged, str.casefold):
                if file := self.by_end([fold(part) for part in parts], fold, name):
                    return self.folder / file, True
        return None, False

    def at(self, name: str) -> Path | None:
        """The file at exactly this path in the folder."""
        path = Path(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            return None
        if path.suffix != ".*":
            return self.folder / path if (self.folder / path).is_file() else None
        beside = split(path.as_posix())[:-1]
        same = self.by_stem.get(stem_of(path.name).casefold(), ())
        found = [
            file
            for file in same
            if split(file)[:-1] == beside and stem_of(file) == stem_of(path.as_posix())
        ]
        if len(found) > 1:
            raise self.ambiguous(name, *found[:2])
        return self.folder / found[0] if found else None

    def ambiguous(self, name: str, first: str, second: str) -> UserError:
        return UserError(
            f"{name} may be {self.folder / first} or {self.folder / second}: name the folder of "
            f"the pictures by {self.flag}, or make the file names differ"
        )

    def by_end(self, parts: list[str], fold: Callable[[str], str], name: str) -> str:
        """The file whose path has the longest end in common with these parts, or ''."""
        stem, any_suffix = stem_of(parts[-1]), parts[-1].endswith(".*")
        lengths = {}
        for file in self.by_stem.get(stem.casefold(), []):
            own = split(fold(file))
            if any_suffix:
                own[-1] = f"{stem_of(own[-1])}.*"
            lengths[file] = common_end(parts, own)
        longest = max(lengths.values(), default=0)
        found = [file for file, length in lengths.items() if length == longest]
        if not longest:
            return ""
        if len(found) > 1:
            raise self.ambiguous(name, *found[:2])
        return found[0]


def unchanged(part: str) -> str:
    return part


def split(path: str) -> list[str]:
    """The parts of a path with slashes, in one Unicode form."""
    return unicodedata.normalize("NFC", path).split("/")


def common_end(parts: list[str], others: list[str]) -> int:
    """How many parts two paths have in common at their ends."""
    count = 0
    for part, other in zip(reversed(parts), reversed(others), strict=False):
        if part != other:
            break
        count += 1
    return count


def readings(name: str) -> Iterator[list[str]]:
    """The parts that a name may have: as a path of any system, as a URL, with %20 and the like."""
    texts = [name]
    if "://" in name:
        texts = [urlsplit(name).path]
    texts += [text.split("?")[0] for text in texts if "?" in text]
    texts += [unquote(text) for text in texts if "%" in text]
    for text in dict.fromkeys(texts):
        parts = [part for part in split(text.replace("\\", "/")) if part not in ("", ".", "..")]
        if parts:
            yield parts
