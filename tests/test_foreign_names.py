"""Pictures named as they lay on another machine; random annotation files, all accounted for."""

import json

import numpy as np
import pytest
from annotated import call, fails
from foreign import (
    LEFT_OUT,
    PAIRS,
    A,
    C,
    annotation,
    document,
    masks_of,
    photo,
    rectangle,
    runs,
    shown,
)
from PIL import Image

from datasets import generate_coco_dataset
from datasets.making.annotations.finder import PictureFinder
from util.errors import UserError

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
