"""What a model asks of each picture besides its masks: further pictures, masks, or numbers."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data.inpainting import harmonic, hole_of, inpaint
from data.labels import read_labels
from data.masks import read_mask
from data.pictures import list_pictures, read_image
from data.values import read_values
from util.errors import UserError

PICTURES = ("picture", "background")  # kinds with the channels of a picture
MADE = ("background", "hole")  # kinds that are made of picture and masks where there is no file


class Extras:
    """The extras of one domain's pictures, by name; `kinds` are a model's `extras`.

    picture, mask  `{phase}{domain}_{name}/STEM.png`, as large as the picture
    value          `{phase}{domain}_{name}.csv`, a line `STEM,number[,number…]` for each picture
    label          `{phase}{domain}_label.csv`, or folders of classes, see `read_labels`; -1 of a
                   picture without one
    hole           a mask likewise, where the objects are and a little around them
    background     a picture likewise, filled inside the hole: the picture without its objects

    The last two are written by `datasets/make_backgrounds.py`, and made while reading for a picture
    that has not both of them. Those of the kind `others` are made of the masks, by the dataset.
    With a question mark, such as `picture?`, a dataset may have none of it: then scenes come
    without.

    Raises UserError for what is missing of the pictures in `names`.
    """

    def __init__(self, root: Path, folder: str, kinds: Mapping[str, str], names: Sequence[str]):
        self.where = root / folder
        self.kinds: dict[str, str] = {}
        self.files: dict[str, dict[str, Path]] = {}
        self.values: dict[str, dict[str, Tensor]] = {}
        self.made: set[str] = set()  # pictures whose backgrounds have to be made
        for name, marked in kinds.items():
            kind = marked.removesuffix("?")
            place = root / f"{folder}_{name}{'.csv' if kind == 'value' else ''}"
            if kind == "others" or (marked != kind and not place.exists()):
                continue
            self.kinds[name] = kind
            if kind == "value":
                found = self.values[name] = read_values(place)
            elif kind == "label":
                found = self.values[name] = read_labels(root, folder, names)
            else:
                listed = list_pictures(place) if place.is_dir() else {}
                found = {stem.replace("/", "_"): place / file for stem, file in listed.items()}
                self.files[name] = found
            missing = [stem for stem in names if stem not in found]
            if kind in MADE:
                self.made |= {*missing}
            elif missing:
                raise UserError(f"{place}: the model needs {name} of {missing[0]}, there is none")
        self.count = len(names)

    def note(self) -> str:
        """What is made while reading, in a line to print, or ''."""
        if not self.made:
            return ""
        return (
            f"{len(self.made)} of {self.count} pictures in {self.where} have no background: it is "
            f"made while reading (python datasets/make_backgrounds.py {self.where.parent} does it "
            "once)"
        )

    def paths(self) -> Iterator[Path]:
        """All files that are not held in memory."""
        for files in self.files.values():
            yield from files.values()

    def load(self, stem: str, image: np.ndarray, masks: np.ndarray) -> dict[str, Tensor]:
        """Of one picture [C, H, W] with masks [N, H, W]: uint8 [C, H, W], bool [1, H, W], or
        numbers as they are.
        """
        found = {name: values[stem] for name, values in self.values.items()}
        for name, files in self.files.items():
            if stem in self.made and self.kinds[name] in MADE:
                continue
            found[name] = self.read(name, files[stem], image)
            if self.kinds[name] == "hole" and (masks.any(0) & ~found[name][0].numpy()).any():
                raise UserError(
                    f"{files[stem]} does not cover all masks of its picture: they were changed, or "
                    "read in another way: run datasets/make_backgrounds.py again"
                )
        if stem in self.made:
            found |= made_of(self.kinds, image, masks)
        return {name: found[name] for name in self.kinds}

    def read(self, name: str, path: Path, image: np.ndarray) -> Tensor:
        """A picture or a mask from its file. Raises UserError if it has another size."""
        picture = self.has_colours(name)
        pixels = read_image(path, len(image)) if picture else read_mask(path)[None]
        if pixels.shape[-2:] != image.shape[-2:]:
            there, wanted = ("x".join(map(str, x.shape[-2:])) for x in (pixels, image))
            raise UserError(f"{path} is {there} and its picture {wanted} (height x width)")
        return torch.from_numpy(pixels)

    def has_colours(self, name: str) -> bool:
        """Whether an extra has as many channels as the picture; else it has one."""
        return self.kinds[name] in PICTURES


def made_of(kinds: Mapping[str, str], image: np.ndarray, masks: np.ndarray) -> dict[str, Tensor]:
    """The hole and the background of a picture [C, H, W] with masks [N, H, W], by their names."""
    if not {*MADE} & {*kinds.values()}:
        return {}
    hole = hole_of(masks)
    filled = inpaint(image.transpose(1, 2, 0), hole, harmonic).transpose(2, 0, 1)
    made = {"hole": hole[None], "background": np.ascontiguousarray(filled)}
    return {n: torch.from_numpy(made[kind]) for n, kind in kinds.items() if kind in made}


def kinds_of(opt) -> dict[str, str]:
    """What the model asks for: name -> kind."""
    return getattr(opt, "extras", {})
