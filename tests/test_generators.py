"""The dataset generators: exact masks, every format, whole datasets or none."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from scipy.io import loadmat, savemat

from conftest import ROOT, SHARED, one_line_error
from data import dataset_writer
from data.coco_masks import decode_mask, run_lengths
from data.dataset_report import inspect
from data.sources import Annotated, center_crop, choose, resize, split_components
from datasets import (
    check_dataset,
    generate_ccp_dataset,
    generate_coco_dataset,
    generate_masks_dataset,
    generate_mhp_dataset,
)
from util.files import staged

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


# ---- geometry of written pictures


def test_a_resized_mask_keeps_its_area_and_place():
    mask = np.zeros((1, 90, 60), bool)
    mask[0, 20:50, 10:40] = True
    found = resize(Annotated(np.zeros((90, 60, 3), np.uint8), mask), (45, 30))
    expected = np.zeros((45, 30), bool)
    expected[10:25, 5:20] = True
    assert np.array_equal(found.masks[0], expected) and found.image.shape == (45, 30, 3)
    empty = resize(Annotated(np.zeros((90, 60, 3), np.uint8), mask[:0]), (45, 30))
    assert empty.masks.shape == (0, 45, 30)


def test_center_crop_takes_the_middle_and_repeats_the_border_where_it_must():
    pixels = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
    cut = center_crop(Annotated(pixels, np.ones((2, 6, 4), bool)), (4, 6))
    assert np.array_equal(cut.image[:, 1:5], pixels[1:5])
    assert np.array_equal(cut.image[:, 0], pixels[1:5, 0])
    assert not cut.masks[:, :, [0, 5]].any() and cut.masks[:, :, 1:5].all()


def test_choosing_instances_by_area_and_number():
    masks = np.zeros((4, 10, 10), bool)
    for i, area in enumerate([3, 0, 20, 8]):
        masks[i].reshape(-1)[:area] = True
    assert [m.sum() for m in choose(masks, 0, None)] == [3, 20, 8]
    assert [m.sum() for m in choose(masks, 0.08, None)] == [20, 8]
    assert [m.sum() for m in choose(masks, 0, 2)] == [20, 8]
    assert choose(masks[1:2], 0, None).shape == (0, 10, 10)


def test_components_touch_at_corners():
    mask = np.zeros((1, 5, 5), bool)
    mask[0, [0, 1, 4], [0, 1, 4]] = True
    assert [part.sum() for part in split_components(mask)] == [2, 1]


# ---- CCP


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


def test_ccp_in_miniature(ccp, tmp_path):
    out = tmp_path / "out"
    call(generate_ccp_dataset, f"--data_root {ccp} --save_root {out} --workers 1")
    assert {p.name for p in (out / "trainA").iterdir()} == {"0001.png", "0002.png"}
    assert {p.name for p in (out / "trainB").iterdir()} == {"0002.png", "0003.png"}
    assert [p.name for p in (out / "valB").iterdir()] == ["0005.png"]
    assert not (out / "valA").exists() and not (out / "valB_seg").exists()
    photo = np.asarray(Image.open(ccp / "photos/0002.jpg"))
    assert np.array_equal(np.asarray(Image.open(out / "trainA/0002.png")), photo)
    truth = loadmat(ccp / "annotations/pixel-level/0002.mat")["groundtruth"]
    assert np.array_equal(read_set(out, "trainB", "0002")[0], truth == 2)
    manifest = json.loads((out / "dataset.json").read_text())
    assert manifest["splits"]["trainA"]["instances"] == 2
    assert manifest["splits"]["valB"] | {"area_quantiles": {}} == {
        "pictures": 1,
        "instances": 0,
        "masks": False,
        "area_quantiles": {},
    }
    assert inspect(out, 1).problems == []  # val is known to have no masks


def test_parts_and_several_categories(ccp, tmp_path):
    words = f"--data_root {ccp} --save_root {tmp_path / 'out'} --cat1 pants,hat --cat2 shorts"
    call(generate_ccp_dataset, words + " --split_components")
    assert read_set(tmp_path / "out", "trainA", "0001").sum((1, 2)).tolist() == [32, 40]
    assert (tmp_path / "out/trainA/0004.png").is_file()


def test_the_held_out_part_is_seeded_and_shared_by_both_domains(ccp, tmp_path):
    for index in range(1, 4):  # two more photos of each kind, so that half of them can be held out
        for number in range(3):
            new = f"{10 * index + number:04d}"
            for kind, suffix in (("photos", ".jpg"), ("annotations/pixel-level", ".mat")):
                (ccp / kind / f"{new}{suffix}").write_bytes(
                    (ccp / kind / f"{index:04d}{suffix}").read_bytes()
                )

    def stems(name, seed):
        out = tmp_path / name
        words = f"--data_root {ccp} --save_root {out} --test_fraction 0.5 --seed {seed}"
        call(generate_ccp_dataset, words + " --workers 1")
        found = [{p.stem for p in out.glob(f"{phase}?/*.png")} for phase in ("train", "test")]
        assert len(found[0]) == len(found[1]) == 6 and found[0].isdisjoint(found[1])
        return found

    assert stems("a", 0) == stems("b", 0) != stems("c", 1)


@real_data
def test_real_ccp_counts_and_masks(tmp_path):
    """Counts and ten masks against the annotations, read here anew."""
    words = f"--data_root {REAL_CCP} --save_root {tmp_path / 'out'} --cat1 pants --cat2 shorts"
    call(generate_ccp_dataset, words)
    names = [str(x[0]) for x in loadmat(REAL_CCP / "label_list.mat")["label_list"][0]]
    wanted = {"A": names.index("pants"), "B": names.index("shorts")}
    stems: dict[str, list[str]] = {"A": [], "B": []}
    for path in sorted((REAL_CCP / "annotations/pixel-level").glob("*.mat")):
        truth = loadmat(path)["groundtruth"]
        for domain, label in wanted.items():
            if (truth == label).any():
                stems[domain].append(path.stem)
    for domain, label in wanted.items():
        written = sorted(p.stem for p in (tmp_path / f"out/train{domain}").iterdir())
        assert written == stems[domain]
        for stem in written[:: len(written) // 4][:5]:
            truth = loadmat(REAL_CCP / f"annotations/pixel-level/{stem}.mat")["groundtruth"]
            assert np.array_equal(
                read_set(tmp_path / "out", f"train{domain}", stem), [truth == label]
            )
    for domain, label in wanted.items():
        tagged = [
            path.stem
            for path in sorted((REAL_CCP / "annotations/image-level").glob("*.mat"))
            if label in loadmat(path)["tags"]
        ]
        assert sorted(p.stem for p in (tmp_path / f"out/val{domain}").iterdir()) == tagged


# ---- MHP


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


def test_mhp_in_miniature(mhp, tmp_path, capsys):
    out = tmp_path / "out"
    words = (
        f"--data_root {mhp} --save_root {out} --size_h 45 --size_w 30 --cat1 pants --cat2 sunglass"
    )
    call(generate_mhp_dataset, words + " --workers 1")
    said = capsys.readouterr().out
    assert "1 pictures are wider than tall" in said and "read as far as it goes" in said
    assert {p.name for p in (out / "trainA").iterdir()} == {"1.png", "3.png"}
    assert read_set(out, "trainA", "1").shape == (2, 45, 30)  # one mask per person
    expected = np.zeros((45, 30), bool)
    expected[5:20, 15:22] = True
    found = read_set(out, "trainB", "1")
    assert found.shape[0] == 1 and np.logical_xor(found[0], expected).sum() <= 15
    assert read_set(out, "testA", "4").shape[0] == 2  # cut short, but read
    narrow = np.asarray(Image.open(out / "trainA/3.png"))
    assert narrow.shape == (45, 30, 3) and (narrow[:, 0] == narrow[:, 4]).all()
    call(generate_mhp_dataset, words + " --workers 1 --no_skip_horizontal --overwrite")
    assert (out / "trainA/22.png").is_file()


def test_mhp_needs_its_categories(mhp, tmp_path, capsys):
    root = f"--data_root {mhp} --save_root {tmp_path / 'out'}"
    fails(capsys, generate_mhp_dataset, root, "--cat1 is missing", "torso-skin")
    fails(capsys, generate_mhp_dataset, root + " --cat1 pant --cat2 hat", "nearest first: pants")
    (mhp / "annotations/3_02_02.png").unlink()
    Image.new("L", (5, 5)).save(mhp / "annotations/3_02_02.png")
    fails(capsys, generate_mhp_dataset, root + " --cat1 pants --cat2 hat", "3_02_02.png", "5x5")
    (mhp / "train_list.txt").unlink()
    fails(capsys, generate_mhp_dataset, root + " --cat1 pants --cat2 hat", "train_list.txt")
    assert not (tmp_path / "out").exists()


# ---- COCO


@real_data
def test_real_coco_masks_are_those_of_pycocotools(tmp_path):
    """Every annotation's mask before resizing; then counts, without and with the crowds."""
    for split in ("train", "val"):
        coco = COCO(REAL_COCO / f"annotations/instances_{split}2017.json")
        for annotation in coco.anns.values():
            size = [coco.imgs[annotation["image_id"]][side] for side in ("height", "width")]
            mask = decode_mask(annotation["segmentation"], tuple(size), Path())
            assert np.array_equal(mask, coco.annToMask(annotation).astype(bool))
    for crowd, counts in (("skip", [9, 13, 12, 3]), ("keep", [10, 13, 14, 3])):
        out = tmp_path / crowd
        call(generate_coco_dataset, f"--data_root {REAL_COCO} --save_root {out} --crowd {crowd}")
        assert [
            len(list((out / f"{folder}_seg").iterdir()))
            for folder in ("trainA", "trainB", "valA", "valB")
        ] == counts
    assert (tmp_path / "keep/trainA/139.png").is_file()


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


