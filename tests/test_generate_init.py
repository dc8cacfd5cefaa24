"""Boxes in four formats become the same dataset, and agree with their pictures to the pixel."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from annotated import call, contents, fails, read_set
from PIL import Image

from data import create_dataset
from data.base_dataset import Draw
from datasets import check_dataset
from datasets import generate_init_dataset as generate
from models.boxes import boxes_of
from options.train_options import TrainOptions

BOXES = {  # of each picture: class, left, top, right, bottom
    "a": [("car", 4, 8, 40, 32), ("person", 50, 20, 62, 56)],
    "b": [],
    "c": [("car", 10, 12, 30, 24)],
}
SIZE = (64, 96)  # height, width
YELLOW = (255, 255, 0)


@pytest.fixture
def street(tmp_path) -> Path:
    """Pictures by day and by night; what is in a box is yellow, and nothing else is."""
    for name, seed in (("day", 0), ("night", 1)):
        (tmp_path / name).mkdir()
        rng = np.random.default_rng(seed)
        for stem, found in BOXES.items():
            pixels = rng.integers(0, 100, (*SIZE, 3), np.uint8)
            for _, left, top, right, bottom in found:
                pixels[top:bottom, left:right] = YELLOW
            Image.fromarray(pixels).save(tmp_path / name / f"{stem}.png")
    return tmp_path


def as_list(root: Path, name: str) -> Path:
    blocks = []
    for number, (stem, found) in enumerate(BOXES.items()):
        rows = [
            f"{label} {left}.0 {top} {right} {bottom}" for label, left, top, right, bottom in found
        ]
        head = [number, f"/data/INIT/{name}/{stem}.png", "64 96 3", 0, len(found)]
        blocks.append("\n".join(map(str, [*head, *rows])))
    path = root / f"{name}.txt"
    path.write_text("\n\n\n".join(blocks) + "\n\n\n")
    return path


def as_texts(root: Path, name: str) -> Path:
    folder = root / "label" / f"{name}_train"
    folder.mkdir(parents=True)
    for stem, found in BOXES.items():
        rows = [" ".join(map(str, box)) for box in found]
        text = "\n".join([f"{name}/{stem}.png 64 96", "whatever", *rows])
        (folder / f"{stem}.txt").write_text(text)
    return folder


def as_coco(root: Path, name: str) -> Path:
    names = ["car", "person"]
    annotations = [
        {
            "id": 10 * place + number,
            "image_id": place,
            "category_id": names.index(label),
            "bbox": [left, top, right - left, bottom - top],
        }
        for place, found in enumerate(BOXES.values())
        for number, (label, left, top, right, bottom) in enumerate(found)
    ]
    images = [
        {"id": place, "file_name": f"{stem}.png", "height": 64, "width": 96}
        for place, stem in enumerate(BOXES)
    ]
    categories = [{"id": i, "name": name} for i, name in enumerate(names)]
    path = root / f"{name}.json"
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return path


def as_voc(root: Path, name: str) -> Path:
    folder = root / f"{name}_xml"
    folder.mkdir()
    for stem, found in BOXES.items():
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
            f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for label, left, top, right, bottom in found
        )
        size = "<size><width>96</width><height>64</height><depth>3</depth></size>"
        text = f"<annotation><filename>{stem}.png</filename>{size}{objects}</annotation>"
        (folder / f"{stem}.xml").write_text(text)
    return folder


FORMATS = (as_list, as_texts, as_coco, as_voc)


def words(street: Path, write=as_list, target: str = "out") -> str:
    labels = {name: write(street, name) for name in ("day", "night")}
    return (
        f"--imagesA {street}/day --labelsA {labels['day']} --imagesB {street}/night "
        f"--labelsB {labels['night']} --save_root {street / target} --workers 1"
    )


def yellow(picture: np.ndarray) -> np.ndarray:
    return (picture == YELLOW).all(-1)


@pytest.mark.parametrize("write", FORMATS)
def test_boxes_of_every_format_are_where_the_picture_shows_them(street, write, capsys):
    call(generate, words(street, write), "--image_size", "0")
    out = street / "out"
    stems = {path.stem for path in (out / "trainA").iterdir()}
    assert len(stems) == 3  # also the picture without a box
    for stem in stems - {"b", "1"}:
        masks = read_set(out, "trainA", stem)
        pixels = np.asarray(Image.open(out / "trainA" / f"{stem}.png"))
        assert np.array_equal(masks.any(0), yellow(pixels))
    assert "annotations: 6 read, 6 written" in capsys.readouterr().out


def test_boxes_of_all_formats_are_the_same_dataset(street):
    for write in (as_list, as_texts, as_voc):
        call(generate, words(street, write, write.__name__))
    first, *others = (contents(street / write.__name__) for write in (as_list, as_texts, as_voc))
    assert all(other == first for other in others)


def test_pictures_and_boxes_are_resized_alike(street):
    call(generate, words(street), "--image_size", "32")
    mask = read_set(street / "out", "trainA", "a")
    pixels = np.asarray(Image.open(street / "out/trainA/a.png"))
    assert pixels.shape == (32, 48, 3)
    assert mask.shape == (2, 32, 48)
    rows, columns = mask[0].nonzero()
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (4, 16, 2, 20)


def test_classes_are_chosen_and_the_others_counted(street, capsys):
    call(generate, words(street), "--cat1", "person")
    assert "6 read, 2 written; left out: 4 of other categories" in capsys.readouterr().out
    assert sum(1 for _ in (street / "out/trainB_seg").iterdir()) == 1


def test_phases_are_typed_or_drawn(street):
    call(generate, words(street), "--test_fraction", "0.34")
    assert len([*(street / "out/testA").iterdir()]) == 1
    other = words(street, target="two").replace("--labelsA ", "--labelsA train=")
    call(generate, other.replace("--imagesB", f"test={street}/day.txt --imagesB"))
    assert len([*(street / "two/testA").iterdir()]) == 3


def test_boxes_that_reach_out_of_the_picture_are_cut_and_named(street, capsys):
    typed = words(street)
    path = street / "day.txt"
    path.write_text(path.read_text().replace("car 10.0 12 30 24", "car 10.0 12 300 24"))
    call(generate, typed)
    out = capsys.readouterr().out
    assert "1 of 6 boxes reach out of their pictures" in out
    assert "x 10..300" in out
    path.write_text(path.read_text().replace("car 10.0 12 300 24", "car 100.0 12 300 24"))
    call(generate, typed, "--overwrite")
    assert "1 without a pixel in the picture" in capsys.readouterr().out


def enlarge_lists(street: Path, size: str) -> None:
    """As if pictures four times as large had been annotated; `size` is what the lists say."""
    for name in ("day", "night"):
        path = street / f"{name}.txt"
        rows = [
            " ".join([row.split()[0], *(str(4 * float(x)) for x in row.split()[1:])])
            if row.startswith(("car", "person"))
            else row.replace("64 96 3", size)
            for row in path.read_text().split("\n")
        ]
        path.write_text("\n".join(rows))


def test_boxes_of_larger_pictures_are_refused(street, capsys):
    typed = words(street)
    enlarge_lists(street, "-")
    fails(capsys, generate, typed, "boxes reach out of their pictures", "one size")
    assert not (street / "out").exists()


@pytest.mark.parametrize("size", ["256 384 3", "384 256"])
def test_boxes_of_larger_pictures_are_brought_to_their_size(street, capsys, size):
    call(generate, words(street), "--image_size", "0")
    expected = contents(street / "out")
    typed = words(street, target="other")
    enlarge_lists(street, size)
    fails(capsys, generate, typed, "--rescale")
    call(generate, typed, "--rescale", "--image_size", "0")
    assert contents(street / "other") == expected


def test_pictures_that_no_label_names_are_told(street, capsys):
    Image.new("RGB", (96, 64)).save(street / "day/z.png")
    call(generate, words(street))
    assert "1 pictures in" in (out := capsys.readouterr().out) and "z.png first" in out


WRONG = {
    "10.0 12 30": ("line 22 'car 10.0 12 30'", "a box is a class and four numbers"),
    "10.0 12 thirty 24": ("line 22 'car 10.0 12 thirty 24'", "a box is a class and four numbers"),
    "10.0 12 30 24\ncar 1 2 3 4": ("line 21 '1'", "it says how many boxes follow, and 2 do"),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_line_that_is_no_box_is_named(street, capsys, text):
    typed = words(street)
    path = street / "day.txt"
    path.write_text(path.read_text().replace("10.0 12 30 24", text))
    fails(capsys, generate, typed, str(path), *WRONG[text])


def test_what_is_missing_is_named(street, capsys):
    typed = words(street)
    fails(capsys, generate, typed, "--cat1 tram", "nearest first: car", more=("--cat1", "tram"))
    fails(capsys, generate, typed.replace("/night ", "/dusk "), "--imagesB", "no such folder")
    fails(capsys, generate, typed.replace("night.txt", "no.txt"), "--labelsB", "no such file")
    empty = street / "empty"
    empty.mkdir()
    fails(capsys, generate, typed.replace("night.txt", "empty"), "--labelsB", "no .xml and no .txt")
    (street / "night.txt").write_text("")
    fails(capsys, generate, typed, "--labelsB", "no box to train on")
    fails(capsys, generate, f"--imagesA {street}/day", "--labelsA is missing")


def test_xml_that_is_none_is_named(street, capsys):
    typed = words(street, as_voc)
    path = street / "day_xml/a.xml"
    good = path.read_text()
    for bad, said in (
        (good[:50], "it is no XML"),
        ('<?xml version="1.0" encoding="gbk"?>' + good, "it is no XML"),
        (good.replace("annotation>", "kml>"), "<kml>"),
        (good.replace("<xmin>5</xmin>", "<xmin>left</xmin>"), "no box of four numbers"),
    ):
        path.write_text(bad)
        fails(capsys, generate, typed, said)


def test_a_dataset_of_boxes_is_known_as_one(street, capsys):
    call(generate, words(street))
    capsys.readouterr()
    call(check_dataset, f"{street / 'out'} --workers 1")
    out = capsys.readouterr().out
    assert "3, all boxes" in out
    assert "boxes in trainA, trainB: models that change shapes need outlines instead" in out


def test_boxes_follow_their_pictures_through_crops_and_mirrors(street):
    """Also what INIT takes for an object is where the picture shows it, to the pixel."""
    call(generate, words(street), "--image_size", "0")
    typed = f"--dataroot {street}/out --model init --preprocess crop --crop_size 48 --gpu_ids -1"
    dataset = create_dataset(TrainOptions().parse(typed.split()))
    seen = set()
    for place in range(40):
        scene = dataset[Draw(0, place, place % 3)]["A"]
        masks = scene.masks[0] > 0
        shown = (scene.image[0] == torch.tensor(YELLOW)[:, None, None]).all(0)
        boxes = boxes_of(masks)
        for box in boxes[boxes.any(-1)].tolist():
            left, top, right, bottom = box
            assert shown[top:bottom, left:right].all()
            seen.add(tuple(box))
        assert (shown == masks.any(0)).all()
    assert len(seen) > 20
