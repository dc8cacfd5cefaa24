"""Annotations of LabelMe, VIA, YOLO and Pascal VOC: the same instances as from COCO."""

import json
from pathlib import Path

import numpy as np
import pytest
from annotated import call, fails, read_set
from foreign import A, B, C, rectangle
from other_tools import (
    corners,
    photos,
    png,
    region,
    shape,
    words_for,
    write_labelme,
    write_voc,
    yolo_line,
)
from PIL import Image

from datasets import generate_annotated_dataset


def check(root: Path, capsys, title: str, more: str = "") -> str:
    """Two sheep in a, a giraffe in b; returns what was said."""
    call(generate_annotated_dataset, words_for(root, more))
    said = capsys.readouterr().out
    assert f"format: {title}" in said
    out = Path(f"{root}_out")
    expected = [rectangle(*box)[:, 10:50] for box in (A, C)]
    assert sorted(m.sum() for m in read_set(out, "trainA", "a")) == [
        m.sum() for m in expected[::-1]
    ]
    assert {m.tobytes() for m in read_set(out, "trainA", "a")} == {m.tobytes() for m in expected}
    assert np.array_equal(read_set(out, "trainB", "b"), [rectangle(*B)[:, 10:50]])
    return said


# ---- LabelMe


def test_labelme(tmp_path, capsys):
    root = tmp_path / "in"
    photos(root, "a.png", "b.png")
    box = [[C[0], C[1]], [C[2] - 1, C[3] - 1]]
    shapes = [
        shape("sheep", corners(*A)),
        shape("sheep", box, "mask", mask=png(rectangle(*C)[C[1] : C[3], C[0] : C[2]])),
        shape("sheep", [[1, 1], [9, 9]], "line"),
        shape("dog", corners(*B)),
    ]
    write_labelme(root, "a", shapes)
    write_labelme(root, "b", [shape("giraffe", [[B[2], B[3]], [B[0], B[1]]], "rectangle")])
    (root / "settings.json").write_text("{}")
    said = check(root, capsys, "LabelMe")
    assert "5 read, 3 written; left out: 1 without an area" in said and "1 of other cat" in said


def test_labelme_groups_splits_and_windows_paths(tmp_path, capsys):
    root = tmp_path / "in"
    photos(root / "pictures", "a.png", "b.png")
    half = (A[0], A[1], A[2], 15), (A[0], 15, A[2], A[3])
    parts = [shape("sheep", corners(*box), group_id=7) for box in half]
    shapes = [*parts, shape("sheep", corners(*C))]
    write_labelme(root / "labels/train", "a", shapes, "..\\..\\pictures\\a.png")
    write_labelme(root / "labels/train", "b", [shape("giraffe", corners(*B))], "D:\\x\\b.png")
    write_labelme(root / "labels/val", "b", [shape("giraffe", corners(*B))], "D:\\x\\b.png")
    said = check(root, capsys, "LabelMe", "--format auto")
    assert "by the end of their path" in said and "valB:" in said


def test_a_mask_that_leaves_the_picture_and_a_turn_that_no_size_tells(tmp_path, capsys):
    root = tmp_path / "in"
    photos(root, "a.png", "b.png")
    full = png(np.ones((10, 30), bool))
    points = [[-5, 35], [24, 44]]
    write_labelme(root, "a", [shape("sheep", points, "mask", mask=full)])
    write_labelme(root, "b", [shape("giraffe", corners(*B))])
    contents = json.loads((root / "b.json").read_text())
    del contents["imageHeight"], contents["imageWidth"]
    (root / "b.json").write_text(json.dumps(contents))
    call(generate_annotated_dataset, words_for(root))
    (mask,) = read_set(Path(f"{root}_out"), "trainA", "a")
    assert np.array_equal(mask, rectangle(0, 35, 25, 40)[:, 10:50])
    assert "--exif" not in capsys.readouterr().out
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(root / "b.png").save(root / "b.png", exif=exif)
    call(generate_annotated_dataset, words_for(root))
    assert "--exif stored: 1 pictures, trainB/b first" in capsys.readouterr().out