def test_coco_of_every_kind(coco, tmp_path, capsys):
    out = tmp_path / "out"
    call(generate_coco_dataset, f"--data_root {coco} --save_root {out} --image_size 32")
    masks = read_set(out, "trainA", "7")
    assert "1 annotations have no segmentation" in capsys.readouterr().out
    square = np.zeros((32, 32), bool)
    square[2:10, :2] = True  # the middle 32 of 48 columns
    block = np.zeros((32, 32), bool)
    block[4:20, 12:32] = True
    assert len(masks) == 5  # neither crowd nor tiny nor bare
    assert np.array_equal(masks[0], square) and np.array_equal(masks[2], square)
    assert masks[1].sum() > square.sum()
    assert np.array_equal(masks[3], block) and np.array_equal(masks[4], block)
    assert np.asarray(Image.open(out / "trainA/7.png")).shape == (32, 32, 3)
    call(
        generate_coco_dataset,
        f"--data_root {coco} --save_root {tmp_path / 'few'} --max_instances 2 --min_area 0.01 "
        "--cat1 sheep,goat --crowd keep",
    )
    assert len(read_set(tmp_path / "few", "trainA", "7")) == 2
    assert len(read_set(tmp_path / "few", "trainA", "9")) == 1


def test_any_tools_layout_and_names(coco, tmp_path):
    """Annotations beside the pictures, sizes left out, ids as text, another split, turned EXIF."""
    contents = json.loads((coco / "annotations/instances_train2017.json").read_text())
    for image in contents["images"]:
        del image["height"], image["width"]
        image["id"] = f"p/{image['id']}"
    for annotation in contents["annotations"]:
        annotation["image_id"] = f"p/{annotation['image_id']}"
    for folder in ("train", "valid"):
        (tmp_path / "other" / folder).mkdir(parents=True)
        (tmp_path / "other" / folder / "_annotations.coco.json").write_text(json.dumps(contents))
        for image in contents["images"]:
            exif = Image.Exif()
            exif[0x0112] = 3  # upside down: the size is the same
            target = tmp_path / "other" / folder / image["file_name"]
            Image.open(coco / "train2017" / image["file_name"]).save(target, exif=exif)
    call(generate_coco_dataset, f"--data_root {tmp_path / 'other'} --save_root {tmp_path / 'out'}")
    assert {p.name for p in (tmp_path / "out").iterdir() if p.suffix != ".json"} == {
        f"{phase}{domain}{kind}"
        for phase in ("train", "val")
        for domain in "AB"
        for kind in ("", "_seg")
    }
    assert (tmp_path / "out/trainA/p_7.png").is_file()
    name = "annotations/instances_train2017.json"
    call(
        generate_coco_dataset,
        f"--data_root {coco} --save_root {tmp_path / 'typed'} --annotations train={name} val={name}",
    )
    assert contents_of_split(tmp_path / "typed", "train") == contents_of_split(
        tmp_path / "typed", "val"
    )


