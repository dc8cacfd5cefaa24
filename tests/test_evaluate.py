"""evaluate.py from end to end, on translations whose scores are known, and on trained models."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from scoring import call, copy_as_results, scores

import evaluate
import test as test_command
import train
from conftest import one_line_error
from metrics.pairs import PairFolder
from metrics.reals import Preparation, RealPictures
from metrics.shapes import Backgrounds, shown

pytestmark = pytest.mark.usefixtures("short_trainings")


# ---- known scores


def test_nothing_changed(shapes, tmp_path, capsys):
    folder = copy_as_results(shapes, tmp_path / "same")
    call(f"--dataroot {shapes} --results {folder} --metrics auto,detection")
    for own in scores(folder).values():
        assert own["background_l1"] == 0 and own["background_psnr"] == 100
        assert own["background_ssim"] == pytest.approx(1)
        assert own["mask_kept"] == own["mask_area_ratio"] == own["mask_iou"] == 1
        assert own["all_empty"] == own["all_full"] == own["mask_shape_success"] == 0
        assert own["mmr"] == own["mods"] == own["mvis"] == 0  # disks are no triangles
    detail = json.loads((folder / "metrics_detail.json").read_text())
    assert detail["AtoB"]["pictures_scored"] == 3
    assert detail["AtoB"]["intervals_95"]["background_l1"] == [0, 0]
    assert detail["AtoB"]["sets"]["mmr_pooled"]["protocol"].startswith("the exact detector")
    said = capsys.readouterr().out
    assert "A to B" in said and "background psnr" in said


def test_classification_knows_the_target_from_the_source(many, tmp_path):
    """Pictures of the target domain score as real ones do; untouched ones as nothing."""
    words = f"--dataroot {many} --metrics classification,masked_classification --classifier small"
    right = copy_as_results(many, tmp_path / "right", foreign=True)
    wrong = copy_as_results(many, tmp_path / "wrong")
    call(f"{words} --results {right} {wrong}")
    for own, none in zip(scores(right).values(), scores(wrong).values(), strict=True):
        assert own["classification"] == own["classification_real_test"] >= 0.9
        assert own["classification_real_train"] >= 0.9
        assert none["classification"] == pytest.approx(0, abs=0.1)
        assert none["masked_classification"] <= 0.1 < 0.9 <= none["masked_classification_real_test"]


def test_distances_of_features_rank_translations(many, tmp_path):
    words = f"--dataroot {many} --metrics fid,kid --classifier small"
    right = copy_as_results(many, tmp_path / "right", foreign=True)
    wrong = copy_as_results(many, tmp_path / "wrong")
    call(f"{words} --results {right} {wrong}")
    for own, other in zip(scores(right).values(), scores(wrong).values(), strict=True):
        assert abs(own["fid_small"]) < 0.01 < 1 < other["fid_small"]
        assert own["kid_small"] < other["kid_small"]
    sets = json.loads((right / "metrics_detail.json").read_text())["AtoB"]["sets"]
    assert sets["fid_small"]["count"] == 12 and "12 real pictures" in sets["fid_small"]["protocol"]


# ---- models


@pytest.mark.parametrize("model", ["insta_gan", "cycle_gan", "cycle_gan_seg"])
def test_a_trained_model_is_translated_and_scored(run, shapes, model, capsys):
    run(train.main, f"--name r --model {model} --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r --metrics auto,detection")
    folder = Path("results/r/test_latest")
    own = scores(folder)["AtoB"]
    assert {"image_shape_success", "image_shape_success_85", "background_l1", "mmr"} <= own.keys()
    assert ("mask_kept" in own) == ("mask_shape_success" in own) == (model == "insta_gan")
    assert ("mask_iou" in own) == (model == "insta_gan")
    assert ("union_iou" in own) == (model == "cycle_gan_seg")
    assert "image shape success" in (folder / "index.html").read_text()
    names = {path.name for path in (folder / "images").iterdir()}
    assert "00000_real_A_mask_0.png" in names
    assert ("00000_fake_B_mask_0.png" in names) == (model == "insta_gan")
    assert "00000_fake_B_img.png" in names and "3 of 3" in capsys.readouterr().out


def test_options_of_test_py_are_handed_on(run):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r --direction AtoB --num_test 2 --ins_per 1 --results_dir other")
    assert list(scores(Path("other/r/test_latest"))) == ["AtoB"]


def test_what_an_earlier_translation_left_is_not_scored(run):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(test_command.main, "--name r")
    run(test_command.main, "--name r --num_test 1 --direction BtoA")
    folder = PairFolder(Path("results/r/test_latest"))
    assert {source: len(pairs) for source, pairs in folder.pairs.items()} == {"B": 1}


def test_masks_of_an_earlier_translation_are_not_scored(run):
    """The same folder, first with all instances and then with one of each picture."""
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r")
    folder = Path("results/r/test_latest")
    before = json.loads((folder / "metrics_detail.json").read_text())["AtoB"]["counts"]["mask_kept"]
    run(test_command.main, "--name r --instances 0")
    assert not (folder / "metrics.json").exists()
    assert (folder / "images").glob("*_mask_1.png")
    for pair in PairFolder(folder).pairs["A"]:
        assert len(pair.load().masks) == 1
    assert before > 3


def test_the_phase_is_that_of_the_results(run, shapes, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(test_command.main, "--name r --phase train")
    call(
        f"--dataroot {shapes} --results results/r/train_latest --metrics auto,fid --classifier small"
    )
    detail = json.loads(Path("results/r/train_latest/metrics_detail.json").read_text())
    assert f"{shapes}/trainB" in detail["AtoB"]["sets"]["fid_small"]["protocol"].replace(
        "of train", f"of {shapes}/train"
    )
    with pytest.raises(SystemExit):
        call(f"--dataroot {shapes} --results results/r/train_latest --phase test")
    one_line_error(capsys, "--phase test", "results of train")


@pytest.mark.parametrize(
    "words", ["--load_size 48 --crop_size 32", "--input_nc 1 --output_nc 1", "--keep_size"]
)
def test_backgrounds_and_reals_are_made_as_the_sources_were(run, shapes, words):
    """Cropped, grey, of their own size: what is no object does not differ from the background."""
    extra = words if "nc" in words else ""
    run(train.main, f"--name r --niter 1 --niter_decay 0 {extra}")
    run(test_command.main, f"--name r --num_test 2 {words if not extra else ''}")
    folder = PairFolder(Path("results/r/test_latest"))
    preparation = Preparation.of(folder.listing, (1, 1))
    reals = RealPictures(shapes, "test", preparation)
    for source in "AB":
        background = Backgrounds(shapes, "test", source, preparation)
        real = list(reals.of(source, with_masks=True))
        for files, (image, union) in zip(folder.pairs[source], real, strict=False):
            pair = files.load()
            assert np.array_equal(pair.image, image) and np.array_equal(pair.foreground, union)
            around = binary_dilation(pair.foreground, iterations=3)  # soft edges
            assert not (shown(pair.image, background(pair)) & ~around).any()


def test_a_direction_alone_is_classified(run, many):
    run(train.main, "--name r --niter 1 --niter_decay 0", dataroot=many)
    half = Path("half")
    for name in ("trainA", "trainB", "trainA_seg", "trainB_seg", "testA", "testA_seg"):
        shutil.copytree(many / name, half / name)
    run(
        evaluate.main,
        "--name r --direction AtoB --metrics classification --classifier small",
        dataroot=half,
    )
    own = scores(Path("results/r/test_latest"))["AtoB"]
    assert "classification_real_train" in own and "classification_real_test" not in own


def test_without_masks_nothing_is_said_of_the_background(run, shapes, capsys):
    run(train.main, "--name r --model cycle_gan --dataset_mode unaligned --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r --metrics auto,classification --classifier small")
    assert "background_l1" not in scores(Path("results/r/test_latest"))["AtoB"]
    assert "nothing is known of its background" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call(f"--dataroot {shapes} --results results/r/test_latest --metrics background")
    one_line_error(capsys, "--metrics background", "STEM_real_A_mask_0.png")


def test_pictures_without_an_instance_are_no_failures(run, shapes):
    bare = Path("bare")
    shutil.copytree(shapes, bare)
    for path in (bare / "testA_seg").glob("00001_*"):
        path.unlink()
    run(train.main, "--name r --niter 1 --niter_decay 0")
    words = (
        "--name r --no_mask keep --direction AtoB --metrics auto,detection,masked_classification"
    )
    run(evaluate.main, f"{words} --classifier small", dataroot=bare)
    picture = json.loads(Path("results/r/test_latest/metrics_detail.json").read_text())["AtoB"][
        "pictures"
    ]["00001"]
    assert picture == {}


def test_chosen_instances_alone_are_translated(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(test_command.main, "--name r --instances 1,2")
    names = {path.name for path in Path("results/r/test_latest/images").iterdir()}
    assert any(name.endswith("_fake_B_mask_1.png") for name in names)
    assert not any("_mask_0.png" in name for name in names)
    with pytest.raises(SystemExit):
        run(test_command.main, "--name r --instances 99")
    one_line_error(capsys, "--instances 99", "testA")


def test_several_folders_have_a_mean_and_a_spread(shapes, tmp_path, capsys):
    folders = [copy_as_results(shapes, tmp_path / str(i), foreign=bool(i)) for i in range(2)]
    call(f"--dataroot {shapes} --results {folders[0]} {folders[1]} --metrics background")
    said = capsys.readouterr().out
    assert "mean ± sd over folders" in said and "(n = 2)" in said
