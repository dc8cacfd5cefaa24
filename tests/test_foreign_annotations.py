"""Annotation files as tools and people really write them; nothing is dropped without a count."""

from pathlib import Path

import numpy as np
import pytest
from annotated import call, fails
from foreign import (
    HEIGHT,
    LEFT_OUT,
    PAIRS,
    WIDTH,
    A,
    B,
    C,
    annotation,
    document,
    masks_of,
    photo,
    rectangle,
    ring,
    runs,
    shown,
)
from PIL import Image

from datasets import generate_coco_dataset

# ---- segmentations


@pytest.mark.parametrize(
    "segmentation",
    [
        PAIRS,
        [PAIRS],
        [[point] for point in PAIRS],  # as OpenCV's contours
        [{"x": x, "y": y} for x, y in PAIRS],
        ring(*C),
        [PAIRS, ring(*C)],
        [PAIRS, [0, 0, 5, 5]],  # a box beside it says nothing more
        [[], ring(*C)],
        runs(rectangle(*C)),
    ],
)
def test_points_however_they_are_nested(write, segmentation, capsys):
    contents = document()
    contents["annotations"].append(annotation(3, 1, C, segmentation=segmentation))
    call(generate_coco_dataset, words := write(contents))
    assert np.array_equal(masks_of(words, "trainA", "1"), shown(A, C))
    assert "annotations: 3 read, 3 written\n" in capsys.readouterr().out


@pytest.mark.parametrize("reason", LEFT_OUT)
def test_what_is_left_out_is_counted_under_its_reason(write, reason, capsys):
    contents = document()
    contents["annotations"].append(annotation(3, 1, C, **LEFT_OUT[reason]))
    call(generate_coco_dataset, words := write(contents))
    said = capsys.readouterr().out
    assert "annotations: 3 read, 2 written; left out: 1 " in said and reason in said
    assert np.array_equal(masks_of(words, "trainA", "1"), shown(A))


@pytest.mark.parametrize("value", ["1", 1.0, True, "true"])
def test_a_crowd_is_one_however_it_is_written(write, value, capsys):
    contents = document()
    contents["annotations"].append(annotation(3, 1, C, iscrowd=value))
    call(generate_coco_dataset, words := write(contents))
    assert "1 marked as crowds" in capsys.readouterr().out
    call(generate_coco_dataset, f"{words} --crowd keep")
    assert np.array_equal(masks_of(words, "trainA", "1"), shown(A, C))


@pytest.mark.parametrize("value", ["0", None, False, "", "false", 0.0])
def test_what_is_no_crowd_is_an_instance(write, value):
    contents = document()
    contents["annotations"].append(annotation(3, 1, C, iscrowd=value))
    call(generate_coco_dataset, words := write(contents))
    assert len(masks_of(words, "trainA", "1")) == 2


def test_crowds_alone_are_an_error_that_says_how_to_keep_them(write, capsys):
    contents = document()
    for entry in contents["annotations"]:
        entry["iscrowd"] = 1
    said = ("--cat1 sheep", "2 marked as crowds", "--crowd keep")
    fails(capsys, generate_coco_dataset, write(contents), *said)
    contents["annotations"][0]["iscrowd"] = "perhaps"
    fails(capsys, generate_coco_dataset, write(contents), "entry 0", "iscrowd 'perhaps'")


# ---- keys


def test_two_pictures_of_one_id_are_refused(write, tmp_path, capsys):
    contents = document()
    contents["images"][1]["id"] = 1
    contents["annotations"][1]["image_id"] = 1
    fails(capsys, generate_coco_dataset, write(contents), "a.png and b.png", "id 1")
    assert not (tmp_path / "out").exists()
    contents = document()
    contents["images"].append(contents["images"][0])  # the same entry twice is one
    call(generate_coco_dataset, words := write(contents))
    assert np.array_equal(masks_of(words, "trainA", "1"), shown(A))


def test_two_ids_of_one_file_and_two_names_of_one_category_are_refused(write, capsys):
    contents = document()
    contents["images"][1]["file_name"] = "a.png"
    fails(capsys, generate_coco_dataset, write(contents), "1 (a.png) and 2 (a.png)", "both")
    contents = document()
    contents["categories"].append({"id": 1, "name": "wolf"})
    fails(capsys, generate_coco_dataset, write(contents), "sheep and wolf", "id 1")