def contents_of_split(root: Path, phase: str) -> list[bytes]:
    return [p.read_bytes() for p in sorted(root.glob(f"{phase}*/*"))]


def test_a_picture_annotated_as_it_is_stored(coco, tmp_path):
    path = coco / "train2017/000000000007.jpg"
    stored = Image.open(path).copy()
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.save(path, exif=exif)
    call(
        generate_coco_dataset, f"--data_root {coco} --save_root {tmp_path / 'out'} --image_size 32"
    )
    assert len(read_set(tmp_path / "out", "trainA", "7")) == 5


# ---- label maps


def test_label_maps_of_instances(tmp_path):
    for domain in "AB":
        for folder in (f"photos{domain}", f"maps{domain}"):
            (tmp_path / folder).mkdir()
        picture(20, 24).save(tmp_path / f"photos{domain}/x.jpg")
    codes = np.zeros((20, 24), np.uint16)
    codes[2:8, 2:8], codes[10:15, 2:8], codes[10:15, 15:20] = 24001, 300, 300
    Image.fromarray(codes).save(tmp_path / "mapsA/x.png")
    colors = np.zeros((20, 24, 3), np.uint8)
    colors[3:9, 3:9] = (255, 128, 0)
    Image.fromarray(colors).save(tmp_path / "mapsB/x.png")
    words = " ".join(
        f"--images{d} {tmp_path}/photos{d} --labels{d} {tmp_path}/maps{d}" for d in "AB"
    )
    call(generate_masks_dataset, f"{words} --save_root {tmp_path / 'out'}")
    masks = read_set(tmp_path / "out", "trainA", "x")
    assert np.array_equal(masks, [codes == 300, codes == 24001])
    assert np.array_equal(read_set(tmp_path / "out", "trainB", "x")[0], colors.any(-1))
    call(generate_masks_dataset, f"{words} --save_root {tmp_path / 'split'} --split_components")
    assert len(read_set(tmp_path / "split", "trainA", "x")) == 3


