"""The packed cache: the folder's samples to the bit, and never those of other files."""

import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import train
from conftest import TINY, one_line_error
from data import create_dataset, scene_cache
from data.base_dataset import Draw
from data.loader import SceneLoader
from data.scene_cache import SceneCache
from options.train_options import TrainOptions
from util.errors import UserError


@pytest.fixture
def root(shapes, tmp_path):
    """A copy of the shapes, sizes of one domain changed, one picture with a single instance."""
    for domain in "AB":
        shutil.copytree(shapes / f"train{domain}", tmp_path / "data" / f"train{domain}")
        shutil.copytree(shapes / f"train{domain}_seg", tmp_path / "data" / f"train{domain}_seg")
    return tmp_path / "data"


def options(root, words=""):
    return TrainOptions().parse(["--dataroot", str(root), *TINY, *words.split()])


def samples(root, words=""):
    dataset = create_dataset(options(root, words))
    return [dataset[Draw(1, i, i % len(dataset))] for i in range(12)]


def same(one, other) -> bool:
    return all(
        torch.equal(a[d].image, b[d].image)
        and torch.equal(a[d].masks, b[d].masks)
        and (a[d].names, a[d].numbers) == (b[d].names, b[d].numbers)
        for a, b in zip(one, other, strict=True)
        for d in "AB"
    )


@pytest.mark.parametrize(
    "words",
    [
        "--load_size 44 38",
        "--preprocess crop --crop_size 24 28",
        "--preprocess scale_width_and_crop --load_size 41",
        "--preprocess scale_width --load_size 44 --no_flip",
        "--preprocess none --set_order random --ins_max 1 --ins_per 1",
        "--input_nc 1 --output_nc 1",
    ],
)
def test_the_cache_gives_the_folders_samples_to_the_bit(root, words):
    assert same(samples(root, words), samples(root, words + " --cache"))


def test_pictures_of_many_sizes_and_without_masks(root):
    for i, size in enumerate([(50, 33), (37, 64)]):
        Image.new("RGB", size, (i, 90, 7)).save(root / "trainA" / f"odd{i}.jpg")
    mask = np.tri(33, 50, dtype=np.uint8) * 255
    Image.fromarray(mask).save(root / "trainA_seg" / "odd0_7.png")
    words = "--no_mask keep --preprocess crop --crop_size 24"
    plain, cached = samples(root, words), samples(root, words + " --cache")
    assert same(plain, cached)
    assert (7,) in [sample["A"].numbers[0] for sample in cached]
    assert () in [sample["A"].numbers[0] for sample in cached]


def test_workers_map_the_file_and_give_the_same_batches(root, capsys):
    def batches(words):
        opt = options(root, "--batch_size 2 --load_size 36 " + words)
        return list(SceneLoader(create_dataset(opt), opt).epoch(1))

    assert same(batches(""), batches("--cache --num_threads 2"))
    assert "cache: trainA: 6 pictures in" in capsys.readouterr().out
    path = next((root / "cache").glob("trainA*.scenes"))
    how = create_dataset(options(root)).how
    assert len(pickle.dumps(SceneCache(path, how, 3, None))) < 1000  # a path, not the contents


def test_building_draws_nothing_from_the_global_generator(root):
    torch.manual_seed(5)
    samples(root, "--cache")
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)


def written(folder):
    return {path.name: path.stat().st_ino for path in folder.glob("*.scenes")}


def test_it_is_built_once_and_again_when_a_file_changes(root):
    samples(root, "--cache")
    first = written(root / "cache")
    assert len(first) == 2
    samples(root, "--cache")
    assert written(root / "cache") == first

    path = root / "trainA" / "00000.png"
    times, size = path.stat().st_mtime_ns, path.stat().st_size
    pixels = bytearray(path.read_bytes())
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    path.write_bytes(path.read_bytes()[:size].ljust(size, b"\0"))
    os.utime(path, ns=(times, times))  # as large and as old as before
    assert path.stat().st_size == size and path.read_bytes() != pixels
    changed = samples(root, "--cache")
    assert same(changed, samples(root))
    assert len(written(root / "cache")) == 2 and written(root / "cache") != first

    (root / "trainB" / "00005.png").unlink()
    assert same(samples(root), samples(root, "--cache"))


