"""Masks as other tools write them, and no training of a domain in which nothing is marked."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign import BLOCK, SIDE, noise
from PIL import Image

import test as test_command
import train
from conftest import one_line_error
from data.masks import read_mask, read_masks
from data.pictures import picture_size, read_image, turn
from datasets import check_dataset
from datasets.making.report import inspect


def palette(indices: np.ndarray, colors: list[int], **info) -> Image.Image:
    picture = Image.fromarray(indices.astype(np.uint8), "P")
    picture.putpalette(colors)
    picture.info.update(info)
    return picture


def rgba(colors, alpha: np.ndarray) -> Image.Image:
    filled = np.broadcast_to(np.asarray(colors, np.uint8), (*alpha.shape, 3))
    return Image.fromarray(np.dstack([filled, alpha.astype(np.uint8)]))


EXTREMES = {  # habits of tools, all of them the same instance
    "0 and 255": (BLOCK * 255).astype(np.uint8),
    "0 and 1": BLOCK.astype(np.uint8),
    "0 and 7": (BLOCK * 7).astype(np.uint8),
    "one bit": Image.fromarray(BLOCK),
    "16 bits, 0 and 1": BLOCK.astype(np.uint16),
    "16 bits, 0 and 255": (BLOCK * 255).astype(np.uint16),
    "16 bits, 0 and 65535": (BLOCK * 65535).astype(np.uint16),
    "32 bits, 0 and 1": BLOCK.astype(np.int32),
    "floats, 0 and 1": BLOCK.astype(np.float32),
    "floats, 0 and 255": (BLOCK * 255).astype(np.float32),
    "colours 0 and 1": np.dstack([BLOCK] * 3).astype(np.uint8),
    "a dark palette": palette(BLOCK, [0, 0, 0, 1, 1, 1]),
    "a palette that is bright everywhere": palette(BLOCK, [255, 200, 0, 200, 255, 0]),
    "alpha on white": rgba((255, 255, 255), BLOCK * 255),
    "alpha on black": rgba((0, 0, 0), BLOCK * 255),
    "half transparent": rgba((255, 0, 0), BLOCK * 100),
    "a photo cut out": rgba(noise(), BLOCK * 255),
    "grey and alpha": Image.fromarray(
        np.dstack([np.full_like(BLOCK, 255, "u1"), BLOCK * 255]).astype("u1")
    ),
    "black and white, opaque": rgba((BLOCK * 255)[..., None], np.full((SIDE, SIDE), 255)),
    "black and white within what is opaque": rgba(
        (BLOCK * 255)[..., None], np.pad(np.full((SIDE - 4, SIDE - 4), 255), 2)
    ),
}


@pytest.mark.parametrize("habit", EXTREMES)
def test_one_instance_in_every_habit(tmp_path, habit):
    picture = EXTREMES[habit]
    path = tmp_path / ("a.tif" if habit.startswith(("floats", "32")) else "a.png")
    picture = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    picture.save(path)
    assert np.array_equal(read_mask(path), BLOCK)


def test_a_transparent_palette_is_alpha(tmp_path):
    picture = palette(BLOCK, [255, 255, 255] * 2)
    picture.save(tmp_path / "a.png", transparency=0)
    assert np.array_equal(read_mask(tmp_path / "a.png"), BLOCK)


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 30, 90), (5, 100)])
def test_dark_values_that_may_mean_anything_are_no_instance_and_named(tmp_path, values, capsys):
    root = dataset(tmp_path / "data", {"a_0.png": np.array(values)[np.arange(SIDE) % len(values)]})
    assert not read_mask(root / "trainA_seg/a_0.png").any()
    assert {p.kind for p in inspect(root, 1).problems} == {"unknown values", "no instance"}


def dataset(root: Path, masks: dict, picture=None, **save) -> Path:
    """A domain A of one photo with these masks, and a sound domain B."""
    for sub, files in {
        "trainA": {"a.png": noise() if picture is None else picture},
        "trainA_seg": masks,
        "trainB": {"b.png": noise(seed=1)},
        "trainB_seg": {"b_0.png": (BLOCK * 255).astype(np.uint8)},
    }.items():
        (root / sub).mkdir(parents=True)
        for name, pixels in files.items():
            if isinstance(pixels, np.ndarray) and pixels.ndim == 1:
                pixels = np.broadcast_to(pixels, (SIDE, SIDE)).astype(np.uint8)
            pixels = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
            pixels.save(root / sub / name, **(save if sub == "trainA" else {}))
    return root


# ---- EXIF turns


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_what_pillow_does(tmp_path, orientation):
    pixels = noise(6, 4)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(
        read_image(tmp_path / "a.png", 3).transpose(1, 2, 0), turn(pixels, orientation)
    )


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_mask_of_the_stored_photo_is_turned_along(tmp_path, capsys, orientation):
    """By its size where that tells; where it does not, it is named, and --exif says it."""
    mask = np.zeros((40, 60), bool)
    mask[8:30, 5:12] = True
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = Image.fromarray(noise(40, 60))
    root = dataset(tmp_path / "data", {"a_0.png": mask}, photo, exif=exif)
    path, masks = root / "trainA/a.png", (root / "trainA_seg/a_0.png",)
    told = orientation > 4
    exif_said = None if told else "stored"
    found = read_masks(masks, path, picture_size(path), exif_said)
    assert np.array_equal(found[0], turn(mask, orientation))
    kinds = {p.kind for p in inspect(root, 1).problems}
    assert kinds == {"turned mask" if told else "EXIF turn"}
    assert not {p.kind for p in inspect(root, 1, "shown").problems} - {"turned mask"}
    words = ["--workers", "1", *(["--exif", "stored"] if not told else [])]
    with pytest.raises(SystemExit) if told else nothing():
        check_dataset.main([str(root), *words, "--fix", str(tmp_path / "fixed")])
    capsys.readouterr()
    fixed = tmp_path / "fixed"
    assert not inspect(fixed, 1).problems
    assert np.array_equal(read_mask(fixed / "trainA_seg/a_0.png"), turn(mask, orientation))
    assert np.array_equal(read_image(fixed / "trainA/a.png", 3), read_image(path, 3))


class nothing:  # noqa: N801, stands where a context manager of pytest does
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


def test_an_untold_turn_is_one_note_in_training(tmp_path, run, capsys):
    exif = Image.Exif()
    exif[0x0112] = 3
    root = dataset(tmp_path / "data", {"a_0.png": BLOCK}, Image.fromarray(noise()), exif=exif)
    run(train.main, "--name r --niter 1 --niter_decay 0", dataroot=root)
    assert capsys.readouterr().out.count("--exif stored") == 1
    run(train.main, "--name r2 --niter 1 --niter_decay 0 --exif stored", dataroot=root)
    assert "--exif" not in capsys.readouterr().out


# ---- ranges, names, numbers


def test_pictures_of_any_range_show_the_same(tmp_path):
    levels = noise()[..., 0]
    kinds = {
        "float.tif": levels / np.float32(255),
        "levels.tif": levels.astype(np.float32),
        "int.tif": levels.astype(np.int32),
        "deep.png": levels.astype(np.uint16) * 257,
        "twelve.png": (levels.astype(np.uint32) * 4095 // 255).astype(np.uint16),
        "signed.tif": levels / np.float32(127.5) - 1,
    }
    for name, pixels in kinds.items():
        Image.fromarray(pixels).save(tmp_path / name)
        assert np.abs(read_image(tmp_path / name, 1)[0].astype(int) - levels).max() <= 1, name
    broken = levels.astype(np.float32)
    broken[0, 0] = np.nan
    Image.fromarray(broken).save(tmp_path / "nan.tif")
    assert np.abs(read_image(tmp_path / "nan.tif", 1)[0, 1:].astype(int) - levels[1:]).max() <= 1


def test_pictures_without_content_of_few_bits_or_of_several_pages_are_named(tmp_path):
    for name, pixels, kind in (
        ("black.png", np.zeros((SIDE, SIDE, 3), np.uint8), "no content"),
        ("two.png", (noise() > 127).astype(np.uint8), "no content"),
        ("twelve.png", (noise()[..., 0].astype(np.uint16) << 4), "value range"),
        ("dark.png", (noise()[..., 0].astype(np.uint16) << 5), "value range"),
    ):
        root = dataset(tmp_path / name, {"a_0.png": BLOCK}, pixels)
        assert [p.kind for p in inspect(root, 1).problems] == [kind], name
    root = dataset(tmp_path / "pages", {"a_0.png": BLOCK})
    (root / "trainA/a.png").unlink()
    pages = [Image.fromarray(noise(seed=i)) for i in range(3)]
    pages[0].save(root / "trainA/a.tif", save_all=True, append_images=pages[1:])
    found = inspect(root, 1).problems
    assert [p.kind for p in found] == ["several pages"] and "3 pictures" in found[0].text


def test_names_are_one_however_a_system_writes_their_umlauts(tmp_path):
    root = dataset(tmp_path / "data", {"a_0.png": BLOCK})
    (root / "trainA/a.png").rename(root / "trainA/gro\u0308sse.png")
    (root / "trainA_seg/a_0.png").rename(root / "trainA_seg/gr\u00f6sse_0.png")
    report = inspect(root, 1)
    assert not report.problems and len(report.facts["trainA"][0].areas) == 1


def test_two_masks_of_one_number_are_refused_and_mended(tmp_path, run, capsys):
    other = np.roll(BLOCK, 12, 0)
    root = dataset(tmp_path / "data", {"a_1.png": BLOCK, "a_01.png": other})
    report = inspect(root, 1)
    assert [p.kind for p in report.problems] == ["same number"]
    assert len(report.facts["trainA"][0].areas) == 2
    for command in (train.main, test_command.main):
        with pytest.raises(SystemExit) as stop:
            run(command, "--name r --phase train", dataroot=root)
        assert stop.value.code == 2
        if command is train.main:
            one_line_error(capsys, "a_1.png", "a_01.png", "number 1")
    with pytest.raises(SystemExit):
        check_dataset.main([str(root), "--workers", "1", "--fix", str(tmp_path / "fixed")])
    assert not inspect(tmp_path / "fixed", 1).problems
    assert len(list((tmp_path / "fixed/trainA_seg").iterdir())) == 2


def test_zeros_and_ones_train_to_the_same_bits(shapes, tmp_path, run, capsys):
    states = []
    for name, scale in (("whole", 255), ("ones", 1)):
        root = tmp_path / name
        shutil.copytree(shapes, root)
        for path in root.glob("*_seg/*.png"):
            Image.fromarray((np.asarray(Image.open(path)) > 127).astype(np.uint8) * scale).save(
                path
            )
        run(train.main, f"--name {name} --niter 1 --niter_decay 0", dataroot=root)
        said = capsys.readouterr().out
        assert said.count("note: ") == (0 if scale == 255 else 2)
        files = sorted(Path(f"checkpoints/{name}").glob("latest_net_*.pth"))
        assert [p.name[11:14] for p in files] == ["D_A", "D_B", "G_A", "G_B"]
        states.append([torch.load(path, weights_only=True) for path in files])
    for one, other in zip(*states, strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)