def test_label_maps_of_classes(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    (tmp_path / "maps").mkdir()
    classes = np.zeros((20, 24), np.uint8)
    classes[2:8, 2:8] = classes[10:15, 2:8] = 7
    classes[10:15, 15:20] = 9
    for name in ("x", "y"):
        picture(20, 24).save(tmp_path / f"photos/{name}.png")
        palette = Image.fromarray(
            classes if name == "x" else np.where(classes == 9, 9, 0).astype("u1")
        )
        palette.putpalette([i // 3 for i in range(768)])
        palette.save(tmp_path / f"maps/{name}.png")
    words = f"--imagesA {tmp_path}/photos --labelsA {tmp_path}/maps --save_root {tmp_path / 'out'}"
    call(generate_masks_dataset, f"{words} --cat1 7 --cat2 9")
    assert len(read_set(tmp_path / "out", "trainA", "x")) == 2
    assert [p.stem for p in sorted((tmp_path / "out/trainB").iterdir())] == ["x", "y"]
    assert not (tmp_path / "out/trainA/y.png").exists()
    fails(
        capsys, generate_masks_dataset, f"{words} --overwrite --cat1 8 --cat2 9", "--cat1 8", "7, 9"
    )
    fails(capsys, generate_masks_dataset, f"{words} --overwrite", "--imagesB")
    (tmp_path / "maps/y.png").unlink()
    fails(capsys, generate_masks_dataset, f"{words} --overwrite --cat1 7 --cat2 9", "maps/y.png")


# ---- whole or nothing


def test_the_same_bytes_with_any_number_of_workers(coco, ccp, tmp_path):
    for module, root in ((generate_coco_dataset, coco), (generate_ccp_dataset, ccp)):
        for workers in (1, 3):
            out = tmp_path / f"{module.__name__}{workers}"
            call(module, f"--data_root {root} --save_root {out} --workers {workers}")
        one, other = (contents(tmp_path / f"{module.__name__}{n}") for n in (1, 3))
        assert one == other and len(one) > 4


def test_bad_input_is_one_line_and_nothing_is_written(coco, ccp, tmp_path, capsys, monkeypatch):
    out = tmp_path / "new" / "out"

    def refused(words: str, *said: str) -> None:
        fails(capsys, generate_coco_dataset, f"--save_root {out} --data_root {words}", *said)
        assert not out.exists()
        assert not out.parent.exists() or list(out.parent.iterdir()) == []

    refused(str(tmp_path / "nowhere"), "--data_root", "no such folder", "download_coco.sh")
    refused(str(ccp), ".json", "--annotations")
    refused(f"{coco} --annotations absent.json", "absent.json")
    refused(f"{coco} --cat1 giraffe", "giraffe is in both")
    refused(f"{coco} --cat1 shep", "unknown", "nearest first: sheep, ")
    refused(f"{coco} --min_area 1.5", "--min_area 1.5")
    refused(f"{coco} --min_area 0.9", "--cat1 sheep", "--min_area")
    whole = (coco / "annotations/instances_train2017.json").read_text()
    for broken, said in (
        ({"annotations": {}}, "no list 'annotations'"),
        ({"annotations": [{"image_id": 7}]}, "category_id"),
        ({"images": [{"id": 7, "file_name": "../../etc/passwd"}]}, "leads out"),
        ({"images": [{"id": 1, "file_name": "a.jpg"}]}, "does not list"),
        ({"annotations": []}, "no picture to train on has it"),
    ):
        write_annotations(coco, **broken)
        refused(str(coco), said)
        (coco / "annotations/instances_train2017.json").write_text(whole)
    annotation = {"image_id": 7, "category_id": 1, "segmentation": {"size": [5, 5], "counts": [25]}}
    others = json.loads(whole)["annotations"]
    write_annotations(coco, annotations=[*others, annotation])
    refused(str(coco), "000000000007.jpg", "5x5")
    write_annotations(coco, annotations=[*others, annotation | {"segmentation": "abc"}])
    refused(str(coco), "neither polygons nor RLE")
    (coco / "annotations/instances_train2017.json").write_text(whole[:-9])
    refused(str(coco), "is no JSON")


def test_absent_and_broken_pictures_are_named_or_left_out(coco, tmp_path, capsys):
    words = f"--data_root {coco} --save_root {tmp_path / 'out'} --cat1 goat,sheep"
    path = coco / "train2017/000000000007.jpg"
    whole = path.read_bytes()
    for spoil, said in (
        (path.unlink, "absent"),
        (lambda: path.write_bytes(whole[:300]), "cannot be read"),
        (lambda: picture(20, 20).save(path), "20x20 and annotated as 32x48"),
    ):
        spoil()
        fails(capsys, generate_coco_dataset, words, "000000000007.jpg", said, "--missing skip")
        assert not (tmp_path / "out").exists()
        call(generate_coco_dataset, f"{words} --missing skip")
        told = capsys.readouterr().out
        assert "000000000007.jpg first" in told or "unreadable: 1 pictures, trainA/7 first" in told
        assert [p.name for p in (tmp_path / "out/trainA").iterdir()] == ["9.png"]
        shutil.rmtree(tmp_path / "out")


def test_an_existing_folder_is_safe(coco, tmp_path, capsys):
    out = tmp_path / "out"
    words = f"--data_root {coco} --save_root {out}"
    call(generate_coco_dataset, words)
    before = contents(out)
    fails(capsys, generate_coco_dataset, words, str(out), "--overwrite")
    fails(
        capsys, generate_coco_dataset, f"{words} --overwrite --cat1 goat --min_area 0.9", "--cat1"
    )
    assert contents(out) == before
    call(generate_coco_dataset, f"{words} --overwrite --image_size 40")
    assert contents(out) != before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("dear")
    words = f"--data_root {coco} --save_root {tmp_path / 'mine'} --overwrite"
    fails(capsys, generate_coco_dataset, words, "not made by a generator")
    assert (tmp_path / "mine/thesis.txt").read_text() == "dear"


def test_a_full_disk_leaves_nothing(coco, tmp_path, capsys, monkeypatch):
    def full(path, pixels):
        if path.name == "7_3.png":
            raise OSError(28, "No space left on device", str(path))
        written(path, pixels)

    written = dataset_writer.save
    monkeypatch.setattr(dataset_writer, "save", full)
    words = f"--data_root {coco} --save_root {tmp_path / 'new/out'} --workers 1"
    fails(capsys, generate_coco_dataset, words, "--save_root", "No space left on device")
    assert not (tmp_path / "new").exists()


def test_a_killed_run_looks_like_none_and_the_next_one_is_clean(ccp, tmp_path):
    for i in range(100, 400):
        for kind, suffix in (("photos", ".jpg"), ("annotations/pixel-level", ".mat")):
            os.link(ccp / kind / f"0002{suffix}", ccp / kind / f"{i:04d}{suffix}")
    words = f"--data_root {ccp} --save_root {tmp_path / 'out'} --workers 2".split()
    script = ROOT / "datasets/generate_ccp_dataset.py"
    for stop in (signal.SIGINT, signal.SIGKILL):
        running = subprocess.Popen(
            [sys.executable, script, *words],
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        while running.poll() is None and not list(tmp_path.glob(".out.partial/trainA/01*.png")):
            time.sleep(0.01)
        os.killpg(running.pid, stop)
        said = running.communicate()[1]
        assert not (tmp_path / "out").exists()
        if stop == signal.SIGINT:
            assert running.returncode == 130 and said.strip() == "interrupted"
            assert not (tmp_path / ".out.partial").exists()
    assert (tmp_path / ".out.partial").exists()  # nobody was left to remove it
    generate_ccp_dataset.main(words)
    assert len(list((tmp_path / "out/trainA").iterdir())) == 302
    assert not (tmp_path / ".out.partial").exists()


# ---- what a reviewer found


def test_run_lengths_are_those_of_pycocotools():
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 0.98):
        mask = rng.random((37, 53)) < share
        assert np.array_equal(decode_mask(rle(mask), (37, 53), Path()), mask)
        assert sum(run_lengths(rle(mask)["counts"].encode())) == mask.size


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [32, 48], "counts": [100, 50]},  # does not fill the picture
        {"size": [32, 48], "counts": [-4, 1540]},
        {"size": [32, 48], "counts": [0, 2**70]},
        {"size": [32, 48], "counts": rle(np.ones((32, 48)))["counts"][:1]},
        [[float("nan"), 10, 50, 10, 50, 40]],
        [[1e9, 10, 50, 10, 50, 40]],
        [[1, 10, 20, 10, 20, 30, 7]],
        [["a", "b"] * 3],
        {"counts": [5]},
    ],
)
def test_a_segmentation_that_cannot_be_is_refused(coco, tmp_path, capsys, segmentation):
    annotation = {"image_id": 7, "category_id": 1, "segmentation": segmentation}
    others = json.loads((coco / "annotations/instances_train2017.json").read_text())["annotations"]
    write_annotations(coco, annotations=[*others, annotation])
    words = f"--data_root {coco} --save_root {tmp_path / 'out'}"
    fails(capsys, generate_coco_dataset, words, "000000000007.jpg", "neither polygons nor RLE")
    assert not (tmp_path / "out").exists()


