"""LabelMe's format: one JSON file a picture, with its `shapes`."""

import base64
import io
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from data.annotations.coco import load_json
from data.annotations.document import (
    NO_AREA,
    AnnotatedPicture,
    Document,
    Instance,
    Request,
    refuse,
    unique_keys,
    wanted_or_counted,
    without_repeats,
)
from data.annotations.regions import NoRegionError, Patch, Polygons, Region, polygons_of
from data.annotations.splits import split_in

TITLE = "LabelMe"
SIDES = 64  # of the polygon that stands for a circle


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
        without_repeats(document)
    return list(documents.values())


def picture_of(
    path: Path, contents: dict, document: Document, request: Request
) -> AnnotatedPicture:
    """One file's picture with its instances; shapes of one group and label are one instance."""
    groups: dict[object, list[tuple[str, dict]]] = defaultdict(list)
    for place, shape in enumerate(contents["shapes"]):
        if not isinstance(shape, dict) or "label" not in shape:
            refuse(path, f"shape {place} has no label", TITLE)
        label = str(shape["label"]).strip()
        group = shape.get("group_id")
        groups[place if group is None else (group, label)].append((label, shape))
    found = []
    document.read += len(groups)
    for place, members in enumerate(groups.values()):
        label = members[0][0]
        document.categories.add(label)
        try:
            region = together([region_of(path, shape) for _, shape in members])
            found.append(Instance(f"shape {place}", label, region))
        except NoRegionError as error:
            document.leave_out(str(error), label)
    own = path.relative_to(request.root) if path.is_relative_to(request.root) else Path(path.name)
    name = str(contents.get("imagePath") or f"{path.stem}.*")
    size = (contents.get("imageHeight"), contents.get("imageWidth"))
    return AnnotatedPicture(
        own.with_suffix("").as_posix(),
        name if own.parent == Path() else f"{own.parent.as_posix()}/{name}",
        size if all(isinstance(side, int) and side > 0 for side in size) else None,
        wanted_or_counted(document, found, request.wanted),
    )


def region_of(path: Path, shape: dict) -> Region:
    """Where a shape is. Raises NoRegionError if it has no area, UserError if it cannot be read."""
    kind = shape.get("shape_type") or "polygon"
    try:
        points = np.asarray(shape["points"], float).reshape(-1, 2)
        if kind == "mask":
            return patch_of(points, shape["mask"])
        if kind == "rectangle":
            points = corners(points)
        elif kind == "circle":
            if len(points) != 2:
                raise ValueError("a circle has two points, its middle and one of its rim")
            points = circle(*points)
        elif kind != "polygon":
            raise NoRegionError(NO_AREA)
        return polygons_of(points.tolist())
    except NoRegionError:
        raise
    except (KeyError, TypeError, ValueError, OSError) as error:
        refuse(path, f"a shape of {shape['label']} cannot be read: {error}", TITLE)


def together(regions: list[Region]) -> Region:
    """Several shapes that are one instance."""
    if len(regions) == 1:
        return regions[0]
    if all(isinstance(region, Polygons) for region in regions):
        return Polygons([ring for region in regions for ring in region.points])
    raise NoRegionError("in groups of masks and polygons, which cannot be joined")


def patch_of(points: np.ndarray, text: str) -> Patch:
    """A mask, a PNG in base64, whose upper left corner is the first point."""
    left, top = points[0].round().astype(int).tolist()
    try:
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            return Patch(np.asarray(picture.convert("L")) > 0, (top, left))
    except (TypeError, OSError, ValueError):
        raise ValueError("its mask is no PNG in base64") from None


def corners(points: np.ndarray) -> np.ndarray:
    """The four corners of a rectangle that has two, or all of them."""
    (left, top), (right, bottom) = points.min(0), points.max(0)
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def circle(middle: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """A polygon for the circle around a point through another."""
    return ellipse(middle, *[float(np.hypot(*(rim - middle)))] * 2)


def ellipse(middle: np.ndarray, across: float, down: float, angle: float = 0.0) -> np.ndarray:
    """A polygon for an ellipse of these radii, turned by an angle in radians."""
    t = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)
    x, y = across * np.cos(t), down * np.sin(t)
    turned = (x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle))
    return np.asarray(middle) + np.stack(turned, 1)
