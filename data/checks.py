"""What can be wrong with a dataset's files, by their names and headers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.masks import lies_on_stored
from data.pictures import (
    SUFFIXES,
    Header,
    UnreadableError,
    is_picture,
    list_files,
    list_pictures,
    read_header,
    stem_of,
)
from data.scene_folder import SceneFiles, split_mask_stem
from util.errors import UserError

KINDS = {  # what training does with it -> what it is called
    "unreadable": "refused",
    "size": "refused",
    "no mask folder": "refused",
    "no picture": "refused",
    "no instance": "refused",
    "same number": "refused",
    "no mask": "skipped, see --no_mask",
    "empty mask": "left out",
    "full mask": "used",
    "border mask": "used",
    "not binary": "cut at 127",
    "unknown values": "left out",
    "other values": "read as 0 and 255",
    "alpha mask": "the alpha channel is read",
    "turned mask": "turned like its picture",
    "EXIF turn": "taken as lying on the picture as it is shown, see --exif",
    "several pages": "the first one is read",
    "value range": "scaled to 0 ... 255",
    "no content": "used",
    "same mask": "used twice",
    "orphan mask": "not read",
    "mask name": "not read",
    "same name": "one of them is not read",
    "same result": "both are used, and test.py's results overwrite each other",
    "not a picture": "not read",
    "background size": "refused",
    "no background": "made while reading",
    "small hole": "refused",
    "other background": "used inside the hole alone",
    "duplicate": "used, and the measures are too good",
}
IGNORED = {"Thumbs.db", "desktop.ini"}  # that operating systems leave behind, as are .names
SHOWN = 5  # problems that a command prints before it says how many more there are


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, the file, and a line that names both and the remedy."""

    kind: str
    path: Path
    text: str

    @property
    def refused(self) -> bool:
        return KINDS[self.kind] == "refused"


# ---- by name


def check_names(root: Path, phase: str, domain: str, with_masks: bool = True) -> list[Problem]:
    """Files of one phase and domain that are not read, for their names."""
    folder, mask_folder = root / f"{phase}{domain}", root / f"{phase}{domain}_seg"
    problems = [*foreign_files(folder), *same_names(folder), *same_results(folder)]
    if not with_masks or not mask_folder.is_dir():
        return problems
    problems += [*foreign_files(mask_folder), *same_names(mask_folder), *same_numbers(mask_folder)]
    stems = list_pictures(folder).keys()
    for stem, name in list_pictures(mask_folder).items():
        path, split = mask_folder / name, split_mask_stem(stem)
        if split is None:
            text = "has no number and is not read: name it after its picture, STEM_0.png"
            problems.append(Problem("mask name", path, f"{path} {text}"))
        elif split[0] not in stems:
            text = f"belongs to no picture: there is no {split[0]} in {folder}"
            problems.append(Problem("orphan mask", path, f"{path} {text}"))
    return problems


def foreign_files(folder: Path) -> Iterator[Problem]:
    for name in list_files(folder):
        if not is_picture(name) and Path(name).name not in IGNORED:
            text = f"is not read: pictures end in {', '.join(sorted(SUFFIXES))}"
            yield Problem("not a picture", folder / name, f"{folder / name} {text}")


def same_names(folder: Path) -> Iterator[Problem]:
    """Pictures that differ in nothing but their suffix: the last one is read."""
    read = list_pictures(folder)
    for name in filter(is_picture, list_files(folder)):
        kept = read[stem_of(name)]
        if kept != name:
            text = f"is not read, as {kept} has the same name: rename or remove one of them"
            yield Problem("same name", folder / name, f"{folder / name} {text}")


def same_numbers(folder: Path) -> Iterator[Problem]:
    """Masks of one picture and number, such as `a_1.png` and `a_01.png`."""
    first: dict[tuple[str, int], str] = {}
    for stem, name in list_pictures(folder).items():
        key = split_mask_stem(stem)
        if key and (other := first.setdefault(key, name)) != name:
            text = f"and {other} are two masks of number {key[1]}: rename one of them"
            yield Problem("same number", folder / name, f"{folder / name} {text}")


def same_results(folder: Path) -> Iterator[Problem]:
    """Pictures whose results have one name: `a/b.png` and `a_b.png`."""
    first: dict[str, str] = {}
    for stem, name in list_pictures(folder).items():
        if (other := first.setdefault(stem.replace("/", "_"), name)) != name:
            text = f"and {other} have results of one name: rename one of them"
            yield Problem("same result", folder / name, f"{folder / name} {text}")


# ---- by header


def check_headers(
    scenes: Iterable[SceneFiles], exif: str | None = None
) -> tuple[dict[tuple[int, int], str], list[Problem]]:
    """The sizes there are, each with the name of a first picture; what headers tell is wrong."""
    sizes: dict[tuple[int, int], str] = {}
    problems = []
    for scene in scenes:
        try:
            header = read_header(scene.image)
        except UnreadableError as error:
            problems.append(Problem("unreadable", scene.image, str(error)))
            continue
        sizes.setdefault(header.size, str(scene.image))
        problems += check_header(scene.image, header)
        for path in scene.masks:
            try:
                problems += check_mask_header(scene.image, header, path, read_header(path), exif)
            except UnreadableError as error:
                problems.append(Problem("unreadable", path, str(error)))
    return sizes, problems


def check_header(path: Path, header: Header) -> Iterator[Problem]:
    if header.pages > 1:
        text = f"holds {header.pages} pictures, of which the first is read: write one to a file"
        yield Problem("several pages", path, f"{path} {text}")


def check_mask_header(
    image: Path, header: Header, path: Path, own: Header, exif: str | None
) -> Iterator[Problem]:
    """What is wrong with a mask's size, and with the way it lies on a turned photo."""
    yield from check_header(path, own)
    turned = lies_on_stored(own, header, exif)
    if turned and own.size != header.size:
        text = f"lies on {image.name} as it is stored and is turned with it (EXIF orientation)"
        yield Problem("turned mask", path, f"{path} {text}")
    elif own.size != header.size:
        exif_says = f" after its EXIF turn {header.orientation}" * (header.orientation != 1)
        text = (
            f"{path} is {own.size[0]}x{own.size[1]} (height x width) and its picture {image} is "
            f"{header.size[0]}x{header.size[1]}{exif_says}: make the mask anew from the picture"
        )
        yield Problem("size", path, text)
    elif exif is None and lies_on_stored(own, header, "stored"):
        text = (
            f"{image} is turned by its EXIF orientation ({header.orientation}), and the size "
            f"of {path.name} does not tell whether it was drawn before or after: look at "
            "check_dataset.py --page, then say --exif shown or --exif stored"
        )
        yield Problem("EXIF turn", path, text)


def refuse(problems: Iterable[Problem]) -> None:
    """Raise a UserError that names what cannot work; tell the rest, a line for each kind."""
    refused, others = [], defaultdict(list)
    for problem in problems:
        (refused if problem.refused else others[problem.kind]).append(problem)
    if refused:
        lines = [problem.text for problem in refused[:SHOWN]]
        if len(refused) > SHOWN:
            lines.append(f"and {len(refused) - SHOWN} more: see datasets/check_dataset.py")
        raise UserError("\nerror: ".join(lines))
    for found in others.values():
        more = f" (and {len(found) - 1} more: see datasets/check_dataset.py)" * (len(found) > 1)
        print(f"note: {found[0].text}{more}")