def test_an_annotation_that_stands_twice_counts_once(write, capsys):
    contents = document()
    contents["annotations"].append(contents["annotations"][0])
    call(generate_coco_dataset, words := write(contents))
    said = capsys.readouterr().out
    assert "3 read, 2 written; left out: 1 that stand twice" in said and "1 ids of annot" in said
    assert np.array_equal(masks_of(words, "trainA", "1"), shown(A))


# ---- boxes


def test_a_mask_that_is_not_where_its_box_is_is_named(write, capsys):
    contents = document()
    first, second = contents["annotations"]
    mask, box = rectangle(*A), [A[0], A[1], A[2] - A[0], A[3] - A[1]]
    first |= {"segmentation": runs(mask, "C"), "bbox": box}
    second["bbox"] = [B[0], B[1], B[2] - B[0], B[3] - B[1]]
    call(generate_coco_dataset, write(contents))
    said = capsys.readouterr().out
    assert "note: 1 of 2 masks are not where the box beside them is: annotation 1 of a.png" in said
    assert "x 15..25, y 8..30" in said and "go along rows" in said
    second["segmentation"] = runs(rectangle(*B), "C")
    fails(capsys, generate_coco_dataset, write(contents), "2 of 2 masks", "go along rows")
    second["segmentation"] = [ring(B[1], B[0], B[3], B[2])]
    first["segmentation"] = [ring(A[1], A[0], A[3], A[2])]
    fails(capsys, generate_coco_dataset, write(contents), "2 of 2 masks", "x and y")


@pytest.mark.parametrize(
    "box",
    [
        [C[0], C[1], C[2] - C[0], C[3] - C[1]],
        [*C],  # two corners, as other tools have it
        [C[0] - 1.4, C[1] + 1.2, C[2] - C[0] + 2, C[3] - C[1] - 1],
        *([0, 0, 0, 0], [0.5, 0.2, 0.1, 0.3], None, "box", [1, 2]),
    ],
)
def test_a_box_that_fits_or_says_nothing_is_no_matter(write, box, capsys):
    contents = document()
    contents["annotations"].append(annotation(3, 1, C, bbox=box))
    call(generate_coco_dataset, write(contents))
    assert "the box beside" not in capsys.readouterr().out


# ---- sizes and turns


def test_pictures_that_were_resized_since_need_to_be_said(write, capsys):
    contents = document()
    for image in contents["images"]:
        image |= {"height": 2 * HEIGHT, "width": 2 * WIDTH}
    for entry, box in zip(contents["annotations"], (A, B), strict=True):
        entry["segmentation"] = [[2 * x for x in ring(*box)]]
        entry["bbox"] = [2 * x for x in (box[0], box[1], box[2] - box[0], box[3] - box[1])]
    big = runs(np.kron(rectangle(*C), np.ones((2, 2), bool)))
    big["size"] = [2 * HEIGHT, 2 * WIDTH]
    contents["annotations"].append(annotation(3, 1, C, segmentation=big))
    fails(capsys, generate_coco_dataset, words := write(contents), "a.png", "--rescale")
    call(generate_coco_dataset, f"{words} --rescale")
    assert np.array_equal(masks_of(words, "trainA", "1"), shown(A, C))
    assert np.array_equal(masks_of(words, "trainB", "2"), shown(B))
    contents["images"][0]["height"] = 2 * HEIGHT + 9
    fails(capsys, generate_coco_dataset, f"{write(contents)} --rescale", "89x120")


@pytest.mark.parametrize("orientation", [2, 3, 4, 6, 8])
def test_a_photo_with_a_turn_comes_out_upright_with_its_masks(write, orientation, capsys):
    """Its size tells whether the annotation is of the stored photo; or a note, and --exif."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[rectangle(*A)] = 255
    pictures = {"a.png": Image.fromarray(pixels), "b.png": photo(1)}
    words = write(document(), pictures)
    pictures["a.png"].save(Path(words.split()[1]) / "images/a.png", exif=exif)
    untold = orientation < 5
    call(generate_coco_dataset, f"{words} --exif stored" if untold else words)
    masks, out = masks_of(words, "trainA", "1"), Path(words.split()[1]) / "out"
    assert np.array_equal(np.asarray(Image.open(out / "trainA/1.png"))[..., 0] > 127, masks[0])
    assert masks[0].sum() == shown(A).sum()
    capsys.readouterr()
    call(generate_coco_dataset, words)
    assert ("--exif stored" in capsys.readouterr().out) == untold