def test_several_rle_parts_are_one_instance():
    left, right = np.zeros((2, 32, 48), bool)
    left[3:9, 2:8], right[20:25, 30:40] = True, True
    assert np.array_equal(decode_mask([rle(left), rle(right)], (32, 48), Path()), left | right)


def test_ids_of_other_tools_and_names_with_commas(coco, tmp_path, capsys):
    contents = json.loads((coco / "annotations/instances_train2017.json").read_text())
    for annotation in contents["annotations"]:
        annotation["category_id"] = str(annotation["category_id"])
        annotation["image_id"] = float(annotation["image_id"])
    contents["categories"][0]["name"] = "sheep, white "
    write_annotations(coco, **contents)
    words = f"--data_root {coco} --save_root {tmp_path / 'out'}"
    call(generate_coco_dataset, words, "--cat1", "sheep, white")
    assert (tmp_path / "out/trainA/7.png").is_file()
    for spoiled in ({"id": [7]}, {"height": "abc"}, {"height": float("inf")}):
        write_annotations(coco, images=[contents["images"][0] | spoiled, contents["images"][1]])
        fails(capsys, generate_coco_dataset, f"{words} --overwrite", "not in COCO format")


def test_splits_are_words_and_keep_their_pictures_apart(coco, tmp_path, capsys):
    name = "annotations/instances_train2017.json"
    words = f"--data_root {coco} --save_root {tmp_path / 'out'} --annotations train={name}"
    for split in ("../../esc", "a/b"):
        fails(capsys, generate_coco_dataset, f"{words} {split}={name}", split, "is a word")
    typed = words.replace("train=", "Train=")
    call(generate_coco_dataset, typed)
    fails(
        capsys,
        generate_coco_dataset,
        f"{words} test={name} --overwrite --test_fraction 0.9",
        "would both be",
    )