def test_a_circle_has_its_area(tmp_path, capsys):
    root = tmp_path / "in"
    photos(root, "a.png", "b.png")
    write_labelme(root, "a", [shape("sheep", [[30, 20], [30, 28]], "circle")])
    write_labelme(root, "b", [shape("giraffe", corners(*B))])
    call(generate_annotated_dataset, words_for(root))
    area = read_set(Path(f"{root}_out"), "trainA", "a").sum()
    assert area == pytest.approx(np.pi * 8**2, rel=0.05)
    write_labelme(root, "a", [shape("sheep", "here")])
    fails(capsys, generate_annotated_dataset, words_for(root), "a.json", "sheep cannot be read")


# ---- VIA


@pytest.mark.parametrize("project", [False, True])
def test_via(tmp_path, capsys, project):
    root = tmp_path / "in"
    photos(root, "a.png", "b.png")
    box = {"name": "rect", "x": C[0], "y": C[1], "width": C[2] - C[0], "height": C[3] - C[1]}
    pictures = {
        "a.png123": {
            "filename": "a.png",
            "size": 123,
            "regions": [
                region(A, {"class": "sheep", "seen": "yes"}),
                region(None, {"class": {"sheep": True, "dog": False}}, **box),
                region(None, {"class": "sheep"}, name="point", cx=3, cy=3),
                region(B, {"class": ""}),
            ],
        },
        "b.png45": {"filename": "b.png", "size": 45, "regions": {"0": region(B, {"x": "giraffe"})}},
    }
    contents = {"_via_settings": {}, "_via_img_metadata": pictures} if project else pictures
    (root / "via_train.json").write_text(json.dumps(contents))
    said = check(root, capsys, "VIA")
    assert "5 read, 3 written; left out: 1 without an area" in said and "1 without a cat" in said
    pictures["a.png123"]["regions"][0]["region_attributes"]["other"] = "giraffe"
    (root / "via_train.json").write_text(json.dumps(contents))
    fails(capsys, generate_annotated_dataset, words_for(root), "region 0 of a.png", "both")


def test_pictures_of_one_stem_are_never_mixed_up(tmp_path, capsys):
    root = tmp_path / "in"
    photos(root, "a.png", "a.jpg")
    photos(root / "c", "a.png")
    pictures = {
        name: {"filename": name, "regions": [region(box, {"class": category})]}
        for name, box, category in (("a.png", A, "sheep"), ("a.jpg", B, "giraffe"))
    }
    (root / "via_train.json").write_text(json.dumps(pictures))
    said = ("a.png and a.jpg", "two pictures of one name")
    fails(capsys, generate_annotated_dataset, words_for(root), *said)
    pictures["c/a.png"] = pictures.pop("a.jpg") | {"filename": "c/a.png"}
    (root / "via_train.json").write_text(json.dumps(pictures))
    call(generate_annotated_dataset, words_for(root))
    assert Path(f"{root}_out/trainB/c_a.png").is_file()
    pictures["a.png"]["regions"] = None
    (root / "via_train.json").write_text(json.dumps(pictures))
    fails(capsys, generate_annotated_dataset, words_for(root), "--cat1 sheep: unknown")


# ---- YOLO


