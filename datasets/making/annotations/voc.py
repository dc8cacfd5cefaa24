"""Pascal VOC's format of segments: a map of objects and a map of classes for each picture."""

from pathlib import Path

import numpy as np

from data.pictures import decode, list_unique_pictures, without_alpha
from datasets.making.annotations.document import (
    NO_CATEGORY,
    AnnotatedPicture,
    Document,
    Instance,
    Request,
    unique_keys,
)
from datasets.making.annotations.regions import MapValue
from datasets.making.label_maps import read_map
from util.errors import UserError
from util.files import read_lines

TITLE = "Pascal VOC"
NOTHING = {"0", "#000000", "255", "#e0e0c0"}  # background, and the rim of objects
CLASSES = (
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
).split()
OBJECTS, KINDS, PICTURES = "SegmentationObject", "SegmentationClass", "JPEGImages"
LISTS = ("train", "val", "test")  # of ImageSets/Segmentation, each a phase


def read(request: Request) -> list[Document]:
    """A document for each list of pictures; all are `train` if there is no list."""
    root = request.root
    for name in (OBJECTS, KINDS):
        if not (root / name).is_dir():
            raise UserError(f"--data_root {root}: there is no folder {name}, as Pascal VOC has it")
    maps = list_unique_pictures(root / OBJECTS)
    classes = Classes(root / "labelmap.txt")
    lists = {
        phase: listed(path, maps)
        for phase in LISTS
        for path in [root / "ImageSets/Segmentation" / f"{phase}.txt"]
        if path.is_file()
    }
    if lists and (rest := maps.keys() - set().union(*lists.values())):
        print(f"note: {root / OBJECTS}: {len(rest)} maps are in no list, {min(rest)} first")
    return [
        document_of(split, stems, maps, classes, request)
        for split, stems in (lists or {"train": list(maps)}).items()
    ]


def listed(path: Path, maps: dict[str, str]) -> list[str]:
    """The pictures of a list that have a map; how many have none is told, all are refused."""
    lines = dict.fromkeys(line.strip() for line in read_lines(path) if line.strip())
    absent = [line for line in lines if line not in maps]
    if lines and len(absent) == len(lines):
        raise UserError(
            f"{path}: no map in {OBJECTS} has the name of any of its lines, such as "
            f"{absent[0]!r}: a line is a name without suffix"
        )
    if absent:
        print(f"note: {path}: {len(absent)} of its names have no map, {absent[0]} first")
    return [line for line in lines if line in maps]


def document_of(
    split: str, stems: list[str], maps: dict[str, str], classes: "Classes", request: Request
) -> Document:
    root = request.root
    document = Document(root / OBJECTS, split, {*classes.names}, folders=[root / PICTURES])
    kinds = list_unique_pictures(root / KINDS)
    for stem in stems:
        if stem not in kinds:
            raise UserError(f"{root / KINDS}: no map of {stem}, of which {OBJECTS} has one")
        path = root / OBJECTS / maps[stem]
        codes, names = read_map(path)
        found = []
        for code, category in classes.of_objects(codes, names, root / KINDS / kinds[stem]).items():
            document.read += 1
            if category:
                found.append(Instance(f"object {names[code]}", category, MapValue(path, code)))
            else:
                document.leave_out(NO_CATEGORY)
        document.pictures.append(AnnotatedPicture(stem, f"{stem}.*", codes.shape, found))
    unique_keys(document)
    return document


class Classes:
    """What the maps of classes say: by the colours in `labelmap.txt`, else by those of Pascal.

    Palettes count as they look; a grey map has the numbers of the classes.
    """

    def __init__(self, path: Path):
        pascal = {color_of_number(number): name for number, name in enumerate(CLASSES)}
        self.by_color = colors_in(path) if path.is_file() else pascal
        self.in_order = list(self.by_color.values())

    @property
    def names(self) -> list[str]:
        return [name for name in self.in_order if name != CLASSES[0]]

    def of_objects(self, codes: np.ndarray, names: dict[int, str], path: Path) -> dict[int, str]:
        """The class that most pixels of each object have in the map at `path`; '' for none."""
        kinds = self.read(path)
        if kinds.shape != codes.shape:
            raise UserError(f"{path} is not as large as the map of its objects: fetch both again")
        found = {}
        for code in (code for code, name in names.items() if name not in NOTHING):
            below, counts = np.unique(kinds[codes == code], return_counts=True)
            name = str(below[counts.argmax()])
            found[code] = "" if name == CLASSES[0] else name
        return found

    def read(self, path: Path) -> np.ndarray:
        """A map of classes as their names [H, W]; '' where a value has none."""
        picture = decode(path)
        if picture.mode == "P":
            picture = picture.convert("RGB")
        values = without_alpha(np.asarray(picture)).astype(np.int64)
        if values.ndim == 3:
            values, named = values @ (1 << 16, 1 << 8, 1), self.by_color
        else:
            named = dict(enumerate(self.in_order))
        found, places = np.unique(values, return_inverse=True)
        return np.array([named.get(int(v), "") for v in found])[places].reshape(values.shape)


def colors_in(path: Path) -> dict[int, str]:
    """The classes of a `labelmap.txt` by their colours' codes; its lines are `name:r,g,b:…`."""
    found = {}
    for line in read_lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            name, color = line.split(":")[:2]
            red, green, blue = map(int, color.split(","))
        except ValueError:
            raise UserError(f"{path}: {line.strip()!r} is not NAME:RED,GREEN,BLUE") from None
        found[red << 16 | green << 8 | blue] = name.strip()
    return found


def color_of_number(number: int) -> int:
    """The code of a class's colour in Pascal VOC: its number's bits, spread over the channels."""
    red = green = blue = 0
    for place in range(7, -1, -1):
        red |= (number & 1) << place
        green |= (number >> 1 & 1) << place
        blue |= (number >> 2 & 1) << place
        number >>= 3
    return red << 16 | green << 8 | blue
