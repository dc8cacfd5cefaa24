"""What a picture became."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from util.errors import UserError
from util.images import outline_layer, save_picture, shown_size

SHOWN = (256, 1024)  # pixels of the longer side of a picture before or after, least and most
FINE = 95  # of 100, where a file loses anything, as JPEG does
GAP = 8  # pixels between the pictures before and after


@dataclass(frozen=True)
class Result:
    """A picture and its translations. A notebook shows it before and after.

    source        uint8 [H, W, C]
    pictures      uint8 [H, W, C] each: one, or one for each style
    styles        what they are called
    numbers       of the N instances that were translated, in their order: places among the masks
                  that were given, or found; 0 alone of a model that tells none apart
    source_masks  bool [N, H, W]
    masks         bool [N, H, W], what they became; as they were if the model translates no masks
    steps         uint8 [H, W, C] each: after each step of a sequential translation, if several
    direction     such as AtoB
    left_out      how many instances that were asked for were not translated: beyond --ins_max, or
                  too small at the size of the translation
    """

    source: np.ndarray
    pictures: Sequence[np.ndarray]
    styles: Sequence[str]
    numbers: Sequence[int]
    source_masks: np.ndarray
    masks: np.ndarray
    steps: Sequence[np.ndarray] = field(default_factory=list)
    direction: str = ""
    left_out: int = 0

    @property
    def picture(self) -> Image.Image:
        """The translation; of several the first."""
        return to_picture(self.pictures[0])

    def save(self, path: str | Path) -> None:
        """Write the translation; of several the others as `NAME_style_1`, `NAME_style_2`, …"""
        path = Path(path)
        for i, pixels in enumerate(self.pictures):
            name = path.with_name(f"{path.stem}_style_{i}{path.suffix}") if i else path
            write(to_picture(pixels), name)

    def save_everything(self, folder: str | Path, name: str) -> None:
        """Write masks before and after, by their numbers, and the picture after each step."""
        folder = Path(folder)
        for number, before, after in zip(self.numbers, self.source_masks, self.masks, strict=True):
            write(Image.fromarray(before), folder / f"{name}_source_mask_{number}.png")
            write(Image.fromarray(after), folder / f"{name}_mask_{number}.png")
        for i, pixels in enumerate(self.steps, 1):
            write(to_picture(pixels), folder / f"{name}_step_{i}.png")

    def before_after(self, outlines: bool = True) -> Image.Image:
        """The picture and its translations side by side, masks drawn around their instances.

        They are shown at a size at which the numbers of their instances can be read.
        """
        tiles = [self.with_outlines(self.source, self.source_masks if outlines else ())]
        tiles += [self.with_outlines(own, self.masks if outlines else ()) for own in self.pictures]
        width, height = tiles[0].size
        sheet = Image.new("RGB", (len(tiles) * (width + GAP) - GAP, height), "white")
        for i, tile in enumerate(tiles):
            sheet.paste(tile, (i * (width + GAP), 0))
        return sheet

    def with_outlines(self, pixels: np.ndarray, masks: Sequence[np.ndarray]) -> Image.Image:
        picture = to_picture(pixels).convert("RGB")
        if max(picture.size) < SHOWN[0]:
            picture = picture.resize(shown_size(pixels.shape[:2], SHOWN[0]), Image.NEAREST)
        elif max(picture.size) > SHOWN[1]:
            picture = picture.resize(shown_size(pixels.shape[:2], SHOWN[1]), Image.BICUBIC)
        if len(masks):
            numbered = dict(zip(self.numbers, masks, strict=True))
            picture.paste(layer := outline_layer(numbered, picture.size), mask=layer)
        return picture

    def _repr_png_(self) -> bytes:
        data = BytesIO()
        self.before_after().save(data, "PNG")
        return data.getvalue()


def to_picture(pixels: np.ndarray) -> Image.Image:
    """uint8 [H, W, C] as a picture, grey if C is 1."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def write(picture: Image.Image, path: Path) -> None:
    """Write a picture, and the folders that it needs. Raises UserError for an unknown ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() not in Image.registered_extensions():
        raise UserError(f"{path}: no kind of picture ends so: name it .png")
    save_picture(picture, path, quality=FINE)
