"""Scores that files which vanish, pictures left alone or another dataset cannot flatter."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scoring import call as evaluate_results
from scoring import copy_as_results, scores

import evaluate
import test as test_command
import train
from conftest import one_line_error
from datasets import generate_shapes_dataset
from metrics.masks import Masks
from metrics.pairs import PairFolder

SIDE = 24


def block(top: int, left: int, side: int = 6) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def write_pair(folder: Path, name: str, real: dict, fake: dict, change: int = 0) -> None:
    """A picture and its translation, `change` levels brighter, with masks by their numbers."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    picture = np.full((SIDE, SIDE, 3), 100, np.uint8)
    for role, masks, pixels in (("real_A", real, picture), ("fake_B", fake, picture + change)):
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"images/{name}_{role}_img.png")
        for number, mask in masks.items():
            path = folder / f"images/{name}_{role}_mask_{number}.png"
            Image.fromarray(mask).save(path)


def values(folder: Path) -> dict:
    evaluate_results(f"--dataroot . --results {folder} --metrics background,mask")
    return scores(folder)["AtoB"]


def test_an_instance_without_a_file_has_vanished(tmp_path):
    one, two = block(0, 0), block(12, 12)
    write_pair(tmp_path, "x", {0: one, 1: two}, {0: one})
    write_pair(tmp_path, "y", {0: one}, {0: one})
    found = values(tmp_path)
    assert found["mask_kept"] == found["mask_iou"] == pytest.approx(2 / 3, abs=1e-5)
    assert found["mask_area_ratio"] == pytest.approx(2 / 3, abs=1e-5)


def test_numbers_pair_masks_or_nothing_does(tmp_path, capsys):
    """00 is 0; a number that is new, or stands twice, leaves its picture's instances unscored."""
    one, two = block(0, 0), block(12, 12)
    write_pair(tmp_path, "w", {"0": one, "1": two}, {"00": one, "01": two})
    assert values(tmp_path)["mask_iou"] == 1
    for name, real, fake in (
        ("x", {"0": one, "1": two}, {"1": one, "2": two}),
        ("y", {"0": one, "00": two}, {"0": one}),
    ):
        folder = tmp_path / name
        write_pair(folder, "w", {0: one}, {0: one})
        write_pair(folder, name, real, fake)
        capsys.readouterr()
        found = values(folder)
        assert found["mask_iou"] == 1 and "background_l1" in found
        said = f"the masks of 1 of 2 pictures do not pair up by their numbers, and have no scores ({name}"
        assert said in capsys.readouterr().out
        detail = json.loads((folder / "metrics_detail.json").read_text())["AtoB"]
        assert detail["counts"]["mask_iou"] == 1


@pytest.mark.parametrize("seed", range(5))
def test_files_of_empty_masks_change_no_score(tmp_path, seed):
    """Nor do the numbers' names, nor pictures in which there was nothing to translate."""
    rng = np.random.default_rng(seed)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for name in "abcd":
        count = rng.integers(1, 5)
        real = {i: rng.random((SIDE, SIDE)) > 0.5 for i in range(count)}
        fake = {i: (rng.random((SIDE, SIDE)) > 0.5) & (rng.random() > 0.4) for i in real}
        fake[0] = fake[0] | block(0, 0)  # in each direction something is translated
        for i in real:
            if i and rng.random() < 0.3:
                real[i] = fake[i] = real[i] & False
        write_pair(whole, name, real, fake, change=int(rng.integers(20)))
        kept = {f"{i:03d}": mask for i, mask in real.items() if mask.any()}
        left = {f"{i:02d}": mask for i, mask in fake.items() if mask.any()}
        write_pair(cut, name, kept, left)
        shutil.copy(whole / f"images/{name}_fake_B_img.png", cut / f"images/{name}_fake_B_img.png")
    write_pair(cut, "untouched", {}, {})
    write_pair(cut, "empty", {0: block(0, 0) & False}, {})
    assert values(whole) == values(cut)


def test_pictures_without_an_instance_do_not_count(tmp_path, capsys):
    write_pair(tmp_path, "x", {0: block(0, 0)}, {0: block(0, 0)}, change=20)
    write_pair(tmp_path, "y", {}, {})
    found = values(tmp_path)
    assert found["background_l1"] == 20
    said = capsys.readouterr().out
    assert "n = 1 of 2" in said
    assert (
        "1 of 2 pictures have no instance, were not translated and do not count (y first)" in said
    )


def test_unions_have_scores_of_their_own_names(tmp_path):
    write_pair(tmp_path, "x", {0: block(0, 0), 1: block(12, 12)}, {})
    Image.fromarray(block(0, 0)).save(tmp_path / "images/x_fake_B_seg.png")
    found = values(tmp_path)
    assert found["union_iou"] == found["union_area_ratio"] == 0.5
    assert not [name for name in found if name.startswith("mask_")]


