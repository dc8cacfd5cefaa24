"""Annotations in COCO format, of any tool."""

import json
from pathlib import Path

import numpy as np
import pytest
from annotated import REAL_COCO, call, fails, read_set, real_data, rle, write_annotations
from PIL import Image
from pycocotools.coco import COCO

from datasets import generate_coco_dataset
from datasets.making.annotations.regions import region_of


@real_data
def test_real_coco_masks_are_those_of_pycocotools(tmp_path):
    """Every annotation's mask before resizing; then counts, without and with the crowds."""
    for split in ("train", "val"):
        coco = COCO(REAL_COCO / f"annotations/instances_{split}2017.json")
        for annotation in coco.anns.values():
            size = [coco.imgs[annotation["image_id"]][side] for side in ("height", "width")]
            mask = region_of(annotation["segmentation"]).decode(tuple(size), tuple(size))
            assert np.array_equal(mask, coco.annToMask(annotation).astype(bool))
    for crowd, counts in (("skip", [9, 13, 12, 3]), ("keep", [10, 13, 14, 3])):
        out = tmp_path / crowd
        call(generate_coco_dataset, f"--data_root {REAL_COCO} --save_root {out} --crowd {crowd}")
        assert [
            len(list((out / f"{folder}_seg").iterdir()))
            for folder in ("trainA", "trainB", "valA", "valB")
        ] == counts
    assert (tmp_path / "keep/trainA/139.png").is_file()


def test_coco_of_every_kind(coco, tmp_path, capsys):
    out = tmp_path / "out"
    call(generate_coco_dataset, f"--data_root {coco} --save_root {out} --image_size 32")
    masks = read_set(out, "trainA", "7")
    said = capsys.readouterr().out
    assert "annotations: 10 read, 6 written; left out: " in said
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
