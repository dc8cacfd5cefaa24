"""Annotation files as tools and people really write them; nothing is dropped without a count."""

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from annotated import call, fails, read_set
from PIL import Image

from data.annotations.finder import PictureFinder
from datasets import generate_coco_dataset
from util.errors import UserError

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
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    return Image.fromarray(pixels)


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


# ---- segmentations

PAIRS = [[C[0], C[1]], [C[2], C[1]], [C[2], C[3]], [C[0], C[3]]]


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


# ---- names of another machine


@pytest.mark.parametrize(
    "name",
    [
        *("images\\1\\a.png", "..\\..\\media\\a.png", "../../a.png", "/data/upload/1/a.png"),
        *("C:\\Users\\me\\a.png", "https://example.org/x/a.png?width=3#top", "A.PNG", "./a.png"),
        *("data/local-files/?d=x/a.png", "s3://bucket/a.png"),
    ],
)
def test_a_picture_is_found_by_the_end_of_its_path(write, name, capsys):
    contents = document()
    contents["images"][0]["file_name"] = name
    call(generate_coco_dataset, words := write(contents))
    said = capsys.readouterr().out
    assert said.count("by the end of their path") == (name != "./a.png")
    assert np.array_equal(masks_of(words, "trainA", "1"), shown(A))


def test_the_longest_end_decides_and_two_that_fit_are_an_error(tmp_path):
    for name in ("cam1/a.png", "cam2/a.png", "my pic.png", "gr\u00f6sse.png", "B.png", "c/b.png"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        photo(0).save(path)
    finder, inside = PictureFinder(tmp_path / "in"), tmp_path / "in"
    assert finder.find("cam1/a.png") == (inside / "cam1/a.png", False)
    assert finder.find("/server/cam2/a.png") == (inside / "cam2/a.png", True)
    assert finder.find("my%20pic.png")[0] == inside / "my pic.png"
    assert finder.find("x/gro\u0308sse.png")[0] == inside / "gr\u00f6sse.png"
    assert finder.find("x/b.png")[0] == inside / "c/b.png"  # before another's capital letter
    assert finder.find("x/nothing.png") == (None, False)
    with pytest.raises(UserError, match=r"x/a.png may be .*cam1/a.png or .*cam2/a.png"):
        finder.find("x/a.png")


def test_nothing_outside_of_the_pictures_is_read(write, tmp_path, capsys):
    photo(0).save(tmp_path / "secret.png")
    for name in ("../secret.png", str(tmp_path / "secret.png")):
        contents = document()
        contents["images"][0]["file_name"] = name
        fails(capsys, generate_coco_dataset, write(contents), "secret.png", "absent")


def test_pictures_beside_their_file_come_before_strays(tmp_path, capsys):
    (tmp_path / "in/train").mkdir(parents=True)
    for name, seed in (("train/a", 0), ("train/b", 1), ("a", 2), ("b", 3)):
        photo(seed).save(tmp_path / f"in/{name}.png")
    (tmp_path / "in/train/_annotations.coco.json").write_text(json.dumps(document()))
    words = f"--data_root {tmp_path}/in --save_root {tmp_path}/out --image_size 40"
    call(generate_coco_dataset, words)
    written = np.asarray(Image.open(tmp_path / "out/trainA/1.png"))
    assert np.array_equal(written, np.asarray(photo(0))[:, 10:50])
    (tmp_path / "in/train/_annotations.coco.json").rename(tmp_path / "in/train.json")
    (tmp_path / "in/train").rename(tmp_path / "in/images")
    said = ("a.png is in", "in/images", "--images")
    fails(capsys, generate_coco_dataset, f"{words} --overwrite", *said)


# ---- properties


def random_document(rng: np.random.Generator) -> dict:
    """Pictures with all that tools write, right and wrong."""
    contents = document()
    kinds = [
        *({}, {}, {}, *LEFT_OUT.values(), {"segmentation": PAIRS}),
        *({"iscrowd": "0"}, {"segmentation": None}, {"segmentation": runs(rectangle(*C))}),
    ]
    for number in range(3, int(rng.integers(5, 40))):
        picture = int(rng.integers(1, 3))
        left, top = int(rng.integers(0, 50)), int(rng.integers(0, 30))
        box = (left, top, left + int(rng.integers(0, 12)), top + int(rng.integers(0, 12)))
        more = kinds[rng.integers(len(kinds))]
        contents["annotations"].append(annotation(number, picture, box, **more))
    return contents


@pytest.mark.parametrize("seed", range(6))
def test_written_and_left_out_are_all_that_was_read(write, tmp_path, seed, capsys):
    rng = np.random.default_rng(seed)
    contents = random_document(rng)
    words = write(contents) + [" --min_area 0.02", " --max_instances 2", ""][seed % 3]
    call(generate_coco_dataset, words)
    said = capsys.readouterr().out
    account = json.loads((tmp_path / "out/dataset.json").read_text())["annotations"]
    written = len(list(tmp_path.glob("out/*_seg/*.png")))
    assert account["read"] == len(contents["annotations"]) and account["written"] == written
    assert written + sum(account["left_out"].values()) == account["read"]
    assert f"annotations: {account['read']} read, {written} written" in said


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_and_doubled_entries_change_no_pair(write, tmp_path, seed):
    rng = np.random.default_rng(seed)
    contents = random_document(rng)
    call(generate_coco_dataset, words := write(contents))

    def pairs() -> set:
        found = set()
        for folder in ("trainA", "trainB"):
            for path in (tmp_path / "out" / folder).iterdir():
                masks = sorted(mask.tobytes() for mask in masks_of(words, folder, path.stem))
                found.add((folder, path.name, path.read_bytes(), tuple(masks)))
        return found

    before = pairs()
    for key, entries in contents.items():
        doubled = [*entries, *(entries[i] for i in rng.integers(len(entries), size=4))]
        contents[key] = [doubled[i] for i in rng.permutation(len(doubled))]
    call(generate_coco_dataset, write(contents))
    assert pairs() == before
