"""Reading: one geometry for image and masks, the same batches whatever the workers, any picture."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from conftest import ROOT, TINY, random_scene
from data import create_dataset
from data.base_dataset import Draw, generator_for
from data.loader import SceneLoader
from data.masks import read_mask
from data.pictures import picture_size, read_image
from data.scene_folder import find_scenes
from data.transforms import (
    Crop,
    Preprocessing,
    draw_crop,
    fit,
    order_instances,
    pad_scene,
)
from data.unaligned_dataset import UnalignedDataset
from options.train_options import TrainOptions
from util.errors import UserError


def options(root: Path, words: str = ""):
    return TrainOptions().parse(["--dataroot", str(root), *TINY, *words.split()])


def write(path: Path, pixels, **keywords) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    picture.save(path, **keywords)


def stripes(height: int = 40, width: int = 32) -> np.ndarray:
    """A grey picture whose left third is white."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, : width // 3] = 255
    return pixels


def make_domain(
    root: Path, letter: str, stems: list[str], masks: int = 1, suffix: str = ".png"
) -> None:
    for stem in stems:
        write(root / f"train{letter}" / f"{stem}{suffix}", np.stack([stripes()] * 3, -1))
        for i in range(masks):
            write(root / f"train{letter}_seg" / f"{stem}_{i}.png", stripes())


# ---- geometry


@pytest.mark.parametrize(
    "mode",
    [
        *("resize_and_crop", "crop", "scale_width_and_crop", "scale_width", "none"),
        *("scale_shorter_and_crop", "scale_shorter", "enlarge_and_crop"),
    ],
)
def test_image_and_masks_stay_aligned_pixel_by_pixel(tmp_path, mode):
    """The mask is drawn into the picture: after any geometry they still agree."""
    rng = np.random.default_rng(0)
    mask = np.kron(rng.integers(0, 2, (6, 5)), np.ones((12, 12))).astype(np.uint8) * 255
    for letter in "AB":
        write(tmp_path / f"train{letter}" / "x.png", np.stack([mask] * 3, -1))
        write(tmp_path / f"train{letter}_seg" / "x_0.png", mask)
    dataset = create_dataset(
        options(tmp_path, f"--load_size 72 64 --crop_size 40 32 --preprocess {mode}")
    )
    crops = set()
    for position in range(8):
        for scene in dataset[Draw(1, position, 0)].values():
            scene = scene.normalized()
            image, drawn = scene.image[0, 0], scene.masks[0, 0]
            sure = image.abs() > 0.9  # bicubic edges are soft
            assert sure.float().mean() > 0.6
            assert torch.equal(image[sure] > 0, drawn[sure] > 0)
            assert image.shape[0] % 4 == image.shape[1] % 4 == 0
            crops.add(image.numpy().tobytes())
    assert len(crops) > 1  # the flip at least is drawn


def test_geometry_of_every_mode():
    how = Preprocessing("resize_and_crop", (44, 60), (40, 48), flip=True, random=True)
    assert fit((100, 90), how, "x") == (44, 60)
    draws = {draw_crop((44, 60), how, generator_for(0, i)) for i in range(200)}
    assert {crop.top for crop in draws} == set(range(5))
    assert {crop.left for crop in draws} == set(range(13))
    assert {crop.flip for crop in draws} == {True, False}
    still = replace(how, random=False)
    assert draw_crop((44, 60), still, generator_for(0)) == Crop(2, 6, 40, 48, flip=False)
    wide = replace(still, mode="scale_width")
    assert fit((100, 90), wide, "x") == (68, 60)
    assert draw_crop((68, 60), wide, generator_for(0)) == Crop(0, 0, 68, 60, flip=False)
    shorter = replace(still, mode="scale_shorter")
    assert fit((100, 90), shorter, "x") == (48, 44)
    assert fit((60, 120), shorter, "x") == (44, 88)
    assert fit((30, 45), replace(how, mode="none"), "x") == (32, 44)
    enlarged = replace(how, mode="enlarge_and_crop")
    assert fit((39, 90), enlarged, "x") == (how.fine_size[0], round(90 * how.fine_size[0] / 39))
    assert fit((100, 90), enlarged, "x") == (100, 90)
    with pytest.raises(UserError, match="smaller than the crop"):
        fit((39, 90), replace(how, mode="crop"), "x")


