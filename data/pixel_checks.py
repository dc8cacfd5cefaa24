"""What can be wrong with a dataset's pixels, and whether a domain has anything to translate."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from data.checks import Problem, check_header, check_mask_header
from data.masks import ALPHA, VALUES, Mask, brightness, lies_on_stored, understand
from data.pictures import (
    Header,
    UnreadableError,
    decode,
    is_deep,
    own_values,
    read_header,
    read_image,
    turn,
    value_range,
)
from data.scene_folder import SceneFiles, mask_label

LOOK = 16  # masks of a domain that are looked at before training
ENOUGH = 20e6  # pixels of them: of large masks fewer are looked at
BLANK = 8  # of 255 levels between the darkest and the brightest of a picture without content
UNUSABLE = ("empty mask", "full mask", "unknown values", "unreadable", "size")
TOLD = (*UNUSABLE, "other values", "alpha mask", "border mask")  # of masks, before training


@dataclass(frozen=True)
class Facts:
    """What a picture was found to hold.

    areas are shares of it, by what its masks are numbered; boxes the numbers of rectangular ones.
    """

    files: SceneFiles
    size: tuple[int, int]
    digest: str
    areas: dict[str, float]
    problems: tuple[Problem, ...]
    boxes: frozenset[str] = frozenset()


def check_pixels(files: SceneFiles, exif: str | None = None) -> Facts:
    """Decode a picture and its masks, and look at them."""
    try:
        header, pixels = read_header(files.image), read_image(files.image, 3)
    except UnreadableError as error:
        return Facts(files, (0, 0), "", {}, (Problem("unreadable", files.image, str(error)),))
    problems = [*check_header(files.image, header), *check_picture(files.image, header, pixels)]
    areas, boxes, wrong = check_masks(files, header, exif)
    problems += wrong
    if not files.masks:
        text = f"{files.image} has no mask: add {files.image.stem}_0.png or leave it out"
        problems.append(Problem("no mask", files.image, text))
    size = pixels.shape[-2:]
    content = hashlib.blake2b(repr(size).encode() + pixels.tobytes(), digest_size=16).hexdigest()
    return Facts(files, size, content, areas, tuple(problems), boxes)


def check_picture(path: Path, header: Header, pixels: np.ndarray) -> Iterator[Problem]:
    """What is wrong with a picture's levels, uint8 [3, H, W], or with how they were made."""
    darkest, brightest = (extreme(pixels, axis=(1, 2)) for extreme in (np.min, np.max))
    if (brightest.astype(int) - darkest <= BLANK).all():
        levels = f"all of it {levels_of(darkest)}" if (darkest == brightest).all() else "nearly so"
        text = f"is all one colour ({levels}): is it the right file?"
        yield Problem("no content", path, f"{path} {text}")
    if not header.deep:
        return
    values, floats = np.nan_to_num(np.asarray(decode(path), float)), header.mode.startswith("F")
    white, most = value_range(values, floats)[1], values.max()
    if white != (1 if floats else 65535) or values.min() < 0 or most < white / 4:
        text = (
            f"holds values from {values.min():g} to {most:g}, of which {white:g} is taken for "
            "white: write it with 8 bits if that is wrong"
        )
        yield Problem("value range", path, f"{path} {text}")


def levels_of(color: np.ndarray) -> str:
    return f"{color[0]}" if len(set(color.tolist())) == 1 else f"{tuple(color.tolist())}"


# ---- masks


def check_masks(
    files: SceneFiles, header: Header, exif: str | None
) -> tuple[dict[str, float], frozenset[str], list[Problem]]:
    """Areas of masks that are not empty, which of them are boxes, and what is wrong with any."""
    areas: dict[str, float] = {}
    boxes = set()
    seen: dict[bytes, Path] = {}
    problems: list[Problem] = []
    for path in files.masks:
        mask, found = check_mask(path, files.image, header, exif)
        problems += found
        if mask is None or not mask.any():
            continue
        areas[mask_label(path)] = float(mask.mean())
        boxes |= {mask_label(path)} if is_box(mask) else set()
        first = seen.setdefault(mask.tobytes(), path)
        if first != path:
            text = f"{path} is the same as {first.name}: remove one of them"
            problems.append(Problem("same mask", path, text))
    return areas, frozenset(boxes), problems


def check_mask(
    path: Path, photo: Path, header: Header, exif: str | None
) -> tuple[np.ndarray | None, list[Problem]]:
    """A mask as it lies on its photo, bool [H, W], and what is wrong; None if it cannot be used."""
    try:
        own, picture = read_header(path), decode(path)
    except UnreadableError as error:
        return None, [Problem("unreadable", path, str(error))]
    problems = list(check_mask_header(photo, header, path, own, exif))
    if any(problem.kind == "size" for problem in problems):
        return None, problems
    mask = understand(picture)
    problems += check_meaning(path, picture, mask)
    turned = lies_on_stored(own, header, exif)
    return turn(mask.pixels, header.orientation) if turned else mask.pixels, problems


