"""Scores that files which vanish, or pictures left alone, cannot flatter."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scoring import SIDE, block, copy_as_results, scores, write_pair
from scoring import call as evaluate_results

import evaluate
import test as test_command
import train
from conftest import one_line_error
from metrics.masks import Masks
from metrics.pairs import PairFolder


def values(folder: Path, metrics: str = "background,mask") -> dict:
    evaluate_results(f"--dataroot . --results {folder} --metrics {metrics}")
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
        said = capsys.readouterr().out
        assert "masks of 1 of 2 pictures do not pair up" in said and f"({name} first" in said
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


@pytest.mark.parametrize("seed", range(5))
def test_other_numbers_in_another_order_change_no_score(tmp_path, seed):
    rng = np.random.default_rng(seed)
    for name in "abc":
        count = int(rng.integers(1, 6))
        real = {i: rng.random((SIDE, SIDE)) > 0.6 for i in range(count)}
        fake = {i: rng.random((SIDE, SIDE)) > 0.6 for i in real if i == 0 or rng.random() > 0.3}
        numbers = rng.permutation(50)[:count].tolist()
        write_pair(tmp_path / "plain", name, real, fake, change=5)
        renamed = ({numbers[i]: mask for i, mask in masks.items()} for masks in (real, fake))
        write_pair(tmp_path / "other", name, *renamed, change=5)
    assert values(tmp_path / "plain") == pytest.approx(values(tmp_path / "other"))


def test_a_mask_of_all_instances_is_no_vanished_one(tmp_path, capsys):
    """Where others have one for each: then it is not known which of them are left."""
    write_pair(tmp_path, "x", {0: block(0, 0)}, {0: block(0, 0)})
    write_pair(tmp_path, "y", {0: block(0, 0)}, {})
    Image.fromarray(block(0, 0)).save(tmp_path / "images/y_fake_B_seg.png")
    found = values(tmp_path)
    assert found["mask_kept"] == found["mask_iou"] == 1
    said = capsys.readouterr().out
    assert "the masks of 1 of 2 pictures do not pair up" in said and "(y first)" in said


def test_pictures_without_an_instance_do_not_count(tmp_path, capsys):
    write_pair(tmp_path, "x", {0: block(0, 0)}, {0: block(0, 0)}, change=20)
    write_pair(tmp_path, "y", {}, {})
    found = values(tmp_path)
    assert found["background_l1"] == 20
    said = capsys.readouterr().out
    assert "n = 1 of 2" in said
    assert "1 of 2 pictures have no instance, were not translated and do not count" in said
    assert "(y first)" in said


def test_the_number_of_instances_is_always_shown(tmp_path, capsys):
    """Two instances of two pictures may both be of one."""
    both = {0: block(0, 0), 1: block(12, 12)}
    write_pair(tmp_path, "x", both, both)
    write_pair(tmp_path, "y", {}, {})
    values(tmp_path)
    row = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("mask iou"))
    assert row.endswith("n = 2)")


def test_unions_have_scores_of_their_own_names(tmp_path):
    write_pair(tmp_path, "x", {0: block(0, 0), 1: block(12, 12)}, {})
    Image.fromarray(block(0, 0)).save(tmp_path / "images/x_fake_B_seg.png")
    found = values(tmp_path)
    assert found["union_iou"] == found["union_area_ratio"] == 0.5 and found["union_full"] == 0
    assert not [name for name in found if name.startswith("mask_") or name == "all_full"]


@pytest.mark.parametrize("levels", [range(128), (0, 1)])
def test_a_union_that_our_model_lets_fade_has_vanished(run, levels):
    """It is a picture of all levels: dark ones are no mask, though there may be just two."""
    run(train.main, "--name r --model cycle_gan_seg --niter 1 --niter_decay 0")
    run(test_command.main, "--name r --direction AtoB")
    folder = Path("results/r/test_latest")
    for path in folder.glob("images/*_fake_B_seg.png"):
        Image.fromarray(np.resize(np.array(levels, np.uint8), (32, 32))).save(path)
    run(evaluate.main, f"--results {folder} --metrics mask")
    found = scores(folder)["AtoB"]
    assert found["union_area_ratio"] == found["union_iou"] == 0 and found["all_empty"] == 1


def test_it_is_said_where_the_source_stands_in_for_the_translation(tmp_path, capsys):
    write_pair(tmp_path, "x", {0: block(0, 0)}, {}, change=9)
    values(tmp_path, "background")
    said = "no translated mask: for background instances are where the source's masks are"
    assert said in capsys.readouterr().out
    write_pair(tmp_path, "y", {0: block(0, 0)}, {0: block(0, 0)}, change=9)
    values(tmp_path, "background")
    assert "where the source's masks are" not in capsys.readouterr().out


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
    run(test_command.main, "--name r --direction AtoB --num_test 1")
    said = capsys.readouterr().out
    assert "in 1 of 3 pictures; the others are empty, of pictures beyond --num_test 1" in said


@pytest.mark.parametrize("model", ["insta_gan", "cycle_gan_seg"])
def test_what_our_models_leave_as_it_is_does_not_count(run, shapes, capsys, model):
    root = Path("bare")
    shutil.copytree(shapes, root)
    for path in (root / "testA_seg").glob("00001_*"):
        path.unlink()
    run(train.main, f"--name r --model {model} --niter 1 --niter_decay 0")
    found = []
    for policy in ("skip", "keep"):
        words = f"--name r --direction AtoB --no_mask {policy} --metrics auto,detection"
        run(evaluate.main, words, dataroot=root)
        found.append(scores(Path("results/r/test_latest"))["AtoB"])
    assert found[0] == pytest.approx(found[1])
    assert "1 of 3 pictures have no instance" in capsys.readouterr().out


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
