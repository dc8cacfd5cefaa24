"""Odd entries of annotation files: read, counted under their true reason, or refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
from annotated import call, fails, read_set
from foreign import HEIGHT, WIDTH, A, B, C, document, rectangle
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

from datasets import generate_annotated_dataset, generate_coco_dataset, generate_mhp_dataset


def labelme(root: Path, shapes: list, **more) -> str:
    """A sheep's shapes in a, a giraffe in b; returns the command's words."""
    photos(root, "a.png", "b.png")
    write_labelme(root, "a", shapes)
    write_labelme(root, "b", [shape("giraffe", corners(*B))])
    contents = json.loads((root / "a.json").read_text())
    (root / "a.json").write_text(json.dumps(contents | more))
    return words_for(root)


def patch(box: tuple, **more) -> dict:
    points = [[box[0], box[1]], [box[2] - 1, box[3] - 1]]
    mask = png(rectangle(*box)[box[1] : box[3], box[0] : box[2]])
    return shape("sheep", points, "mask", mask=mask, **more)


def test_shapes_of_one_group_are_one_instance_whatever_they_are(tmp_path, capsys):
    parts = [
        *(patch(A, group_id=1), patch(C, group_id=1), shape("sheep", corners(*B), group_id=1)),
        shape("sheep", [[1, 1], [9, 9], [9, 1]], "linestrip", group_id=1),
        shape("sheep", corners(*C), "oriented_rectangle", group_id=[2]),
    ]
    call(generate_annotated_dataset, labelme(tmp_path / "in", parts))
    joined = rectangle(*A) | rectangle(*B) | rectangle(*C)
    masks = read_set(Path(f"{tmp_path / 'in'}_out"), "trainA", "a")
    assert np.array_equal(masks, [joined[:, 10:50], rectangle(*C)[:, 10:50]])
    assert "4 read, 3 written; left out: 1 without an area" in capsys.readouterr().out


def test_masks_that_differ_in_their_middle_alone_are_two(tmp_path, capsys):
    """As large as arrays are that numpy shortens when it shows them."""
    box = (10, 0, 50, 40)
    ring, disk = rectangle(*box), rectangle(*box)
    ring[15:25, 25:35] = False
    shapes = [
        shape("sheep", [[10, 0], [49, 39]], "mask", mask=png(mask[:, 10:50]))
        for mask in (ring, disk, disk)
    ]
    call(generate_annotated_dataset, labelme(tmp_path / "in", shapes))
    masks = read_set(Path(f"{tmp_path / 'in'}_out"), "trainA", "a")
    assert np.array_equal(masks, [ring[:, 10:50], disk[:, 10:50]])
    assert "4 read, 3 written; left out: 1 that stand twice" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("classes.txt", "wolf\n\nsheep\ngiraffe\n"),
        ("data.yaml", "names: {'0': wolf, '2': sheep, '3': giraffe}\n"),
    ],
)
def test_a_class_without_a_name_keeps_its_number(tmp_path, capsys, file, text):
    root = tmp_path / "in"
    photos(root / "images", "a.png", "b.png")
    (root / "labels").mkdir()
    (root / "labels/a.txt").write_text(yolo_line(2, A) + yolo_line(1, C))
    (root / "labels/b.txt").write_text(yolo_line(3, B))
    (root / file).write_text(text)
    call(generate_annotated_dataset, words_for(root))
    assert "3 read, 2 written; left out: 1 of a category that is not" in capsys.readouterr().out
    masks = read_set(Path(f"{root}_out"), "trainA", "a")
    assert np.array_equal(masks, [rectangle(*A)[:, 10:50]])


def test_a_rotated_rectangle_is_its_four_corners(tmp_path):
    turned = [[30, 5], [45, 20], [30, 35], [15, 20]]
    call(
        generate_annotated_dataset,
        labelme(tmp_path / "in", [shape("sheep", turned, "rectangle")]),
    )
    area = read_set(Path(f"{tmp_path / 'in'}_out"), "trainA", "a").sum()
    assert area == pytest.approx(450, rel=0.1)


@pytest.mark.parametrize("size", [(80, 120), ("80", "120"), (80.0, 120.0)])
def test_an_annotated_size_counts_however_it_is_written(tmp_path, capsys, size):
    height, width = size
    shapes = [shape("sheep", corners(*A))]
    words = labelme(tmp_path / "in", shapes, imageHeight=height, imageWidth=width)
    fails(capsys, generate_annotated_dataset, words, "a.png", "80x120", "--rescale")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"points": []}, "two points"),
        ({"points": [[float("nan"), 1], [2, 2]]}, "no number"),
        ({"points": [[0, 0], [50, 30]]}, "its mask is 22x10"),
        ({"mask": None}, "no PNG"),
    ],
)
def test_masks_of_labelme_that_cannot_be(tmp_path, capsys, change, said):
    words = labelme(tmp_path / "in", [patch(A) | change])
    fails(capsys, generate_annotated_dataset, words, "a.json", said)


def test_odd_regions_of_via(tmp_path, capsys):
    root = tmp_path / "in"
    photos(root, "a.png", "b.png")
    (root / "package.json").write_text('{"name": "x"}')
    pictures = {
        "1": {"filename": "a.png", "regions": [region(A, {"c": "sheep"})]},
        "2": {"filename": "b.png", "regions": [region(B, {"c": "giraffe"})]},
    }

    def write() -> None:
        (root / "via_train.json").write_text(json.dumps(pictures))

    write()
    call(generate_annotated_dataset, words_for(root))
    for odd, said in (
        ({"shape_attributes": ["x"]}, "shape_attributes"),
        (
            {
                "shape_attributes": {
                    "name": "polygon",
                    "all_points_x": [1, 2],
                    "all_points_y": [1],
                }
            },
            "2 x and 1 y",
        ),
    ):
        pictures["1"]["regions"] = [region(A, {"c": "sheep"}) | odd]
        write()
        fails(capsys, generate_annotated_dataset, words_for(root), "region 0 of a.png", said)


@pytest.mark.parametrize(
    ("line", "names", "said"),
    [
        ("0.9 .1 .1 .2 .1 .2 .2\n", "", "a.txt, line 1"),
        ("inf .1 .1 .2 .1 .2 .2\n", "", "a.txt, line 1"),
        ("0 nan .1 .2 .1 .2 .2\n", "", "no share"),
        ("", "- sheep\n- giraffe\n", "no 'names'"),
        ("", "nc: 2\n", "no 'names'"),
        ("", "kpt_shape: [4, 3]\nnames: [sheep, giraffe]\n", "keypoints"),
    ],
)
def test_odd_lines_and_names_of_yolo(tmp_path, capsys, line, names, said):
    root = tmp_path / "in"
    photos(root / "images", "a.png", "b.png")
    (root / "labels").mkdir()
    (root / "labels/a.txt").write_text(line or yolo_line(0, A))
    (root / "labels/b.txt").write_text(yolo_line(1, B))
    (root / "data.yaml").write_text(names or "names: [sheep, giraffe]\n")
    fails(capsys, generate_annotated_dataset, words_for(root), said)


def test_lists_of_pascal_that_name_other_pictures(tmp_path, capsys):
    root = tmp_path / "in"
    write_voc(root, "palette")
    lists = root / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    words = words_for(root).replace("giraffe", "dog")
    (lists / "train.txt").write_text("a\nb\nc\n")
    (lists / "val.txt").write_text("a\n")
    call(generate_annotated_dataset, words)
    said = capsys.readouterr().out
    assert "1 of its names have no map, c first" in said
    assert "1 pictures are in train and val both" in said and "a.jpg first" in said
    (lists / "val.txt").unlink()
    (lists / "train.txt").write_text("a.jpg\nb.jpg\n")
    fails(capsys, generate_annotated_dataset, words, "train.txt", "'a.jpg'", "without suffix")


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ({"size": [HEIGHT, WIDTH], "counts": [810, None, 1570]}, "one of its counts"),
        ({"size": [WIDTH, HEIGHT], "counts": [0, 2400]}, "height and width may be swapped"),
    ],
)
def test_odd_runs_of_coco(tmp_path, capsys, segmentation, said):
    photos(tmp_path / "images", "a.png", "b.png")
    contents = document()
    contents["annotations"][0]["segmentation"] = segmentation
    (tmp_path / "train.json").write_text(json.dumps(contents))
    words = f"--data_root {tmp_path} --save_root {tmp_path / 'out'}"
    fails(capsys, generate_coco_dataset, words, "a.png", said)
    assert not (tmp_path / "out").exists()


def test_people_that_are_missing_are_told(mhp, tmp_path, capsys):
    (mhp / "annotations/1_02_02.png").unlink()
    Image.new("L", (60, 90)).save(mhp / "annotations/1_02_02.png")
    words = f"--data_root {mhp} --save_root {tmp_path / 'out'} --cat1 hat --cat2 sunglass"
    call(generate_mhp_dataset, f"{words} --overwrite")
    assert "lack maps" not in capsys.readouterr().out
    (mhp / "annotations/1_02_02.png").unlink()
    call(generate_mhp_dataset, f"{words} --overwrite")
    assert "1 photos lack maps of people" in capsys.readouterr().out