def test_masks_of_zeros_and_ones_are_read(tmp_path):
    write_pair(tmp_path, "x", {0: block(0, 0)}, {0: block(0, 0)})
    for path in tmp_path.glob("images/*_mask_0.png"):
        Image.fromarray((np.asarray(Image.open(path)) > 0).astype(np.uint8)).save(path)
    pair = PairFolder(tmp_path).pairs["A"][0].load()
    assert Masks().picture(pair)["mask_iou"] == [1]


def test_what_cannot_be_known_of_masks_is_said(tmp_path, capsys):
    write_pair(tmp_path, "x", {0: block(0, 0)}, {})
    values(tmp_path)
    assert "no translated mask, so there are no scores of masks" in capsys.readouterr().out
    labels = block(0, 0) * 2 + block(12, 12) * 1
    Image.fromarray(labels.astype(np.uint8)).save(tmp_path / "images/x_fake_B_mask_0.png")
    with pytest.raises(SystemExit):
        values(tmp_path)
    one_line_error(capsys, "x_fake_B_mask_0.png", "dark", "255")


def test_results_are_scored_with_the_data_they_were_made_from(run, shapes, tmp_path, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    other = tmp_path / "other"
    generate_shapes_dataset.main(
        f"--save_root {other} --size 32 --train 6 --test 3 --seed 9".split()
    )
    modes = ("--preprocess crop", "--preprocess scale_width", "--keep_size --aspect_ratio 1.5", "")
    for words in modes:
        run(test_command.main, f"--name r {words}")
        names = "--metrics background,mask"
        run(evaluate.main, f"--results results/r/test_latest {names}")
        with pytest.raises(SystemExit) as stop:
            run(evaluate.main, f"--results results/r/test_latest {names}", dataroot=other)
        assert stop.value.code == 2
        assert "testA/00000.png is another picture" in capsys.readouterr().err
    shutil.copytree(shapes, moved := tmp_path / "moved")
    run(evaluate.main, "--results results/r/test_latest", dataroot=moved)
    (moved / "testA/00001.png").unlink()
    with pytest.raises(SystemExit):
        run(evaluate.main, "--results results/r/test_latest", dataroot=moved)
    one_line_error(capsys, "has no picture 00001", "--dataroot", "translate anew")


def test_foreign_results_meet_drawn_backgrounds_only_of_their_own_pictures(
    shapes, tmp_path, capsys
):
    folder = copy_as_results(shapes, tmp_path / "results")
    evaluate_results(f"--dataroot {shapes} --results {folder} --metrics shapes")
    Image.new("RGB", (32, 32), "white").save(folder / "images/00001_real_A_img.png")
    evaluate_results(f"--dataroot {shapes} --results {folder} --metrics background")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        evaluate_results(f"--dataroot {shapes} --results {folder} --metrics shapes")
    one_line_error(capsys, "testA/00001.png is another picture")


def test_translation_says_how_much_of_it_was_done(run, shapes, capsys):
    root = Path("bare")
    shutil.copytree(shapes, root)
    for path in (root / "testA_seg").glob("00001_*"):
        path.unlink()
    masks = len(list((root / "testA_seg").iterdir()))
    run(train.main, "--name r --niter 1 --niter_decay 0")
    capsys.readouterr()
    run(test_command.main, "--name r --direction AtoB --no_mask keep", dataroot=root)
    said = capsys.readouterr().out
    assert f"domain A: translated {masks} of {masks} instances in 2 of 3 pictures" in said
    assert "which stay as they are: 1" in said
    run(test_command.main, "--name r --direction AtoB --ins_max 1 --ins_per 1", dataroot=root)
    said = capsys.readouterr().out
    assert f"translated 2 of {masks} instances" in said and "beyond --ins_max 1" in said


def test_masks_that_are_lost_on_the_source_side_are_told(tmp_path, capsys):
    """A translated mask without a source's is no picture without an instance."""
    write_pair(tmp_path, "x", {0: block(0, 0)}, {0: block(0, 0)}, change=20)
    write_pair(tmp_path, "y", {}, {0: block(0, 0)}, change=10)
    found = values(tmp_path)
    said = capsys.readouterr().out
    assert "have no instance" not in said and found["background_l1"] == 15
    assert "the masks of 1 of 2 pictures do not pair up" in said and "(y first)" in said


def test_pictures_that_are_not_among_the_results_are_told(shapes, tmp_path, capsys):
    folder = copy_as_results(shapes, tmp_path / "results")
    for lost in ("00001_real_A_*", "00001_fake_B_*", "*_fake_A_*"):
        for path in (folder / "images").glob(lost):
            path.unlink()
    evaluate_results(f"--dataroot {shapes} --results {folder} --metrics background")
    said = capsys.readouterr().out
    assert "pictures of B have no translation at all, 00000 first" in said
    assert "1 of 3 pictures of" in said and "have no translation here, 00001 first" in said