def test_a_copied_dataset_keeps_its_cache(root, tmp_path):
    samples(root, "--cache")
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    copied = written(tmp_path / "copy" / "cache")
    assert same(samples(root), samples(tmp_path / "copy", "--cache"))
    assert written(tmp_path / "copy" / "cache") == copied


def test_other_settings_have_their_own_file_and_a_folder_can_be_named(root, tmp_path):
    for words in ("", "--load_size 40", "--max_dataset_size 3", "--no_mask keep"):
        samples(root, f"--cache {tmp_path / 'elsewhere'} {words}")
    assert len(written(tmp_path / "elsewhere")) == 8
    assert not (root / "cache").exists()


@pytest.mark.parametrize(
    "damage", ["cut short", "emptied", "other contents", "eight bytes", "another description"]
)
def test_a_damaged_cache_is_made_anew(root, damage):
    samples(root, "--cache")
    path = next((root / "cache").glob("trainA*.scenes"))
    whole = path.read_bytes()
    damaged = {
        "cut short": whole[:-40],
        "emptied": b"",
        "other contents": b"x" * 1000,
        "eight bytes": b"x" * 8,
        "another description": whole[:16] + b"[]",
    }
    path.write_bytes(damaged[damage])
    (root / "cache" / f".{path.name}.99.tmp").write_bytes(b"of a build that was killed")
    assert same(samples(root), samples(root, "--cache"))
    assert path.read_bytes() == whole
    assert not list((root / "cache").glob(".*.tmp"))


def test_a_bad_picture_ends_the_build_in_one_line_and_leaves_nothing(run, root, capsys):
    path = root / "trainB" / "00004.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(SystemExit) as stop:
        run(train.main, "--cache --name r", dataroot=root)
    assert stop.value.code == 2
    one_line_error(capsys, "00004.png", "cannot be read")
    assert [p.name[:6] for p in (root / "cache").glob("[!.]*")] in (["trainA"], ["trainA"] * 2)
    assert not list((root / "cache").glob(".*.tmp"))


def test_a_folder_that_cannot_be_written_is_one_line(run, root, tmp_path, capsys):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SystemExit) as stop:
        run(train.main, f"--cache {tmp_path / 'file'} --name r", dataroot=root)
    assert stop.value.code == 2
    one_line_error(capsys, "--cache", "file")


def test_a_dry_run_builds_none(run, root, capsys):
    run(train.main, "--cache --name r --dry_run", dataroot=root)
    assert not (root / "cache").exists()
    assert "read all files: A: 6 pictures" in capsys.readouterr().out


def test_files_that_change_while_they_are_packed_are_told(root, monkeypatch):
    def change_one(file, pictures, *rest):
        writing(file, pictures, *rest)
        (root / "trainA/00000.png").touch()

    writing = scene_cache.write_pictures
    monkeypatch.setattr(scene_cache, "write_pictures", change_one)
    with pytest.raises(UserError, match="changed while they were packed"):
        samples(root, "--cache")
    monkeypatch.undo()
    assert same(samples(root), samples(root, "--cache"))


def test_two_datasets_share_a_cache_folder(root, tmp_path):
    shutil.copytree(root, tmp_path / "other")
    for dataset in (root, tmp_path / "other", root):
        samples(dataset, f"--cache {tmp_path / 'both'}")
    assert len(written(tmp_path / "both")) == 4


def test_names_are_checked_with_a_cache_as_well(root, capsys):
    shutil.copy(root / "trainA_seg/00000_0.png", root / "trainA_seg/99999_0.png")
    for _ in range(2):
        samples(root, "--cache")
        assert "99999_0.png belongs to no picture" in capsys.readouterr().out
