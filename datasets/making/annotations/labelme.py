"""LabelMe's format: one JSON file a picture, with its `shapes`."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.making.annotations.document import (
    NO_AREA,
    AnnotatedPicture,
    Document,
    Instance,
    Request,
    load_json,
    refuse,
    unique_keys,
)
from datasets.making.annotations.regions import (
    NoRegionError,
    Patch,
    Region,
    circle,
    joined,
    polygons_of,
    rectangle,
)
from datasets.making.annotations.splits import split_in

TITLE = "LabelMe"
LINES = ("point", "points", "line", "linestrip", "linestring", "polyline")


def read(request: Request) -> list[Document]:
    """A document for each split that the folders' names say; `train` where they say none."""
    documents: dict[str, Document] = {}
    typed = list(request.annotations)
    for split, path in typed or [("", path) for path in sorted(request.root.rglob("*.json"))]:
        contents = load_json(path)
        if not (isinstance(contents, dict) and isinstance(contents.get("shapes"), list)):
            if typed:
                refuse(path, "it has no list 'shapes'", TITLE)
            continue  # another file of JSON that lies there
        phase = split or split_in(path, request.root) or "train"
        document = documents.setdefault(
            phase, Document(request.root, phase, folders=[request.root])
        )
        document.pictures.append(picture_of(path, contents, document, request))
    for document in documents.values():
        unique_keys(document)
    return list(documents.values())


def picture_of(
    path: Path, contents: dict, document: Document, request: Request
) -> AnnotatedPicture:
    """One file's picture with its instances; shapes of one group and label are one instance."""
    instances: dict[str, tuple[str, list[Region]]] = {}
    for place, shape in enumerate(contents["shapes"]):
        if not isinstance(shape, dict) or "label" not in shape:
            refuse(path, f"shape {place} has no label", TITLE)
        label, group = str(shape["label"]).strip(), shape.get("group_id")
        document.categories.add(label)
        try:
            region = region_of(path, shape)
        except NoRegionError as error:
            document.read += 1
            document.leave_out(str(error), label)
            continue
        name = f"shape {place}" if group is None else f"{label} of group {group}"
        instances.setdefault(name, (label, []))[1].append(region)
    document.read += len(instances)
    found = [Instance(name, label, joined(parts)) for name, (label, parts) in instances.items()]
    own = path.relative_to(request.root) if path.is_relative_to(request.root) else Path(path.name)
    picture = str(contents.get("imagePath") or f"{path.stem}.*")
    height, width = (whole(contents.get(side)) for side in ("imageHeight", "imageWidth"))
    return AnnotatedPicture(
        own.with_suffix("").as_posix(),
        picture if own.parent == Path() else f"{own.parent.as_posix()}/{picture}",
        (height, width) if height and width else None,
        found,
    )


def whole(side) -> int:
    """A side in pixels, which tools write as 40, 40.0 or "40"; 0 if it is none of these."""
    try:
        return max(0, int(float(side)))
    except (TypeError, ValueError, OverflowError):
        return 0


def region_of(path: Path, shape: dict) -> Region:
    """Where a shape is. Raises NoRegionError if it has no area, UserError if it cannot be read."""
    kind = shape.get("shape_type") or "polygon"
    try:
        points = np.asarray(shape["points"], float).reshape(-1, 2)
        if not np.isfinite(points).all():
            raise ValueError("a coordinate is no number")
        if kind in LINES:
            raise NoRegionError(NO_AREA)
        if kind == "mask":
            return patch_of(points, shape["mask"])
        if kind == "rectangle" and len(points) == 2:
            points = rectangle(points)
        elif kind == "circle":
            if len(points) != 2:
                raise ValueError("a circle has two points, its middle and one of its rim")
            points = circle(*points)
        return polygons_of(points.tolist())  # of kinds that other tools have added, too
    except (KeyError, TypeError, ValueError, OSError) as error:
        refuse(path, f"a shape of {shape['label']} cannot be read: {error}", TITLE)


def patch_of(points: np.ndarray, text: str) -> Patch:
    """A mask, a PNG in base64, whose corners are the two points."""
    if len(points) != 2:
        raise ValueError("a mask has two points, its corners")
    try:
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            pixels = np.asarray(picture.convert("L")) > 0
    except (TypeError, OSError, ValueError):
        raise ValueError("its mask is no PNG in base64") from None
    (left, top), (right, bottom) = points.round().astype(int).tolist()
    spans = (bottom - top, right - left)
    if any(abs(side - span) > 1 for side, span in zip(pixels.shape, spans, strict=True)):
        raise ValueError(f"its mask is {pixels.shape[0]}x{pixels.shape[1]} and its points are not")
    return Patch(pixels.tobytes(), pixels.shape, (top, left))
