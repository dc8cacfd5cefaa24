"""COCO's format: one JSON file a split, `images`, `annotations` and `categories`."""

import re
from collections import Counter
from pathlib import Path

from datasets.making.annotations.document import (
    CROWD,
    NO_CATEGORY,
    UNKNOWN_CATEGORY,
    AnnotatedPicture,
    Document,
    Instance,
    Request,
    load_json,
)
from datasets.making.annotations.regions import NoRegionError, rectangle_of, region_of
from datasets.making.annotations.splits import split_of
from datasets.making.sources import OTHER_CATEGORY
from util.errors import UserError

TITLE = "COCO"
NEEDED = {  # what is read of each entry; annotations may lack a category
    "categories": ("id", "name"),
    "images": ("id", "file_name"),
    "annotations": ("image_id",),
}


def read(request: Request) -> list[Document]:
    """A document for each annotation file. Raises UserError for what is not in COCO's format."""
    return [CocoFile(path).document(split, request) for split, path in annotation_files(request)]


def annotation_files(request: Request) -> list[tuple[str, Path]]:
    """The annotation files and the split each is for."""
    root, found = request.root, request.annotations
    if not found:
        paths = sorted(root.glob("annotations/instances_*.json"))
        paths = paths or sorted({*root.glob("*.json"), *root.glob("*/*.json")})
        found = [("", path) for path in paths]
    if not found:
        raise UserError(f"--data_root {root}: no .json in it; name it with --annotations")
    return [(split or split_of(path, root), path) for split, path in found]


