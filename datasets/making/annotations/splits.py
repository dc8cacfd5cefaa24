"""Which phase of the dataset annotations are for, by the words in their path."""

import re
from pathlib import Path

SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}  # in paths -> phase


def split_in(path: Path, root: Path) -> str:
    """The phase that a path below root says; '' if it says none."""
    parts = path.relative_to(root).parts if path.is_relative_to(root) else path.parts
    for part in reversed(parts):
        if found := re.search(r"(?<![a-z])(train|valid|val|test)", part.lower()):
            return SPLITS[found[1]]
    return ""


def split_of(path: Path, root: Path) -> str:
    """The same; `train`, which is told, if it says none."""
    if split := split_in(path, root):
        return split
    print(f"note: {path}: no split in its name, taken as train; say --annotations val={path}")
    return "train"
