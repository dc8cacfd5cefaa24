"""Numbers of pictures, in a CSV file."""

import csv
from pathlib import Path

import torch
from torch import Tensor

from util.errors import UserError


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
