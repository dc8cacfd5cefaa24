"""What a model asks of each picture besides its masks: further pictures, masks, or numbers."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from data.masks import read_mask
from data.pictures import list_pictures, read_image
from util.errors import UserError


class Extras:
    """The extras of one domain's pictures, by name; `kinds` are a model's `extras`.

    picture, mask  `{phase}{domain}_{name}/STEM.png`, as large as the picture
    value          `{phase}{domain}_{name}.csv`, a line `STEM,number[,number…]` for each picture

    Those of the kind `others` are made of the masks, by the dataset. With a question mark, such as
    `picture?`, a dataset may have none of it: then scenes come without.

    Raises UserError for what is missing of the pictures in `names`.
    """

    def __init__(self, root: Path, folder: str, kinds: Mapping[str, str], names: Sequence[str]):
        self.kinds: dict[str, str] = {}
        self.files: dict[str, dict[str, Path]] = {}
        self.values: dict[str, dict[str, Tensor]] = {}
        for name, marked in kinds.items():
            kind = marked.removesuffix("?")
            place = root / f"{folder}_{name}{'.csv' if kind == 'value' else ''}"
            if kind == "others" or (marked != kind and not place.exists()):
                continue
            self.kinds[name] = kind
            if kind == "value":
                found = self.values[name] = read_values(place)
            else:
                listed = list_pictures(place) if place.is_dir() else {}
                found = {stem.replace("/", "_"): place / file for stem, file in listed.items()}
                self.files[name] = found
            if missing := [stem for stem in names if stem not in found]:
                raise UserError(f"{place}: the model needs {name} of {missing[0]}, there is none")

    def paths(self) -> Iterator[Path]:
        """All files that are not held in memory."""
        for files in self.files.values():
            yield from files.values()

    def load(self, stem: str, size: tuple[int, int], channels: int) -> dict[str, Tensor]:
        """Of one picture: uint8 [C, H, W], bool [1, H, W], or numbers as they are."""
        found = {name: values[stem] for name, values in self.values.items()}
        for name, files in self.files.items():
            path = files[stem]
            picture = self.kinds[name] == "picture"
            pixels = read_image(path, channels) if picture else read_mask(path)[None]
            if pixels.shape[-2:] != tuple(size):
                there, wanted = ("x".join(map(str, x)) for x in (pixels.shape[-2:], size))
                raise UserError(f"{path} is {there} and its picture {wanted} (height x width)")
            found[name] = torch.from_numpy(pixels)
        return {name: found[name] for name in self.kinds}


def kinds_of(opt) -> dict[str, str]:
    """What the model asks for: name -> kind."""
    return getattr(opt, "extras", {})


def read_values(path: Path) -> dict[str, Tensor]:
    """Numbers by a picture's name: whole ones as integers, such as labels, else as floats."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; a line in it is STEM,number")
    found = {}
    with open(path, newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.reader(file), 1):
            if not row:
                continue
            try:
                numbers = [float(word) for word in row[1:]]
            except ValueError:
                raise UserError(f"{path}, line {line}: {row[1:]} are no numbers") from None
            whole = all(number.is_integer() for number in numbers)
            found[row[0]] = torch.tensor(numbers).long() if whole else torch.tensor(numbers)
    return found
