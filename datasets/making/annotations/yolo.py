"""YOLO's format of segments: a text file for each picture, a polygon a line, in shares of it."""

from collections import defaultdict
from pathlib import Path

from datasets.making.annotations.document import (
    UNKNOWN_CATEGORY,
    AnnotatedPicture,
    Document,
    Instance,
    Request,
    unique_keys,
)
from datasets.making.annotations.regions import NoRegionError, Polygons
from datasets.making.annotations.splits import split_in
from util.errors import UserError
from util.files import read_lines

TITLE = "YOLO"
NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml", "classes.txt", "obj.names")
NOT_LABELS = ("classes.txt", "readme", "requirements.txt", "train.txt", "val.txt", "test.txt")


def read(request: Request) -> list[Document]:
    """A document for each split that the folders' names say; `train` where they say none."""
    names = class_names(request.root)
    by_split: dict[str, list[Path]] = defaultdict(list)
    typed = list(request.annotations)
    for split, path in typed or [("", path) for path in label_files(request.root)]:
        by_split[split or split_in(path, request.root) or "train"].append(path)
    return [document_of(split, paths, names, request) for split, paths in by_split.items()]


def label_files(root: Path) -> list[Path]:
    """The text files below folders called `labels`; all of them if there is no such folder."""
    found = [p for p in sorted(root.rglob("*.txt")) if not p.name.lower().startswith(NOT_LABELS)]
    return [path for path in found if "labels" in path.relative_to(root).parts] or found


def document_of(split: str, paths: list[Path], names: list[str], request: Request) -> Document:
    document = Document(request.root, split, {*names} - {""}, folders=[request.root])
    for path in paths:
        found = list(instances_of(path, names, document))
        below = path.relative_to(request.root) if path.is_relative_to(request.root) else path
        parts = ["images" if part == "labels" else part for part in below.parts]
        key = Path(*parts).with_suffix("").as_posix()
        document.pictures.append(AnnotatedPicture(key, f"{key}.*", None, found))
    unique_keys(document)
    return document


def instances_of(path: Path, names: list[str], document: Document):
    """The polygons of a file; lines without an area are counted."""
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if not words:
            continue
        document.read += 1
        try:
            kind, *numbers = map(float, words)
            if not kind.is_integer():
                raise ValueError
        except ValueError:
            said = f"{line[:40]!r} is no class and its coordinates"
            raise UserError(f"{path}, line {number}: {said}") from None
        category = names[int(kind)] if 0 <= kind < len(names) else ""
        try:
            if not category:
                raise NoRegionError(UNKNOWN_CATEGORY)
            yield Instance(f"line {number}", category, region_of(path, number, numbers))
        except NoRegionError as error:
            document.leave_out(str(error), category)


def region_of(path: Path, number: int, shares: list[float]) -> Polygons:
    """A polygon of shares. Raises NoRegionError for a box and UserError for what is neither."""
    if len(shares) <= 5:  # of a box; a fifth number is how sure a detector was
        raise NoRegionError("that are boxes, not polygons")
    if len(shares) % 2:
        raise UserError(
            f"{path}, line {number}: {len(shares)} coordinates are not pairs: export it again, "
            "without confidences"
        )
    if not max(map(abs, shares)) <= 2:  # nor is NaN
        raise UserError(
            f"{path}, line {number}: {max(shares):g} is no share of the picture, from 0 to 1"
        )
    return Polygons([shares], shares=True)


# ---- the names of the classes


def class_names(root: Path) -> list[str]:
    """From data.yaml, classes.txt or obj.names; a class's number is its place."""
    path = next((root / name for name in NAMES if (root / name).is_file()), None)
    if path is None:
        raise UserError(f"--data_root {root}: no {', '.join(NAMES[::2])} with the classes' names")
    if path.suffix in (".txt", ".names"):
        return [line.strip() for line in read_lines(path)]  # an empty one has a number, too
    contents = load_yaml(path)
    names = contents.get("names") if isinstance(contents, dict) else None
    if not names:
        raise UserError(f"{path} has no 'names' of classes: add them, a list or numbered")
    if "kpt_shape" in contents:
        raise UserError(
            f"{path} is of keypoints (kpt_shape), which have no area: export the segments instead"
        )
    if isinstance(names, list):
        return [str(name) for name in names]
    try:
        numbered = {int(number): str(name) for number, name in names.items()}
        return [numbered.get(i, "") for i in range(max(numbered) + 1)]
    except (AttributeError, TypeError, ValueError):
        raise UserError(f"{path}: its 'names' are neither a list nor numbered names") from None


def load_yaml(path: Path):
    try:
        import yaml
    except ImportError:
        raise UserError(
            f"{path} needs a package: pip install pyyaml; or write the names, one a line, into "
            f"{path.with_name('classes.txt')}, and take the other away"
        ) from None
    try:
        return yaml.safe_load("\n".join(read_lines(path)))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML: {str(error).splitlines()[0]}") from None
