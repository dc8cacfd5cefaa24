"""Annotated pictures in miniature, as CCP, MHP and COCO have them, and how to ask about them."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.io import savemat

from conftest import SHARED, one_line_error

REAL_CCP, REAL_COCO = SHARED / "data/clothing-co-parsing", SHARED / "data/coco_mini"


real_data = pytest.mark.skipif(not SHARED.is_dir(), reason="no real pictures here")


def call(module, words: str, *more: str) -> None:
    module.main([*words.split(), *more])


def fails(capsys, module, words: str, *said: str, more: tuple[str, ...] = ()) -> None:
    with pytest.raises(SystemExit) as stop:
        call(module, words, *more)
    assert stop.value.code == 2
    one_line_error(capsys, *said)


def contents(root: Path) -> dict[str, bytes]:
    """All files but the manifest, which holds the command."""
    files = (p for p in sorted(root.rglob("*")) if p.is_file() and p.name != "dataset.json")
    return {str(p.relative_to(root)): p.read_bytes() for p in files}


def read_set(root: Path, folder: str, stem: str) -> np.ndarray:
    """The masks of a picture in the order of their numbers, bool [N, H, W]."""
    count = len(list((root / f"{folder}_seg").glob(f"{stem}_*.png")))
    paths = [root / f"{folder}_seg" / f"{stem}_{i}.png" for i in range(count)]
    return np.stack([np.asarray(Image.open(path)) for path in paths]) > 127


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.BICUBIC)


@pytest.fixture
def ccp(tmp_path) -> Path:
    """Clothing Co-Parsing with five photos: 1 pants, 2 both, 3 shorts, 4 neither, 5 tags alone."""
    root = tmp_path / "ccp"
    for folder in ("photos", "annotations/pixel-level", "annotations/image-level"):
        (root / folder).mkdir(parents=True)
    names = np.array([["null"], ["pants"], ["shorts"], ["hat"]], dtype=object)
    cells = np.empty((1, 4), dtype=object)
    for i, name in enumerate(names[:, 0]):
        cells[0, i] = np.array([name])
    savemat(root / "label_list.mat", {"label_list": cells})
    for i, labels in enumerate([(1,), (1, 2), (2,), (3,)], 1):
        truth = np.zeros((40, 24), np.uint8)
        for k, label in enumerate(labels):
            truth[4 + 16 * k : 12 + 16 * k, 4:8] = truth[4 + 16 * k : 12 + 16 * k, 14:19] = label
        savemat(root / f"annotations/pixel-level/{i:04d}.mat", {"groundtruth": truth})
        picture(40, 24, i).save(root / f"photos/{i:04d}.jpg")
    tags = np.array([[0, 2]], np.uint8)
    savemat(root / "annotations/image-level/0005.mat", {"tags": tags})
    picture(40, 24, 5).save(root / "photos/0005.jpg")
    return root


@pytest.fixture
def mhp(tmp_path) -> Path:
    """Multi-Human Parsing with two people on every photo, one photo wide, one cut short."""
    root = tmp_path / "mhp"
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for stem, (height, width) in {
        "1": (90, 60),
        "22": (60, 90),
        "3": (90, 40),
        "4": (90, 60),
    }.items():
        picture(height, width, int(stem)).save(root / f"images/{stem}.jpg", quality=95)
        for person in (1, 2):
            labels = np.zeros((height, width), np.uint8)
            left = 4 if person == 1 else width // 2
            labels[10:40, left : left + 15] = 1 if person == 1 else 3  # a hat, a pair of sunglasses
            labels[40:80, left : left + 15] = 6
            Image.fromarray(labels).save(root / f"annotations/{stem}_02_{person:02d}.png")
    cut = root / "images/4.jpg"
    cut.write_bytes(cut.read_bytes()[:-600])
    (root / "train_list.txt").write_text("1.jpg\n22.jpg\n3.jpg\n")
    (root / "test_list.txt").write_text("4.jpg\n")
    return root


SQUARE = [2.0, 2.0, 10.0, 2.0, 10.0, 10.0, 2.0, 10.0]


def rle(mask: np.ndarray) -> dict:
    """Compressed RLE whose text is a string, as JSON has it."""
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": packed["size"], "counts": packed["counts"].decode()}


@pytest.fixture
def coco(tmp_path) -> Path:
    """COCO with four kinds of segmentation, a crowd, a tiny and a bare annotation; 32x48 pictures."""
    root = tmp_path / "coco"
    (root / "train2017").mkdir(parents=True)
    (root / "annotations").mkdir()
    mask = np.zeros((32, 48), bool)
    mask[4:20, 20:40] = True
    runs = []  # uncompressed, column by column
    flat = mask.T.reshape(-1)
    for value, group in itertools.groupby(flat.tolist()):
        runs += [0] * (not runs and value) + [len(list(group))]
    kinds = {
        "polygon": [SQUARE],
        "two": [SQUARE, [20.0, 20.0, 30.0, 20.0, 30.0, 30.0]],
        "flat": SQUARE,
        "compressed": rle(mask),
        "numbers": {"size": [32, 48], "counts": runs},
    }
    annotations = [
        {"id": i, "image_id": 7, "category_id": 1, "iscrowd": 0, "segmentation": segmentation}
        for i, segmentation in enumerate(kinds.values())
    ]
    annotations += [
        {"id": 20, "image_id": 7, "category_id": 1, "iscrowd": 1, "segmentation": rle(mask)},
        {"id": 21, "image_id": 7, "category_id": 1, "segmentation": []},
        {"id": 22, "image_id": 7, "category_id": 1, "segmentation": [[0, 0, 0.2, 0, 0.2, 0.2]]},
        {"id": 23, "image_id": 9, "category_id": 2, "segmentation": [SQUARE]},
        {"id": 24, "image_id": 9, "category_id": 3, "segmentation": [SQUARE]},
    ]
    images = [{"id": i, "file_name": f"{i:012d}.jpg", "height": 32, "width": 48} for i in (7, 9)]
    names = ["sheep", "giraffe", "goat"]
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    write_annotations(root, images=images, annotations=annotations, categories=categories)
    for image in images:
        picture(32, 48, image["id"]).save(root / "train2017" / image["file_name"])
    return root


def write_annotations(root: Path, **changes) -> None:
    path = root / "annotations/instances_train2017.json"
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(before | changes))
