"""SVHN and MNIST as they are published, for those who have the files."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from util.errors import UserError

SIDE = 32
IMAGES, LABELS = 2051, 2049  # the first four bytes of idx files
MNIST = {  # phase -> the beginnings of its files' names
    "train": ("train-images", "train-labels"),
    "test": ("t10k-images", "t10k-labels"),
}
Digit = tuple[np.ndarray, int]  # uint8 [32, 32, 3], and 0 to 9


def check_svhn(folder: Path | None, phase: str) -> None:
    """Raise UserError if a folder that was named has no file of a phase."""
    if folder and not svhn_file(folder, phase).is_file():
        raise UserError(f"--svhn {folder}: there is no {svhn_file(folder, phase).name} in it")


def check_mnist(folder: Path | None, phase: str) -> None:
    for beginning in MNIST[phase] if folder else ():
        find(folder, beginning)


def svhn_file(folder: Path, phase: str) -> Path:
    return folder / f"{phase}_32x32.mat"


def svhn(folder: Path, phase: str) -> Iterator[Digit]:
    """The cropped digits of Netzer et al. (2011), `train_32x32.mat` and `test_32x32.mat`."""
    path = svhn_file(folder, phase)
    try:
        found = loadmat(path)
        images, labels = found["X"], found["y"].reshape(-1)
        if images.shape[:3] != (SIDE, SIDE, 3) or images.shape[3] != len(labels):
            raise ValueError(f"its pictures are {images.shape} and its labels {labels.shape}")
    except (ValueError, KeyError, TypeError, NotImplementedError, OSError) as error:
        raise UserError(f"{path} is not SVHN's cropped digits ({error}): fetch it again") from None
    for i, label in enumerate(labels):
        yield images[..., i], int(label) % 10  # a zero has the label 10 there


def mnist(folder: Path, phase: str) -> Iterator[Digit]:
    """LeCun's idx files, also packed by gzip; 28x28, with a black border made 32x32."""
    images = read_idx(find(folder, MNIST[phase][0]), IMAGES)
    labels = read_idx(find(folder, MNIST[phase][1]), LABELS)
    if len(images) != len(labels):
        raise UserError(f"--mnist {folder}: {len(images)} pictures and {len(labels)} labels")
    margins = [((SIDE - side) // 2, SIDE - side - (SIDE - side) // 2) for side in images.shape[1:]]
    for image, label in zip(images, labels, strict=True):
        yield np.repeat(np.pad(image, margins)[..., None], 3, -1), int(label)


def find(folder: Path, beginning: str) -> Path:
    found = sorted(folder.glob(f"{beginning}*")) if folder.is_dir() else []
    if not found:
        raise UserError(f"--mnist {folder}: there is no {beginning}-idx… in it")
    return found[0]


def read_idx(path: Path, kind: int) -> np.ndarray:
    """The bytes of an idx file, uint8 [N] or [N, H, W]."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        dimensions = 3 if kind == IMAGES else 1
        head = np.frombuffer(data[: 4 * (1 + dimensions)], ">i4")
        if head[0] != kind:
            raise ValueError(f"it begins with {head[0]} and not with {kind}")
        return np.frombuffer(data, np.uint8, offset=4 * len(head)).reshape(head[1:])
    except (ValueError, IndexError, EOFError, OSError) as error:
        raise UserError(f"{path} is no idx file ({error}): fetch it again") from None
