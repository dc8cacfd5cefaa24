"""Small annotation files, pictures and masks, to be spoilt as tools spoil them."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from annotated import read_set
from PIL import Image

HEIGHT, WIDTH = 40, 60  # of the pictures; --image_size 40 writes the columns 10 to 49


def rectangle(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def ring(left: int, top: int, right: int, bottom: int) -> list[int]:
    return [left, top, right, top, right, bottom, left, bottom]


A, B, C = (15, 8, 25, 30), (35, 5, 45, 20), (30, 10, 40, 20)


def runs(mask: np.ndarray, order: str = "F") -> dict:
    """Uncompressed RLE; with order C along rows, which is wrong."""
    counts = []
    for value, group in itertools.groupby(mask.flatten(order).tolist()):
        counts += [0] * (not counts and value) + [len(list(group))]
    return {"size": [HEIGHT, WIDTH], "counts": counts}


def document() -> dict:
    """A sheep in a.png, a giraffe in b.png."""
    size = {"height": HEIGHT, "width": WIDTH}
    return {
        "images": [{"id": i, "file_name": f"{x}.png", **size} for i, x in ((1, "a"), (2, "b"))],
        "categories": [{"id": 1, "name": "sheep"}, {"id": 2, "name": "giraffe"}],
        "annotations": [annotation(1, 1, A), annotation(2, 2, B)],
    }


def annotation(number: int, picture: int, box: tuple, **more) -> dict:
    own = {"id": number, "image_id": picture, "category_id": picture, "iscrowd": 0}
    return own | {"segmentation": [ring(*box)]} | more


def photo(seed: int) -> Image.Image:
    return Image.fromarray(noise(HEIGHT, WIDTH, seed))


@pytest.fixture
def write(tmp_path) -> Callable[..., str]:
    """Writes a document and its pictures; returns the command's words."""

    def written(contents: dict, pictures: dict | None = None) -> str:
        for name, picture in (pictures or {"a.png": photo(0), "b.png": photo(1)}).items():
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
        (tmp_path / "ann.json").write_text(json.dumps(contents))
        return (
            f"--data_root {tmp_path} --annotations train=ann.json --images {tmp_path}/images "
            f"--save_root {tmp_path}/out --image_size 40 --overwrite"
        )

    return written


def masks_of(words: str, folder: str, stem: str) -> np.ndarray:
    """Masks [N, 40, 40] that a command wrote."""
    return read_set(Path(re.search(r"--save_root (\S+)", words)[1]), folder, stem)


def shown(*boxes: tuple) -> np.ndarray:
    """The same boxes in the written pictures."""
    return np.stack([rectangle(*box)[:, 10:50] for box in boxes])


PAIRS = [[C[0], C[1]], [C[2], C[1]], [C[2], C[3]], [C[0], C[3]]]

LEFT_OUT = {
    "without a segmentation": {"segmentation": []},
    "without a polygon of 3 points": {"segmentation": [[10, 5, 30, 20]]},
    "out a polygon of 3 points": {"segmentation": [[]]},
    "which are no pixels": {"segmentation": [[0.1, 0.1, 0.9, 0.1, 0.9, 0.9]]},
    "without a category": {"category_id": None},
    "of a category that is not listed": {"category_id": 9},
    "marked as crowds": {"iscrowd": 1},
    "outside of the part of the picture": {"segmentation": [ring(0, 0, 8, 8)]},
    "without a pixel in the picture": {"segmentation": [ring(100, 100, 110, 110)]},
}


SIDE = 48  # of pictures with masks of their own
BLOCK = np.zeros((SIDE, SIDE), bool)
BLOCK[8:30, 8:30] = True  # 484 pixels


def noise(height: int = SIDE, width: int = SIDE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
