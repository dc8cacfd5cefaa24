"""Backgrounds: the picture to the bit outside the hole, made, checked, cached, or made on the fly."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import datasets.make_backgrounds as make_backgrounds
import train
from conftest import SHARED, refused
from data import create_dataset
from data.base_dataset import Draw
from data.inpainting import harmonic, hole_of, hole_of_some, inpaint, opencv_fill
from datasets import check_dataset
from options.train_options import TrainOptions

CV = pytest.mark.skipif(not find_spec("cv2"), reason="OpenCV is not installed")
METHODS = ["harmonic", pytest.param("telea", marks=CV), pytest.param("ns", marks=CV)]


def fill_of(name: str):
    return harmonic if name == "harmonic" else opencv_fill(name)


@pytest.fixture
def data(shapes, tmp_path) -> Path:
    return Path(shutil.copytree(shapes, tmp_path / "data"))


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(33, 47), (64, 64), (16, 16), (5, 3)])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_all_but_the_hole_is_the_picture(method, size, share):
    image = noise(*size)
    hole = np.zeros(size, bool)
    hole[: max(1, round(size[0] * share)), : max(1, round(size[1] * min(1, 2 * share)))] = True
    filled = inpaint(image, hole, fill_of(method))
    assert filled.dtype == np.uint8 and filled.shape == image.shape
    assert np.array_equal(filled[~hole], image[~hole])
    if share < 1:
        assert not np.array_equal(filled[hole], image[hole])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_plain_picture_is_filled_with_its_colour(method, share):
    image = np.full((64, 64, 3), (200, 30, 90), np.uint8)
    hole = np.zeros((64, 64), bool)
    side = round(64 * share**0.5)
    hole[4 : 4 + side, 6 : 6 + side] = True
    dirty = np.where(hole[..., None], 255, image).astype(np.uint8)
    off = np.abs(inpaint(dirty, hole, fill_of(method)).astype(int) - image).max()
    assert off <= (1 if method == "harmonic" else 5)  # OpenCV's rounding adds up


def test_a_ramp_is_filled_as_a_ramp():
    """What is linear is harmonic: it is its own smoothest fill."""
    image = np.repeat(np.linspace(0, 252, 64)[None, :, None], 64, 0).repeat(3, 2).astype(np.uint8)
    hole = np.zeros((64, 64), bool)
    hole[20:40, 22:42] = True
    dirty = np.where(hole[..., None], 0, image).astype(np.uint8)
    assert np.abs(inpaint(dirty, hole, harmonic).astype(int) - image).max() <= 6


def test_a_hole_reaches_beyond_its_masks():
    masks = np.zeros((2, 64, 64), bool)
    masks[0, 20:30, 20:30] = masks[1, 50, 50] = True
    hole = hole_of(masks)  # 7 of 256 pixels are 2 of 64
    assert (hole >= masks.any(0)).all() and hole[18, 25] and hole[48, 50] and not hole[17, 25]
    assert not hole[18, 18]  # it grows by a disk
    assert not hole_of(masks[:, :10, :10]).any() and not hole_of(masks[:0]).any()


def test_a_hole_is_that_of_the_instances_that_take_part():
    masks = np.zeros((4, 64, 64), bool)
    masks[0, 10:20, 10:20] = masks[1, 10:20, 23:30] = True  # the holes of these two touch
    masks[2, 40:50, 40:50] = masks[3, 5, 60] = True
    hole = hole_of(masks, 5)
    whole = hole_of_some(hole, masks.any(0), np.zeros((64, 64), bool))
    assert np.array_equal(whole, hole)
    own = hole_of_some(hole, masks[0], masks[1:].any(0))
    assert own[15, 5] and own[15, 21] and not own[15, 22] and not own[:, 23:].any()
    lost = hole_of_some(hole, masks[:3].any(0), np.zeros((64, 64), bool))  # the small one is gone
    assert lost[45, 45] and not lost[5, 60]
    assert not hole_of_some(hole, np.zeros((64, 64), bool), masks.any(0)).any()


@pytest.mark.parametrize("method", METHODS)
def test_backgrounds_are_written_and_checked(data, method, capsys):
    make_backgrounds.main([str(data), "--inpaint", method, "--workers", "1"])
    for folder in ("trainA", "testB"):
        for path in (data / folder).glob("*.png"):
            image, filled = pixels(path), pixels(data / f"{folder}_inpainted" / path.name)
            hole = pixels(data / f"{folder}_hole" / path.name) > 0
            assert np.array_equal(image[~hole], filled[~hole])
            for mask in (data / f"{folder}_seg").glob(f"{path.stem}_*.png"):
                assert (hole >= (pixels(mask) > 127)).all()
    about = json.loads((data / "backgrounds.json").read_text())
    assert about["inpaint"] == method and about["folders"]["trainA"]["pictures"] == 6
    capsys.readouterr()
    check_dataset.main([str(data), "--workers", "1"])
    assert "nothing wrong" in capsys.readouterr().out


def test_what_is_wrong_with_backgrounds_is_found(data, capsys):
    make_backgrounds.main([str(data), "--inpaint", "harmonic", "--workers", "1"])
    first, second, third, fourth = sorted((data / "trainA").glob("*.png"))[:4]
    (data / "trainA_hole" / first.name).unlink()
    Image.fromarray(255 - pixels(second)).save(data / "trainA_inpainted" / second.name)
    Image.new("L", (32, 32)).save(data / "trainA_hole" / third.name)
    Image.new("RGB", (8, 8)).save(data / "trainA_inpainted" / fourth.name)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        check_dataset.main([str(data), "--workers", "1"])
    out = capsys.readouterr().out
    for kind, name in (
        ("no background: 1", first.name),
        ("small hole: 1", third.name),
        ("background size: 1", fourth.name),
    ):
        assert kind in out and name in out, kind
    assert "other background: 2" in out  # the inverted one, and the one whose hole was emptied


def samples(data: Path, words: str = "") -> list:
    argv = (
        f"--dataroot {data} --model mgd_gan --stage image --halvings 4 --gpu_ids -1 --load_size 36"
    )
    dataset = create_dataset(
        TrainOptions().parse([*argv.split(), "--crop_size", "32", *words.split()])
    )
    return [dataset[Draw(0, i, i)] for i in range(3)]


def test_they_are_read_made_on_the_fly_and_cached_alike(data, capsys):
    made = samples(data)
    assert "6 of 6 pictures" in capsys.readouterr().out
    make_backgrounds.main([str(data), "--inpaint", "harmonic", "--workers", "1"])
    capsys.readouterr()
    read, cached = samples(data), samples(data, "--cache")
    assert "no background" not in capsys.readouterr().out
    for one, two, three in zip(made, read, cached, strict=True):
        for domain in "AB":
            for name in ("inpainted", "hole"):
                assert one[domain].extras[name].equal(two[domain].extras[name]), name
                assert two[domain].extras[name].equal(three[domain].extras[name]), name
    (data / "trainA_hole" / "00000.png").unlink()  # one of them has to be made again
    again = samples(data)
    assert "1 of 6 pictures" in capsys.readouterr().out
    for one, two in zip(made, again, strict=True):
        assert one["A"].extras["inpainted"].equal(two["A"].extras["inpainted"])


def test_pictures_of_another_program(data, tmp_path, capsys):
    for folder in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "other" / folder).mkdir(parents=True)
        for path in (data / folder).glob("*.png"):
            Image.new("RGB", (32, 32), (9, 8, 7)).save(tmp_path / "other" / folder / path.name)
    make_backgrounds.main([str(data), "--inpaint", f"external:{tmp_path}/other", "--workers", "1"])
    filled = pixels(data / "trainA_inpainted" / "00000.png")
    hole = pixels(data / "trainA_hole" / "00000.png") > 0
    assert (filled[hole] == (9, 8, 7)).all()
    assert np.array_equal(filled[~hole], pixels(data / "trainA" / "00000.png")[~hole])
    (tmp_path / "other" / "trainA" / "00001.png").unlink()
    words = [str(data), "--workers", "1", "--inpaint"]
    refused(
        capsys,
        lambda: make_backgrounds.main([*words, f"external:{tmp_path}/other"]),
        "external:",
        "trainA/00001.png",
    )
    assert (data / "trainA_inpainted" / "00001.png").is_file()  # those of before are still there


def test_bad_words_are_told_in_one_line(data, tmp_path, capsys, monkeypatch):
    for words, *parts in (
        (f"{data} --inpaint external:nowhere", "external:nowhere"),
        (f"{data} --inpaint magic", "--inpaint magic", "harmonic"),
        (f"{data} --reach 2", "--reach 2"),
        (f"{tmp_path}/nothing", "nothing"),
    ):
        refused(capsys, lambda words=words: make_backgrounds.main(words.split()), *parts)
    for module in (make_backgrounds, "data.inpainting"):
        target = f"{module.__name__ if module is make_backgrounds else module}.has_opencv"
        monkeypatch.setattr(target, lambda: False)
    refused(
        capsys,
        lambda: make_backgrounds.main([str(data), "--inpaint", "telea"]),
        "pip install opencv-python-headless",
        "harmonic",
    )
    make_backgrounds.main([str(data), "--workers", "1"])
    assert "--inpaint harmonic: OpenCV is not installed" in capsys.readouterr().out


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared pictures are not here")
def test_real_pictures(tmp_path):
    data = Path(shutil.copytree(SHARED / "data" / "shp2gir_coco", tmp_path / "data"))
    make_backgrounds.main([str(data), "--inpaint", "harmonic", "--workers", "1"])
    for path in (data / "trainB").iterdir():
        filled = pixels(data / "trainB_inpainted" / f"{path.stem}.png")
        hole = pixels(data / "trainB_hole" / f"{path.stem}.png") > 0
        image = np.asarray(Image.open(path).convert("RGB"))
        assert np.array_equal(image[~hole], filled[~hole]) and hole.any()


def test_a_hole_that_misses_a_mask_is_refused(run, data, capsys):
    """Masks that were changed since, or lie otherwise on their photos."""
    make_backgrounds.main([str(data), "--inpaint", "harmonic", "--workers", "1"])
    mask = data / "trainA_seg" / "00000_0.png"
    Image.fromarray(255 - pixels(mask)).save(mask)
    words = (
        "--model mgd_gan --stage image --halvings 4 --name r --niter 1 --niter_decay 0 --no_html"
    )
    refused(capsys, lambda: run(train.main, words, data), "trainA_hole/00000.png", "again")


def test_pictures_in_folders_have_backgrounds(data, capsys):
    for folder in ("trainA", "trainA_seg"):
        (data / folder / "ä").mkdir()
        for path in (data / folder).glob("00000*.png"):
            path.rename(data / folder / "ä" / path.name)
    other = data.parent / "other"
    shutil.copytree(data / "trainA", other / "trainA")
    for folder in ("trainB", "testA", "testB"):
        shutil.copytree(data / folder, other / folder)
    for method in ("harmonic", f"external:{other}"):
        make_backgrounds.main([str(data), "--inpaint", method, "--workers", "1"])
        assert (data / "trainA_inpainted" / "ä_00000.png").is_file()
    capsys.readouterr()
    check_dataset.main([str(data), "--workers", "1"])
    assert "nothing wrong" in capsys.readouterr().out
    shutil.copy(data / "trainA" / "ä" / "00000.png", data / "trainA" / "ä_00000.png")
    refused(capsys, lambda: make_backgrounds.main([str(data)]), "results of one name")


def test_a_background_of_another_size_is_refused(run, data, capsys):
    make_backgrounds.main([str(data), "--inpaint", "harmonic", "--workers", "1"])
    Image.new("RGB", (8, 8)).save(data / "trainA_inpainted" / "00000.png")
    words = (
        "--model mgd_gan --stage image --halvings 4 --name r --niter 1 --niter_decay 0 --no_html"
    )
    refused(capsys, lambda: run(train.main, words, data), "trainA_inpainted/00000.png is 8x8")