def test_order_is_by_area_stable_and_drops_empty_masks():
    masks = torch.full((5, 8, 8), -1.0)
    for i, area in enumerate([2, 5, 0, 5, 3]):
        masks[i].view(-1)[:area] = 1
    numbers = (10, 11, 12, 13, 14)
    assert order_instances(masks, numbers, 9, "decreasing", generator_for(0))[1] == (11, 13, 14, 10)
    kept, chosen = order_instances(masks, numbers, 2, "decreasing", generator_for(0))
    assert chosen == (11, 13) and kept.shape == (2, 8, 8)
    shuffled = {
        order_instances(masks, numbers, 3, "random", generator_for(i))[1] for i in range(60)
    }
    assert {tuple(sorted(s)) for s in shuffled} == {(11, 13, 14)} and len(shuffled) == 6


@pytest.mark.parametrize("size", [(26, 30), (10, 64), (3, 1), (24, 24)])
def test_padding_by_reflection_is_undone_by_cropping(size):
    scene = random_scene([1], size=64).map(
        lambda t: t[..., : size[0], : size[1]] if t.dim() == 4 else t
    )
    padded = pad_scene(scene, 4, 24)
    height, width = padded.image.shape[-2:]
    assert height % 4 == width % 4 == 0 and min(height, width) >= 24
    assert torch.equal(padded.image[..., : size[0], : size[1]], scene.image)
    if size[0] > 2 and height > size[0]:
        assert torch.equal(padded.image[..., size[0], : size[1]], scene.image[..., -2, :])


# ---- the same batches, always


def batches(root, words, epoch=1, skip=0):
    opt = options(root, words)
    return list(SceneLoader(create_dataset(opt), opt).epoch(epoch, skip))


def equal(one, other) -> bool:
    return all(
        torch.equal(one[d].image, other[d].image)
        and torch.equal(one[d].masks, other[d].masks)
        and one[d].names == other[d].names
        for d in "AB"
    )


def test_any_number_of_workers_and_a_resume_give_the_same_batches(shapes):
    words = "--batch_size 2 --load_size 36 --set_order random"
    alone = batches(shapes, words + " --num_threads 0")
    assert [len(b["A"]) for b in alone] == [2, 2, 2]
    for one, other in zip(alone, batches(shapes, words + " --num_threads 2"), strict=True):
        assert equal(one, other)
    torch.rand(7)  # the global generator plays no part
    for one, other in zip(alone[1:], batches(shapes, words, skip=2), strict=True):
        assert equal(one, other)
    assert not equal(alone[0], batches(shapes, words, epoch=2)[0])
    assert not equal(alone[0], batches(shapes, words + " --seed 1")[0])


def test_an_epoch_sees_every_picture_of_a_and_random_ones_of_b(shapes):
    seen = batches(shapes, "")
    assert sorted(b["A"].names[0] for b in seen) == [f"{i:05d}" for i in range(6)]
    serial = batches(shapes, "--serial_batches")
    assert (
        [b["A"].names for b in serial]
        == [b["B"].names for b in serial]
        == [[f"{i:05d}"] for i in range(6)]
    )
    assert len(batches(shapes, "--max_dataset_size 2")) == 2


def test_an_epoch_is_as_long_as_the_larger_domain(tmp_path):
    make_domain(tmp_path, "A", ["x"])
    make_domain(tmp_path, "B", ["p", "q", "r"])
    seen = batches(tmp_path, "")
    assert [b["A"].names for b in seen] == [["x"]] * 3


