"""A photo as it was annotated: shown or stored, at the size it has or had."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.pictures import UnreadableError, open_picture, read_header, to_mode, turn
from datasets.making.sources import Annotated, read_rgb

UNTOLD = (
    "turned by EXIF, and the size does not tell whether it was annotated before or after: look at "
    "check_dataset.py --page, then say --exif shown or --exif stored"
)


@dataclass(frozen=True)
class Photo:
    """A photo's pixels, RGB uint8 [H, W, 3], on which its annotation lies.

    orientation  the EXIF turn that picture and masks still need to be upright; 1 for none
    annotated    the (height, width) that the annotation's coordinates are in
    notes        what a user has to know of it
    """

    pixels: np.ndarray
    orientation: int
    annotated: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        return self.pixels.shape[:2]

    def upright(self, found: Annotated) -> Annotated:
        """An annotated picture that lies as this photo, turned as its EXIF orientation says."""
        if self.orientation == 1:
            return found
        masks = [turn(mask, self.orientation) for mask in found.masks]
        stacked = np.stack(masks) if masks else found.masks.reshape(0, *self.size[::-1])
        return replace(found, image=turn(found.image, self.orientation), masks=stacked)


def read_photo(
    path: Path, size: tuple[int, int] | None, exif: str | None = None, rescale: bool = False
) -> Photo:
    """A photo whose annotation is of this (height, width); None if that is not known.

    Some tools annotate a photo as it is shown, others as it is stored, before EXIF turns it: the
    size decides, and where it does not, `exif`: shown, or stored. With `rescale` the photo may have
    been resized since, by the same factor both ways. Raises UnreadableError if nothing fits.
    """
    header = read_header(path)
    untold = size is None and header.orientation != 1
    size = size or (header.stored_size if exif == "stored" else header.size)
    ways = {"shown": header.size}
    if header.orientation != 1:
        ways["stored"] = header.stored_size
    found = [way for way, own in ways.items() if own == size]
    resized = [way for way, own in ways.items() if proportional(size, own)]
    if not found and rescale:
        found = resized
    if not found:
        raise misfit(path, size, header.size, bool(resized))
    way = exif if exif in found else found[0]
    notes = (UNTOLD,) if (untold or len(found) > 1) and exif is None else ()
    if way == "shown":
        return Photo(read_rgb(path), 1, size, notes)
    return Photo(read_stored(path), header.orientation, size, notes)


def read_stored(path: Path) -> np.ndarray:
    """A picture as RGB, uint8 [H, W, 3], before its EXIF orientation turns it."""
    with open_picture(path) as picture:
        return np.asarray(to_mode(picture, "RGB"))


def proportional(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one (height, width) is the other times a factor, within a pixel of the smaller."""
    small, large = sorted((size, other))
    factor = (small[0] + small[1]) / (large[0] + large[1])
    return all(abs(a - factor * b) <= 1 for a, b in zip(small, large, strict=True))


def misfit(
    path: Path, annotated: tuple[int, int], shown: tuple[int, int], resized: bool
) -> UnreadableError:
    """Why an annotation is not of this photo, and what may help."""
    reason = f"it is {shown[0]}x{shown[1]} and annotated as {annotated[0]}x{annotated[1]}"
    if resized:
        reason += "; --rescale is for pictures that were resized since"
    elif annotated == shown[::-1]:
        reason += "; height and width may be swapped there"
    return UnreadableError(path, reason)