class CocoFile:
    """One file: all of it that is not needed, often gigabytes, is let go when it was read."""

    def __init__(self, path: Path, flag: str = "--annotations"):
        """flag is the one that files are named by."""
        self.path = path
        self.flag = flag

    def document(self, split: str, request: Request) -> Document:
        contents = load_json(self.path, self.flag)
        if not isinstance(contents, dict):
            self.refuse("it is a list")
        document = Document(self.path, split, folders=likely_folders(self.path, request.root))
        names = self.names(contents)
        document.categories = set(names.values())
        instances = self.instances(contents, names, document, request)
        document.pictures = self.pictures(contents, instances, request.bare)
        return document

    def names(self, contents: dict) -> dict[str, str]:
        """The categories' names by their ids."""
        names: dict[str, str] = {}
        for entry in self.entries(contents, "categories"):
            name = str(entry["name"]).strip()
            if names.setdefault(entry["id"], name) != name:
                self.ambiguous("category", entry["id"], names[entry["id"]], name)
        return names

    def pictures(
        self, contents: dict, instances: dict[str, list[Instance]], bare: bool
    ) -> list[AnnotatedPicture]:
        """The pictures that have instances, or all. Raises UserError for two that have one id."""
        found: dict[str, AnnotatedPicture] = {}
        for entry in self.entries(contents, "images"):
            key, name, size = entry["id"], self.file_name(entry), self.size_of(entry)
            if not (bare or key in instances):
                continue
            picture = AnnotatedPicture(key, name, size, instances.get(key, []))
            if found.setdefault(key, picture) != picture:
                self.ambiguous("picture", key, found[key].file, picture.file)
        if unlisted := instances.keys() - found.keys():
            key = min(unlisted)
            raise UserError(
                f"{self.path}: {instances[key][0].label} is of image {key}, which the file does "
                "not list: add the picture under 'images', or take its annotations out"
            )
        return list(found.values())

    def instances(
        self, contents: dict, names: dict[str, str], document: Document, request: Request
    ) -> dict[str, list[Instance]]:
        """Instances of the wanted categories by their picture's id; all others are counted."""
        found: dict[str, list[Instance]] = {}
        entries = self.entries(contents, "annotations")
        document.read = len(entries)
        for place, entry in enumerate(entries):
            category, reason = self.category_of(entry, names, request, place)
            if not reason:
                try:
                    instance = self.instance(entry, category, place, contents, request.boxes)
                    found.setdefault(entry["image_id"], []).append(instance)
                except NoRegionError as error:
                    reason = str(error)
            if reason:
                document.leave_out(reason, category)
        self.tell_of_repeated_ids(entries)
        return found

    def category_of(
        self, entry: dict, names: dict[str, str], request: Request, place: int
    ) -> tuple[str, str]:
        """An annotation's category, and why it is left out, or ''."""
        if entry.get("category_id") is None:
            return "", NO_CATEGORY
        name = names.get(self.identity(entry["category_id"], place, "annotations"))
        if name is None:
            return "", UNKNOWN_CATEGORY
        if not request.wants(name):
            return "", OTHER_CATEGORY
        crowd = self.truth(entry.get("iscrowd"), place)
        return name, CROWD if crowd and not request.crowds else ""

    def instance(
        self, entry: dict, category: str, place: int, contents: dict, boxes: bool
    ) -> Instance:
        label = f"annotation {entry.get('id', f'number {place}')}"
        box_alone = boxes and not entry.get("segmentation")
        try:
            if box_alone:
                region = rectangle_of(entry.get("bbox"))
            else:
                region = region_of(entry.get("segmentation"))
        except ValueError as error:
            images = self.entries(contents, "images")
            names = [image["file_name"] for image in images if image["id"] == entry["image_id"]]
            raise UserError(
                f"{self.path}: the segmentation of {label}, of {(names or ['no picture'])[0]}, is "
                f"neither polygons nor RLE{' nor a box' * boxes} ({error}): export the annotations "
                "again"
            ) from None
        box = None if box_alone else entry.get("bbox")
        return Instance(label, category, region, box, str(entry.get("id", "")))

    def tell_of_repeated_ids(self, entries: list[dict]) -> None:
        counts = Counter(str(entry["id"]) for entry in entries if entry.get("id") is not None)
        if repeated := [key for key, count in counts.items() if count > 1]:
            print(
                f"note: {self.path}: {len(repeated)} ids of annotations stand more than once, "
                f"{repeated[0]} first; annotations that are the same count once"
            )

    # ---- entries and values, each known to be what it must be

    def entries(self, contents: dict, key: str) -> list[dict]:
        """The entries under a key, each known to have what is read from it, ids as text."""
        found = contents.get(key)
        if not isinstance(found, list):
            self.refuse(f"it has no list '{key}'")
        for place, entry in enumerate(found):
            missing = [k for k in NEEDED[key] if not isinstance(entry, dict) or k not in entry]
            if missing:
                self.refuse(f"entry {place} of '{key}' has no '{missing[0]}'")
            for name in NEEDED[key]:
                if name.endswith("id"):  # some tools write 1, others 1.0 or "1"
                    entry[name] = self.identity(entry[name], place, key)
        return found

    def identity(self, value, place: int, key: str) -> str:
        """An id as text, the same for 1, 1.0 and "1"."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, (int, str)):
            self.refuse(f"entry {place} of '{key}' has an id that is no number: {value!r}")
        return str(value)

    def truth(self, value, place: int) -> bool:
        """Whether `iscrowd` says yes, which tools write as 1, true, "1" or "true"."""
        text = str(value if value is not None else 0).strip().lower()
        if text in ("1", "1.0", "true", "yes"):
            return True
        if text not in ("", "0", "0.0", "false", "no"):
            self.refuse(f"entry {place} of 'annotations' has iscrowd {value!r}, neither 0 nor 1")
        return False

    def size_of(self, image: dict) -> tuple[int, int] | None:
        """(height, width) as annotated; None if the tool that wrote the file left it out."""
        if not (image.get("height") and image.get("width")):
            return None
        try:
            return int(image["height"]), int(image["width"])
        except (TypeError, ValueError, OverflowError):
            self.refuse(f"the size of {image['file_name']} is no number")

    def file_name(self, image: dict) -> str:
        if not isinstance(image["file_name"], str) or not image["file_name"].strip():
            self.refuse(f"the file name of image {image['id']} is {image['file_name']!r}")
        return image["file_name"]

    def ambiguous(self, kind: str, key: str, first: str, second: str):
        raise UserError(
            f"{self.path}: {first} and {second} both have the {kind} id {key}, so which one its "
            "annotations belong to cannot be known: give each an id of its own"
        )

    def refuse(self, reason: str):
        raise UserError(
            f"{self.path} is not in COCO format ({reason}): mend it, or name the right file by "
            f"{self.flag}"
        )


def likely_folders(path: Path, root: Path) -> list[Path]:
    """Where the pictures of a file may lie; those that belong to it alone come first."""
    name = path.stem.removeprefix("instances_")
    beside = [path.parent, path.parent / "images"]
    if path.parent.resolve() == root.resolve() or re.fullmatch("annotations?", path.parent.name):
        beside = []
    return [*beside, root / name, root / "images" / name]
