"""What every format is read into: pictures, their instances, and what became of the rest."""

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from datasets.making.annotations.regions import Region
from datasets.making.sources import OTHER_CATEGORY
from util.errors import UserError

CROWD = "marked as crowds (iscrowd 1, as some tools write for every brush mask: --crowd keep)"
NO_CATEGORY = "without a category"
UNKNOWN_CATEGORY = "of a category that is not listed"
TWICE = "that stand twice"
NO_AREA = "without an area, such as points and lines"


@dataclass(frozen=True)
class Instance:
    """One annotated instance.

    label     what messages call it: `annotation 12`
    box       x, y, width, height, if its file gives them beside the region
    identity  its id in the file, '' where there are none
    """

    label: str
    category: str
    region: Region
    box: object = None
    identity: str = ""


@dataclass
class AnnotatedPicture:
    """One picture as an annotation file has it.

    key   its id, which no other picture of the split has; it becomes the stem in the dataset
    file  its name or path, as it is written in the file
    size  (height, width) as annotated; None if the file does not say
    """

    key: str
    file: str
    size: tuple[int, int] | None = None
    instances: list[Instance] = field(default_factory=list)


@dataclass
class Document:
    """The annotations of one split.

    path        the file, or the folder of files, that they are from
    categories  all names there are
    read        how many annotations there are; each is an instance of a picture or in left_out
    left_out    by (category, reason); the category is '' for what has none that is wanted
    folders     where its pictures may lie, the likeliest first
    """

    path: Path
    split: str
    categories: set[str] = field(default_factory=set)
    pictures: list[AnnotatedPicture] = field(default_factory=list)
    read: int = 0
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    folders: list[Path] = field(default_factory=list)

    def leave_out(self, reason: str, category: str = "") -> None:
        self.left_out[category, reason] += 1


@dataclass(frozen=True)
class Request:
    """What is asked of a format.

    root         the folder of the annotations
    annotations  (split, file) that were typed; '' for a split that was not
    wanted       names of the categories of both domains; None: all
    crowds       whether crowds count as instances
    boxes        whether a box will do where there is no region
    bare         whether pictures without an instance are listed as well
    """

    root: Path
    annotations: tuple[tuple[str, Path], ...]
    wanted: frozenset[str] | None
    crowds: bool
    boxes: bool = False
    bare: bool = False

    def wants(self, category: str) -> bool:
        return self.wanted is None or category in self.wanted


def refuse(path: Path, reason: str, form: str):
    raise UserError(
        f"{path} is not in {form} format ({reason}): mend it, or name the right files by "
        "--annotations, or another --format"
    )


def load_json(path: Path, flag: str = "--annotations"):
    """The contents of a JSON file that was named by a flag. Raises UserError if it is none."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file (see {flag})") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}): fetch it again") from None


def unique_keys(document: Document) -> None:
    """Shorten the keys of pictures, paths, to their last part where no other has the same.

    Raises UserError for pictures that cannot be told apart.
    """
    last = [picture.key.rpartition("/")[2] for picture in document.pictures]
    counts = Counter(last)
    for picture, short in zip(document.pictures, last, strict=True):
        picture.key = short if counts[short] == 1 else picture.key
    seen: dict[str, AnnotatedPicture] = {}
    for picture in document.pictures:
        if (first := seen.setdefault(picture.key, picture)) is not picture:
            raise UserError(
                f"{document.path}: {first.file} and {picture.file} are two pictures of one name: "
                "put what is annotated of a picture into one entry, or rename one of them"
            )


def keep_wanted(document: Document, wanted: Collection[str]) -> None:
    """Leave out instances of categories that are not `wanted`, and those that stand twice.

    Twice is the same region of one picture, category and id.
    """
    for picture in document.pictures:
        kept: dict[str, Instance] = {}
        for instance in picture.instances:
            key = repr((instance.identity, instance.category, instance.region))
            if instance.category not in wanted:
                document.leave_out(OTHER_CATEGORY)
            elif kept.setdefault(key, instance) is not instance:
                document.leave_out(TWICE, instance.category)
        picture.instances = list(kept.values())
