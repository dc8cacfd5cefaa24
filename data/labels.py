"""Which class each picture is of: in a file of labels, or by the folders that pictures lie in."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from data.pictures import list_pictures
from data.values import read_values
from util.errors import UserError

NONE = -1  # of a picture without a label


def label_file(root: Path, folder: str) -> Path:
    return root / f"{folder}_label.csv"


def read_labels(root: Path, folder: str, names: Sequence[str]) -> dict[str, Tensor]:
    """The label of each picture of a folder, int64 [1]; NONE where there is none."""
    found = find_labels(root, folder)
    return {name: torch.tensor([found.get(name, NONE)]) for name in names}


def find_labels(root: Path, folder: str) -> dict[str, int]:
    """The labels that pictures of a folder such as `trainA` have.

    `trainA_label.csv` has lines STEM,number. Without that file the folders below `trainA` are the
    classes: by their numbers, if all are numbers, else in the order of their names, those of all
    phases and both domains together.
    """
    path = label_file(root, folder)
    if not path.is_file():
        return labels_by_folder(root, folder)
    return {name: one_label(value, name, path) for name, value in read_values(path).items()}


def one_label(value: Tensor, name: str, path: Path) -> int:
    if value.is_floating_point() or value.numel() != 1 or int(value) < NONE:
        raise UserError(
            f"{path}: the label of {name} is {value.tolist()}: one whole number, from 0"
        )
    return int(value)


def labels_by_folder(root: Path, folder: str) -> dict[str, int]:
    """Labels of the pictures that lie in a folder of a class."""
    own = classes_below(root / folder)
    everything = {name for path in root.glob("*[AB]") for name in classes_below(path).values()}
    if all(name.isdecimal() for name in everything):
        number = {name: int(name) for name in everything}
    else:
        number = {name: i for i, name in enumerate(sorted(everything))}
    return {stem.replace("/", "_"): number[name] for stem, name in own.items()}


def classes_below(folder: Path) -> dict[str, str]:
    """The class folder of each picture in one, by its stem."""
    if not folder.is_dir():
        return {}
    found = {stem: PurePosixPath(stem).parts[:-1] for stem in list_pictures(folder)}
    return {stem: parts[0] for stem, parts in found.items() if parts}


def has_labels(root: Path, folder: str) -> bool:
    return label_file(root, folder).is_file() or bool(classes_below(root / folder))