def check_meaning(path: Path, picture: Image.Image, mask: Mask) -> Iterator[Problem]:
    """What is wrong with a mask that was decoded, or unusual about it."""
    values = distinct(own_values(picture))
    empty, full = not mask.pixels.any(), mask.pixels.all()
    if mask.habit == VALUES:
        text = f"holds {listed(values)}: {values[-1]:g} is taken for the instance"
        yield Problem("other values", path, f"{path} {text}")
    elif mask.habit == ALPHA:
        text = "has a transparent part, which is not the instance"
        yield Problem("alpha mask", path, f"{path} {text}")
    elif not empty and not full and len(levels := distinct(brightness(picture))) > 2:
        shown = values if is_deep(picture.mode) else levels
        text = f"holds {listed(shown)}, not two: it is cut at half of white"
        yield Problem("not binary", path, f"{path} {text}")
    if empty and not values.any():
        yield Problem("empty mask", path, f"{path} is empty: remove it")
    elif empty:
        text = (
            f"holds {listed(values)} and is read as empty: make the instance 255; if it is a label "
            "map, see generate_masks_dataset.py"
        )
        yield Problem("unknown values", path, f"{path} {text}")
    elif full:
        yield Problem("full mask", path, f"{path} covers the whole picture: is it inverted?")
    elif surrounds(mask.pixels):
        text = f"covers {mask.pixels.mean():.0%} of the picture and its whole border"
        yield Problem("border mask", path, f"{path} {text}: is it inverted?")


def is_box(mask: np.ndarray) -> bool:
    """Whether a mask is all of a rectangle."""
    return mask.sum() == mask.any(0).sum() * mask.any(1).sum()


def surrounds(mask: np.ndarray) -> bool:
    """Whether a mask covers the picture's whole border, and most of it, as an inverted one does."""
    border = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return mask.mean() > 0.5 and all(line.all() for line in border)


def distinct(values: np.ndarray) -> np.ndarray:
    """The values that occur, sorted; of bytes in a tenth of the time that np.unique takes."""
    if values.dtype == np.uint8:
        return np.flatnonzero(np.bincount(values.reshape(-1), minlength=256))
    return np.unique(values)


def listed(values: np.ndarray) -> str:
    """`the values 0, 1 and 2` or `97 values up to 96`."""
    if len(values) > 6:
        return f"{len(values)} values up to {values[-1]:g}"
    first = ", ".join(f"{value:g}" for value in values[:-1].tolist())
    return f"the values {first} and {values[-1]:g}" if first else f"only the value {values[-1]:g}"


# ---- is there anything to translate in a domain?


def nothing_to_translate(folder: Path, facts: Iterable[Facts]) -> str:
    """Why no mask of a domain marks an instance, in one line; '' if one does.

    A mask that is empty, or that covers its whole picture, marks none.
    """
    masks, first, kinds = 0, None, set()
    for fact in facts:
        if any(area < 1 for area in fact.areas.values()):
            return ""
        masks += len(fact.files.masks)
        wrong = [problem for problem in fact.problems if problem.kind in UNUSABLE]
        first = first or next(iter(wrong), None)
        kinds |= {problem.kind for problem in wrong}
    if not masks or not first:
        return f"{folder}: there is no mask in it, so nothing would be translated"
    if kinds == {"empty mask"}:
        what, cause = "is empty", f"{first.path.name} first: was another category exported?"
    elif kinds == {"full mask"}:
        what, cause = "covers its whole picture", f"{first.path.name} first: are they inverted?"
    elif kinds <= {"size", "unreadable"}:
        what, cause = "cannot be used", first.text
    else:
        what, cause = "marks nothing", first.text
    what = f"every one of its {masks} masks {what}, so nothing would be translated"
    return f"{folder}: {what}; {cause}"


def first_look(files: Sequence[SceneFiles], folder: Path, exif: str | None) -> str:
    """Look at some of a domain's masks before training, and at all if those mark no instance.

    Prints what is unusual about them, a line for each kind; returns why nothing would be
    translated, or ''.
    """
    annotated = [i for i in range(len(files)) if files[i].masks]
    looks = list(glances(files, annotated, exif))
    if nothing_to_translate(folder, looks):
        fault = nothing_to_translate(folder, (glance(files[i], exif) for i in annotated))
        if fault:
            return fault
    count = sum(len(look.files.masks) for look in looks)
    for kind in TOLD:
        if found := [p for look in looks for p in look.problems if p.kind == kind]:
            print(f"note: {folder}: {len(found)} of {count} masks looked at: {found[0].text}")
    return ""


def glances(files: Sequence[SceneFiles], annotated: list[int], exif: str | None) -> Iterator[Facts]:
    """Facts of LOOK masks, of pictures that are spread evenly over a domain."""
    pictures = min(LOOK, len(annotated))
    each = -(-LOOK // max(pictures, 1))
    pixels = 0
    for k in range(pictures):
        look = glance(files[annotated[k * len(annotated) // pictures]], exif, each)
        yield look
        if (pixels := pixels + look.size[0] * look.size[1] * len(look.files.masks)) > ENOUGH:
            return


def glance(files: SceneFiles, exif: str | None, most: int | None = None) -> Facts:
    """Facts of a picture's masks, of the first `most` of them; its own pixels are not read."""
    files = replace(files, masks=files.masks[:most], numbers=files.numbers[:most])
    header = read_header(files.image)
    areas, boxes, problems = check_masks(files, header, exif)
    return Facts(files, header.size, "", areas, tuple(problems), boxes)