def test_two_runs_on_one_folder_do_not_meet(coco, tmp_path, capsys):
    words = f"--data_root {coco} --save_root {tmp_path / 'out'}"
    with staged(tmp_path / "out", "--save_root") as folder:
        (folder / "mine").write_text("x")
        fails(capsys, generate_coco_dataset, words, "is being written by another process")
        assert (folder / "mine").exists()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


def test_links_and_the_folder_one_is_in(coco, tmp_path, capsys, monkeypatch):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk/data")
    words = f"--data_root {coco} --save_root {tmp_path / 'link'}"
    for overwrite in ("", " --overwrite"):
        call(generate_coco_dataset, words + overwrite)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "disk/data/trainA").is_dir()
    assert [p.name for p in (tmp_path / "disk").iterdir()] == ["data"]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    fails(
        capsys, generate_coco_dataset, f"--data_root {coco} --save_root .", "the folder you are in"
    )


def test_workers_end_with_a_killed_parent(tmp_path):
    code = (
        "import os, time\nfrom util.workers import map_in_order\n"
        "def work(n):\n    os.write(1, b'%d\\n' % os.getpid())  # one piece\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n    list(map_in_order(work, range(8), 2, 'x'))\n"
    )
    (tmp_path / "many.py").write_text(code)
    running = subprocess.Popen(
        [sys.executable, tmp_path / "many.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    workers = [int(running.stdout.readline()) for _ in range(2)]
    running.kill()
    running.wait()
    deadline = time.time() + 20
    while any(map(alive, workers)) and time.time() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")  # a zombie that nobody waited for is dead
    return not (stat.is_file() and stat.read_text().rpartition(")")[2].split()[0] == "Z")


def test_a_hand_repaired_dataset_is_not_overwritten(coco, tmp_path, capsys):
    words = f"--data_root {coco} --save_root {tmp_path}"
    call(generate_coco_dataset, f"{words}/out")
    with pytest.raises(SystemExit) as stop:
        check_dataset.main([f"{tmp_path}/out", "--fix", f"{tmp_path}/fixed", "--workers", "1"])
    assert stop.value.code == 1
    capsys.readouterr()
    fails(capsys, generate_coco_dataset, f"{words}/fixed --overwrite", "not made by a generator")


def test_odd_sizes_and_lists_of_mhp(mhp, tmp_path, capsys):
    picture(2000, 4).resize((1, 2000)).save(mhp / "images/3.jpg")
    for person in (1, 2):
        Image.new("L", (1, 2000), 6).save(mhp / f"annotations/3_02_0{person}.png")
    (mhp / "train_list.txt").write_bytes(b"1.jpg\n3.jpg\n\xff.jpg\n")
    words = f"--data_root {mhp} --save_root {tmp_path / 'out'} --cat1 pants --cat2 sunglass"
    call(generate_mhp_dataset, f"{words} --size_h 45 --size_w 30 --missing skip")
    assert (tmp_path / "out/trainA/3.png").is_file()
    fails(capsys, generate_mhp_dataset, f"{words} --size_h 100000000 --overwrite", "--size_h")


def test_ccp_annotations_that_are_no_labels(ccp, tmp_path, capsys):
    cells = np.empty((1, 2), dtype=object)
    cells[0, 0], cells[0, 1] = np.array([1]), np.array([2, 3])
    savemat(ccp / "annotations/pixel-level/0001.mat", {"groundtruth": cells})
    words = f"--data_root {ccp} --save_root {tmp_path / 'out'}"
    fails(capsys, generate_ccp_dataset, words, "0001.mat", "no labels")


def test_label_maps_with_alpha_and_broken_ones(tmp_path, capsys):
    for folder in ("photos", "maps"):
        (tmp_path / folder).mkdir()
    words = f"--imagesA {tmp_path}/photos --labelsA {tmp_path}/maps --save_root {tmp_path / 'out'}"
    fails(capsys, generate_masks_dataset, f"{words} --cat1 7 --cat2 9", "photos: no pictures in it")
    labels = np.zeros((20, 24, 2), np.uint8)
    labels[..., 1], labels[2:8, 2:8, 0], labels[10:15, 2:8, 0] = 255, 7, 9
    for name in "xy":
        picture(20, 24).save(tmp_path / f"photos/{name}.png")
        Image.fromarray(labels).save(tmp_path / f"maps/{name}.png")
    (tmp_path / "maps/y.png").write_bytes((tmp_path / "maps/y.png").read_bytes()[:60])
    fails(capsys, generate_masks_dataset, f"{words} --cat1 7 --cat2 9", "y.png", "--missing skip")
    call(generate_masks_dataset, f"{words} --cat1 7 --cat2 9 --missing skip")
    assert np.array_equal(read_set(tmp_path / "out", "trainA", "x")[0], labels[..., 0] == 7)
    fails(capsys, generate_masks_dataset, f"{words} --background hello", "--background hello")


def test_nothing_left_says_why(coco, tmp_path, capsys):
    (coco / "train2017/000000000007.jpg").unlink()
    words = f"--data_root {coco} --save_root {tmp_path / 'out'} --missing skip"
    fails(capsys, generate_coco_dataset, words, "absent", "domain A")
    fails(capsys, generate_coco_dataset, f"{words} --images /nowhere", "--images /nowhere")
