"""Pascal VOC's format of boxes: an XML file for each picture."""

from pathlib import Path
from xml.etree import ElementTree

from datasets.making.annotations.document import (
    NO_CATEGORY,
    AnnotatedPicture,
    Document,
    Instance,
    Request,
    unique_keys,
)
from datasets.making.annotations.regions import NoRegionError, rectangle_between
from datasets.making.sources import OTHER_CATEGORY
from util.errors import UserError

EDGES = ("xmin", "ymin", "xmax", "ymax")


def read(folder: Path, split: str, request: Request) -> Document:
    """All XML files below a folder, each a picture with its objects."""
    document = Document(folder, split)
    for path in sorted(folder.rglob("*.xml")):
        root = parsed(path)
        name = text_of(root, "filename") or f"{path.stem}.*"
        key = path.relative_to(folder).with_suffix("").as_posix()
        picture = AnnotatedPicture(key, name, size_of(root, path))
        for number, entry in enumerate(root.findall("object")):
            document.read += 1
            add(picture, document, entry, request, f"object {number} of {path}")
        document.pictures.append(picture)
    unique_keys(document)
    return document


def refuse(path: Path, reason: str):
    raise UserError(f"{path} is not in Pascal VOC's format of boxes ({reason}): mend it")


def parsed(path: Path) -> ElementTree.Element:
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        refuse(path, f"it is no XML: {error}")
    if root.tag != "annotation":
        refuse(path, f"it begins with <{root.tag}> and not with <annotation>")
    return root


def add(
    picture: AnnotatedPicture,
    document: Document,
    entry: ElementTree.Element,
    request: Request,
    label: str,
) -> None:
    """One object, if it is of a wanted class."""
    category = text_of(entry, "name")
    document.categories |= {category} - {""}
    if not category or not request.wants(category):
        document.leave_out(OTHER_CATEGORY if category else NO_CATEGORY)
        return
    try:
        left, top, right, bottom = (float(text_of(entry, f"bndbox/{edge}")) for edge in EDGES)
        region = rectangle_between(left - 1, top - 1, right, bottom)  # pixels are counted from 1
        picture.instances.append(Instance(label, category, region))
    except NoRegionError as error:
        document.leave_out(str(error), category)
    except ValueError as error:
        refuse(document.path, f"{label} has no box of four numbers: {error}")


def size_of(root: ElementTree.Element, path: Path) -> tuple[int, int] | None:
    """(height, width) as annotated; None where a tool left it out or wrote 0."""
    found = [text_of(root, f"size/{side}") for side in ("height", "width")]
    try:
        height, width = (round(float(text or 0)) for text in found)
    except (ValueError, OverflowError):
        refuse(path, f"its size is {' x '.join(found)}")
    return (height, width) if height > 0 and width > 0 else None


def text_of(root: ElementTree.Element, place: str) -> str:
    return (root.findtext(place) or "").strip()
