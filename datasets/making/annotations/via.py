"""VGG Image Annotator's format (VIA 1 and 2): one JSON file, a project or an export of regions."""

from pathlib import Path

import numpy as np

from datasets.making.annotations.document import (
    NO_AREA,
    NO_CATEGORY,
    AnnotatedPicture,
    Document,
    Instance,
    Request,
    load_json,
    refuse,
    unique_keys,
)
from datasets.making.annotations.regions import NoRegionError, Polygons, ellipse, polygons_of
from datasets.making.annotations.splits import split_of
from util.errors import UserError

TITLE = "VIA"


def read(request: Request) -> list[Document]:
    """A document for each JSON file."""
    root = request.root
    paths = sorted({*root.glob("*.json"), *root.glob("*/*.json")})
    found = request.annotations or [("", path) for path in paths if is_via(path)]
    if not found:
        raise UserError(f"--data_root {root}: no JSON of VIA in it; name it with --annotations")
    return [document_of(split, path, request) for split, path in found]


def is_via(path: Path) -> bool:
    """Whether a JSON file has pictures with regions, and is not another that lies there."""
    return pictures_in(load_json(path)) is not None


def pictures_in(contents) -> list[dict] | None:
    """The pictures of a project or of an export; None of anything else."""
    if isinstance(contents, dict):
        contents = contents.get("_via_img_metadata", contents)
    pictures = list(contents.values()) if isinstance(contents, dict) else contents
    if not isinstance(pictures, list) or not pictures:
        return None
    known = all(isinstance(one, dict) and {"filename", "regions"} <= one.keys() for one in pictures)
    return pictures if known else None


def document_of(split: str, path: Path, request: Request) -> Document:
    pictures = pictures_in(load_json(path))
    if pictures is None:
        refuse(path, "its pictures have no 'filename' and 'regions'", TITLE)
    split = split or split_of(path, request.root)
    folders = [path.parent] if path.parent != request.root else []
    document = Document(path, split, folders=folders)
    for picture in pictures:
        name = str(picture["filename"])
        found = list(instances_of(path, name, picture["regions"], document, request))
        key = name.rpartition(".")[0] or name
        document.pictures.append(AnnotatedPicture(key, name, None, found))
    unique_keys(document)
    return document


def instances_of(path: Path, name: str, regions, document: Document, request: Request):
    """The regions of a picture that have a category and an area; the others are counted."""
    entries = list(regions.values()) if isinstance(regions, dict) else regions or []
    if not isinstance(entries, list):
        refuse(path, f"the regions of {name} are no list", TITLE)
    document.read += len(entries)
    for place, entry in enumerate(entries):
        label = f"region {place} of {name}"
        if not isinstance(entry, dict) or not isinstance(entry.get("shape_attributes"), dict):
            refuse(path, f"{label} has no 'shape_attributes'", TITLE)
        category = category_of(path, label, entry.get("region_attributes"), document, request)
        if not category:
            document.leave_out(NO_CATEGORY)
            continue
        try:
            yield Instance(label, category, region_of(entry["shape_attributes"]))
        except NoRegionError as error:
            document.leave_out(str(error), category)
        except (KeyError, TypeError, ValueError) as error:
            refuse(path, f"{label} cannot be read: {error}", TITLE)


def category_of(path: Path, label: str, attributes, document: Document, request: Request) -> str:
    """The attribute's value that is a wanted category; else any that is text; '' if none is.

    VIA has no categories, only attributes with names that its user has chosen.
    """
    values: list[str] = []
    for value in attributes.values() if isinstance(attributes, dict) else ():
        ticked = [name for name, on in value.items() if on] if isinstance(value, dict) else [value]
        values += [str(one).strip() for one in ticked if one not in (None, "", True, False)]
    document.categories |= {*values}
    wanted = [value for value in dict.fromkeys(values) if value in request.wanted]
    if len(wanted) > 1:
        raise UserError(f"{path}: {label} is both {wanted[0]} and {wanted[1]}: leave one of them")
    return wanted[0] if wanted else (values or [""])[0]


def region_of(shape: dict) -> Polygons:
    """Where a shape is. Raises NoRegionError if it has no area."""
    kind = shape.get("name")
    if kind == "polygon":
        x, y = shape["all_points_x"], shape["all_points_y"]
        if len(x) != len(y):
            raise ValueError(f"it has {len(x)} x and {len(y)} y")
        return polygons_of([list(pair) for pair in zip(x, y, strict=True)])
    if kind == "rect":
        left, top, width, height = (float(shape[k]) for k in ("x", "y", "width", "height"))
        right, bottom = left + width, top + height
        return Polygons([[left, top, right, top, right, bottom, left, bottom]])
    if kind in ("circle", "ellipse"):
        middle = np.array([float(shape["cx"]), float(shape["cy"])])
        radii = (shape["r"], shape["r"]) if kind == "circle" else (shape["rx"], shape["ry"])
        angle = float(shape.get("theta", 0))
        return polygons_of(ellipse(middle, *map(float, radii), angle).tolist())
    raise NoRegionError(NO_AREA)
