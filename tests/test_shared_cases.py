"""Files that fell short once, where they lie beside the project: each with its right value."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from annotated import call, fails, read_set
from PIL import Image

import train
from conftest import SHARED, one_line_error
from data.masks import read_mask, read_masks
from data.pictures import picture_size, read_image
from datasets import generate_coco_dataset, generate_masks_dataset, generate_mhp_dataset
from datasets.making.report import inspect

CASES, SILENT = SHARED / "cases/make_cases.py", SHARED / "cases/silent"
pytestmark = pytest.mark.skipif(not CASES.is_file(), reason="the cases are not here")


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, CASES, root], check=True, capture_output=True)
    return root


def folder(root: Path, number: str) -> Path:
    found = next(root.glob(f"{number}-*"))
    return found / "in" if (found / "in").is_dir() else found


def coco_words(root: Path, out: Path) -> str:
    return (
        f"--data_root {root} --annotations train=ann.json --images {root}/images "
        f"--save_root {out} --image_size 40 --overwrite"
    )


def box(mask: np.ndarray) -> list[int]:
    """left, right, top, bottom of a mask; right and bottom are exclusive."""
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return [int(v) for v in (columns[0], columns[-1] + 1, rows[0], rows[-1] + 1)]


@pytest.mark.parametrize(
    ("number", "more", "said"),
    [
        ("01", "", "by the end of their path"),
        ("02", "", "by the end of their path"),
        ("03", "--crowd keep", "2 read, 2 written"),
        ("04", "", "2 read, 2 written"),
        ("05", "", "1 without a category"),
        ("06", "--rescale", "2 read, 2 written"),
    ],
)
def test_annotations(cases, tmp_path, capsys, number, more, said):
    call(generate_coco_dataset, f"{coco_words(folder(cases, number), tmp_path / 'out')} {more}")
    assert said in capsys.readouterr().out
    (sheep,), (giraffe,) = (
        read_set(tmp_path / "out", f"train{domain}", stem) for domain, stem in ("A1", "B2")
    )
    assert sheep.sum() == 330 and box(sheep) == [0, 15, 8, 30]
    assert giraffe.sum() == 225 and box(giraffe) == [25, 40, 5, 20]


def test_annotations_that_need_an_option(cases, tmp_path, capsys):
    for number, *said in (("03", "2 marked as crowds", "--crowd keep"), ("06", "--rescale")):
        words = coco_words(folder(cases, number), tmp_path / "out")
        fails(capsys, generate_coco_dataset, words, *said)


@pytest.mark.parametrize("number", ["07", "08", "09"])
def test_masks(cases, run, capsys, number):
    root = folder(cases, number)
    assert read_mask(root / "trainA_seg/a_0.png").sum() == 484
    assert [p.path.name for p in inspect(root, 1).problems] == ["a_0.png"]
    words = "--name r --niter 1 --niter_decay 0"
    run(train.main, words, dataroot=root)
    assert "of 1 masks looked at" in (said := capsys.readouterr().out) and "G_A" in said


def test_a_mask_of_the_unturned_photo_and_a_map_of_classes_times_1000(cases, tmp_path):
    root = folder(cases, "10")
    photo = root / "trainA/a.jpg"
    mask = read_masks((root / "trainA_seg/a_0.png",), photo, picture_size(photo))[0]
    assert picture_size(photo)[1] == 60 and box(mask) == [30, 52, 8, 30]
    root = folder(cases, "11")
    call(
        generate_masks_dataset,
        f"--imagesA {root}/photos --labelsA {root}/maps --cat1 26000-26999 "
        f"--cat2 24000-24999,24 --save_root {tmp_path / 'out'}",
    )
    assert [m.sum() for m in read_set(tmp_path / "out", "trainA", "a")] == [100, 150]
    assert [m.sum() for m in read_set(tmp_path / "out", "trainB", "a")] == [100]


# ---- results that were wrong without a word


@pytest.mark.parametrize(
    ("number", "areas", "said"),
    [
        ("02", [220], "1 marked as crowds"),
        ("03", [220, 100], "written"),
        ("04", [220], "annotation 1 of a.png: its box is x 15..25, y 8..30"),
        ("05", [220, 100], "written"),
        ("06", [220], "1 without a polygon of 3 points"),
        ("07", [220], "--exif stored"),
        ("08", [220], "by the end of their path"),
        ("09", [220], "1 without a category"),
        ("12", [220], "1 that stand twice"),
    ],
)
def test_silent_annotations(tmp_path, capsys, number, areas, said):
    words = coco_words(folder(SILENT, number), tmp_path / "out")
    call(generate_coco_dataset, words)
    assert said in capsys.readouterr().out
    assert [m.sum() for m in read_set(tmp_path / "out", "trainA", "1")] == areas
    assert read_set(tmp_path / "out", "trainB", "2")[0].sum() == 150
    if number == "07":
        call(generate_coco_dataset, f"{words} --exif stored")
        bright = read_image(tmp_path / "out/trainA/1.png", 1)[0] > 127
        mask = read_set(tmp_path / "out", "trainA", "1")[0]
        assert (bright & mask).sum() / (bright | mask).sum() > 0.95


def test_silent_keys_and_strays(tmp_path, capsys):
    words = coco_words(folder(SILENT, "01"), tmp_path / "out")
    fails(capsys, generate_coco_dataset, words, "a.png and b.png", "id 1")
    assert not (tmp_path / "out").exists()
    root = folder(SILENT, "10")
    call(
        generate_coco_dataset, f"--data_root {root} --save_root {tmp_path / 'out'} --image_size 40"
    )
    written = np.asarray(Image.open(tmp_path / "out/trainA/1.png"))
    assert np.array_equal(written, np.asarray(Image.open(root / "train/a.png"))[:, 10:50])


def test_silent_masks_and_pictures(run, capsys):
    root = folder(SILENT, "13")
    areas = {p.stem: int(read_mask(p).sum()) for p in (root / "trainA_seg").iterdir()}
    assert areas == dict.fromkeys(("white_0", "la_0", "palette_0", "cutout_0", "black_0"), 440)
    assert read_mask(folder(SILENT, "14") / "trainA_seg/a_0.png").sum() == 440
    with pytest.raises(SystemExit):
        run(train.main, "--name r", dataroot=folder(SILENT, "15"))
    one_line_error(capsys, "a_01.png", "number 1")
    pictures = (folder(SILENT, "16") / "trainA").iterdir()
    assert all(abs(read_image(path, 1).mean() - 127) < 3 for path in pictures)
    for number, kind in (("23", None), ("26", "EXIF turn")):
        assert [p.kind for p in inspect(folder(SILENT, number), 1).problems] == [kind] * bool(kind)


def test_silent_maps_and_lists(tmp_path, capsys):
    root = folder(SILENT, "18")
    call(
        generate_masks_dataset,
        f"--imagesA {root}/pa --labelsA {root}/la --imagesB {root}/pb --labelsB {root}/lb "
        f"--save_root {tmp_path / 'maps'}",
    )
    assert capsys.readouterr().out.count("--background 0,255") == 2
    root = folder(SILENT, "25")
    words = f"--data_root {root} --save_root {tmp_path / 'people'} --cat1 hat --cat2 sunglass"
    call(generate_mhp_dataset, f"{words} --size_h 60 --size_w 40")
    for domain in "AB":
        assert read_set(tmp_path / "people", f"train{domain}", "1")[0].sum() == 100
