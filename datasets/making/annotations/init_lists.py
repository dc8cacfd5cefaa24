"""The two layouts in which labels of INIT's own pictures go round: lists of boxes as text.

One file with a block for each picture, and empty lines between blocks:

    0                          a number
    sunny/0001.png             the picture
    1208 1920                  its height and width, or the other way round
    0
    2                          how many boxes
    car 12.0 40.5 80.0 96.0    a class and the edges left, top, right and bottom, in pixels
    person 200 50.5 230 120

Or a file for each picture, in a folder for a domain and phase: the picture in the first line,
something else in the second, and from the third on a box in each.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from data.pictures import SUFFIXES
from datasets.making.annotations.document import (
    AnnotatedPicture,
    Document,
    Instance,
    Request,
    unique_keys,
)
from datasets.making.annotations.regions import NoRegionError, rectangle_between
from datasets.making.sources import OTHER_CATEGORY
from util.errors import UserError
from util.files import read_lines

PICTURE = re.compile(rf".*?({'|'.join(map(re.escape, sorted(SUFFIXES)))})(?=\s|$)", re.IGNORECASE)
Line = tuple[int, str]  # counted from 1


def read_list(path: Path, split: str, request: Request) -> Document:
    """One file with a block for each picture."""
    document = Document(path, split)
    for block in blocks_of(path):
        if len(block) < 5:
            refuse(path, block[0], "a block has a number, a picture, its size, 0 and a count")
        (_, picture), count = block[1], block[4]
        if not count[1].isdecimal() or int(count[1]) != len(block) - 5:
            refuse(path, count, f"it says how many boxes follow, and {len(block) - 5} do")
        add_picture(document, picture, block[5:], request, path, size_in(block[2][1]))
    unique_keys(document)
    return document


def read_texts(folder: Path, split: str, request: Request) -> Document:
    """A folder with a file for each picture."""
    document = Document(folder, split)
    for path in sorted(folder.rglob("*.txt")):
        lines = [(n, text.strip()) for n, text in enumerate(read_lines(path), 1)]
        if not lines or not (found := PICTURE.match(lines[0][1])):
            refuse(path, lines[0] if lines else (1, ""), "the first line begins with a picture")
        boxes = [line for line in lines[2:] if line[1]]
        add_picture(document, found[0], boxes, request, path)
    unique_keys(document)
    return document


def blocks_of(path: Path) -> Iterator[list[Line]]:
    """The lines between empty ones."""
    lines = ((number, text.strip()) for number, text in enumerate(read_lines(path), 1))
    for there, block in groupby(lines, key=lambda line: bool(line[1])):
        if there:
            yield list(block)


def size_in(text: str) -> tuple[int, int] | None:
    """The first two numbers of a line that says how large a picture is; None if it has none."""
    found = [int(word) for word in re.findall(r"\d+", text)[:2]]
    return (found[0], found[1]) if len(found) == 2 and min(found) > 0 else None


def add_picture(
    document: Document,
    name: str,
    boxes: Iterable[Line],
    request: Request,
    path: Path,
    size: tuple[int, int] | None = None,
) -> None:
    """A picture with its boxes of wanted classes."""
    key = Path(name.replace("\\", "/")).with_suffix("").as_posix()
    picture = AnnotatedPicture(key, name, size)
    for line in boxes:
        document.read += 1
        category, *numbers = line[1].split()
        document.categories.add(category)
        if not request.wants(category):
            document.leave_out(OTHER_CATEGORY)
            continue
        try:
            left, top, right, bottom = map(float, numbers)
            region = rectangle_between(left, top, right, bottom)
            label = f"line {line[0]} of {path}"
            picture.instances.append(Instance(label, category, region))
        except NoRegionError as error:
            document.leave_out(str(error), category)
        except ValueError:
            refuse(path, line, "a box is a class and four numbers")
    document.pictures.append(picture)


def refuse(path: Path, line: Line, reason: str):
    raise UserError(f"{path}, line {line[0]} {line[1]!r}: {reason}; mend it, or name another file")