@pytest.mark.parametrize("names", ["data.yaml", "classes.txt", "numbered"])
@pytest.mark.parametrize("layout", ["images/train", "train/images"])
def test_yolo(tmp_path, capsys, names, layout):
    root = tmp_path / "in"
    photos(root / layout, "a.png", "b.png")
    labels = root / layout.replace("images", "labels")
    labels.mkdir(parents=True)
    lines = [yolo_line(1, A), yolo_line(1, C), "1 0.5 0.5 0.1 0.1\n", yolo_line(5, B), "\n"]
    (labels / "a.txt").write_text("".join(lines), encoding="utf-8-sig")
    (labels / "b.txt").write_text(yolo_line(0, B))
    text = {
        "data.yaml": "nc: 2\nnames: ['giraffe', 'sheep']\n",
        "classes.txt": "giraffe\nsheep\n",
        "numbered": "names:\n  0: giraffe\n  1: sheep\n",
    }[names]
    (root / ("data.yaml" if names == "numbered" else names)).write_text(text)
    said = check(root, capsys, "YOLO")
    assert "5 read, 3 written; left out: 1 that are boxes" in said
    assert "1 of a category that is not listed" in said and "end of their path" not in said
    (labels / "b.txt").write_text("0 0.1 0.1 0.2 0.2 0.3 0.3 0.9\n")
    fails(capsys, generate_annotated_dataset, words_for(root), "b.txt, line 1", "not pairs")
    (labels / "b.txt").write_text("0 10 10 20 10 20 20\n")
    fails(capsys, generate_annotated_dataset, words_for(root), "b.txt, line 1", "20 is no share")


# ---- Pascal VOC


@pytest.mark.parametrize("form", ["palette", "rgb", "grey"])
def test_pascal_voc(tmp_path, capsys, form):
    root = tmp_path / "in"
    write_voc(root, form)
    words = words_for(root).replace("giraffe", "dog")
    call(generate_annotated_dataset, words)
    assert "format: Pascal VOC" in (said := capsys.readouterr().out) and "3 read, 3 written" in said
    out = Path(f"{root}_out")
    boxes = {rectangle(*box)[:, 10:50].tobytes() for box in (A, C)}
    assert {mask.tobytes() for mask in read_set(out, "trainA", "a")} == boxes
    assert np.array_equal(read_set(out, "trainB", "b"), [rectangle(*B)[:, 10:50]])
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/train.txt").write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    (root / "ImageSets/Segmentation/val.txt").write_text("b\n")
    call(generate_annotated_dataset, words)
    assert "valB:" in capsys.readouterr().out


def test_two_photos_of_one_name_are_refused(tmp_path, capsys):
    root = tmp_path / "in"
    write_voc(root, "palette")
    photos(root / "JPEGImages", "a.png")
    words = words_for(root).replace("giraffe", "dog")
    fails(capsys, generate_annotated_dataset, words, "JPEGImages/a.jpg", "JPEGImages/a.png")


def test_pascal_voc_with_colours_of_its_own(tmp_path, capsys):
    root = tmp_path / "in"
    write_voc(root, "rgb")
    lines = "# label:color_rgb:parts:actions\nbackground:0,0,0::\newe:128,64,0::\nram:64,0,128::\n"
    (root / "labelmap.txt").write_text(lines)
    words = words_for(root).replace("giraffe", "ram").replace("sheep", "ewe")
    call(generate_annotated_dataset, words)
    assert "3 read, 3 written" in capsys.readouterr().out
    (root / "labelmap.txt").write_text("ewe=1\n")
    fails(capsys, generate_annotated_dataset, words, "labelmap.txt", "ewe=1")


# ---- which is it?


def test_a_format_that_is_not_told_has_to_be_said(tmp_path, capsys):
    root = tmp_path / "in"
    photos(root, "a.png")
    fails(capsys, generate_annotated_dataset, words_for(root), "in no known format", "--format")
    write_labelme(root, "a", [])
    (root / "all.json").write_text('{"images": [], "annotations": [], "categories": []}')
    said = ("may be coco or labelme", "--format")
    fails(capsys, generate_annotated_dataset, words_for(root), *said)
    (root / "classes.txt").write_text("sheep\n")
    words = words_for(root, "--format yolo")
    fails(capsys, generate_annotated_dataset, words, "--cat1 sheep")