def test_loader_works_with_the_spawn_start_method(shapes):
    code = (
        "import multiprocessing, sys; multiprocessing.set_start_method('spawn')\n"
        "if __name__ == '__main__':\n"
        "    from data import create_dataset; from data.loader import SceneLoader\n"
        "    from options.train_options import TrainOptions\n"
        "    opt = TrainOptions().parse(sys.argv[1:])\n"
        "    print(len(list(SceneLoader(create_dataset(opt), opt).epoch(1))))\n"
    )
    words = ["--dataroot", str(shapes), *TINY, "--num_threads", "1", "--max_dataset_size", "2"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.strip() == "2", done.stderr


def test_plain_folders_without_masks(tmp_path):
    for letter in "AB":
        write(tmp_path / f"train{letter}" / "x.jpg", np.zeros((40, 40, 3), np.uint8))
    opt = options(tmp_path)
    scene = next(SceneLoader(UnalignedDataset(opt), opt).epoch(1))["A"]
    assert scene.image.shape == (1, 3, 32, 32) and not scene.present.any()


# ---- finding files


def test_names_with_letters_and_any_numbering(tmp_path):
    """Capital A and B in the path, jpg pictures, masks from 3 on, stems that end in a number."""
    root = tmp_path / "A1" / "DATA_B"
    make_domain(root, "A", ["A_1", "A_1_2"], masks=0, suffix=".jpg")
    for name in ("A_1_3", "A_1_11", "A_1_2_0"):
        write(root / "trainA_seg" / f"{name}.png", stripes())
    found = {s.name: s.numbers for s in find_scenes(root, "train", "A", with_masks=True)}
    assert found == {"A_1": (3, 11), "A_1_2": (0,)}


def test_more_than_twenty_masks(tmp_path):
    make_domain(tmp_path, "A", ["x"], masks=23)
    make_domain(tmp_path, "B", ["x"])
    assert batches(tmp_path, "--ins_max 30")[0]["A"].present.sum() == 23


def test_pictures_without_masks_are_skipped_kept_or_refused(tmp_path, capsys):
    make_domain(tmp_path, "A", ["bare"], masks=0)
    make_domain(tmp_path, "A", ["x"])
    make_domain(tmp_path, "B", ["x"])
    assert batches(tmp_path, "")[0]["A"].names == ["x"]
    assert (
        "1 of 2 pictures" in (out := capsys.readouterr().out)
        and "bare.png" in out
        and "skipped" in out
    )
    kept = batches(tmp_path, "--no_mask keep --serial_batches")
    assert [b["A"].present.any().item() for b in kept] == [False, True]
    with pytest.raises(UserError, match="bare.png"):
        batches(tmp_path, "--no_mask error")


# ---- any picture


def test_pictures_of_every_kind_read_rightly(tmp_path):
    base = np.zeros((8, 6, 3), np.uint8)
    base[2, 1] = (200, 100, 50)
    picture = Image.fromarray(base)
    grey16 = np.zeros((8, 6), np.uint16)
    grey16[2, 1] = 200 * 257
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    write(tmp_path / "rgb.png", picture)
    write(tmp_path / "rgba.png", picture.convert("RGBA"))
    write(tmp_path / "palette.png", picture.quantize(4))
    write(tmp_path / "grey.png", picture.convert("L"))
    write(tmp_path / "grey16.png", grey16)
    write(tmp_path / "turned.png", picture.transpose(Image.Transpose.ROTATE_90), exif=exif)
    for name in ("rgb", "rgba", "palette", "turned"):
        pixels = read_image(tmp_path / f"{name}.png", 3)
        assert pixels.shape == (3, 8, 6) and pixels.dtype == np.uint8, name
        assert np.abs(pixels[:, 2, 1].astype(int) - (200, 100, 50)).max() <= 2, name
    assert read_image(tmp_path / "grey.png", 3)[:, 2, 1].tolist() == [124] * 3
    assert read_image(tmp_path / "grey16.png", 3)[:, 2, 1].tolist() == [200] * 3
    assert read_image(tmp_path / "rgb.png", 1).shape == (1, 8, 6)


def test_a_decompression_bomb_is_named_in_one_line(tmp_path, monkeypatch):
    write(tmp_path / "huge.png", np.zeros((40, 40), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for read in (picture_size, read_mask):
        with pytest.raises(UserError, match=r"huge.png cannot be read"):
            read(tmp_path / "huge.png")


def test_masks_of_every_kind_read_rightly(tmp_path):
    mask = stripes(8, 6)
    palette = Image.new("P", (6, 8))
    palette.putpalette([0, 0, 0, 128, 0, 0])
    palette.paste(1, (0, 0, 2, 8))
    kinds = {
        "grey": Image.fromarray(mask),
        "bit": Image.fromarray(mask).convert("1"),
        "rgb": Image.fromarray(np.stack([mask] * 3, -1)),
        "deep": Image.fromarray(mask.astype(np.uint16) * 257),
        "palette": palette,
    }
    for name, picture in kinds.items():
        write(tmp_path / f"{name}.png", picture)
        assert np.array_equal(read_mask(tmp_path / f"{name}.png"), mask > 127), name


def test_a_grey_dataset(tmp_path):
    make_domain(tmp_path, "A", ["x"])
    make_domain(tmp_path, "B", ["x"])
    scene = batches(tmp_path, "--input_nc 1 --output_nc 1")[0]["A"]
    assert scene.image.shape == (1, 1, 32, 32)
