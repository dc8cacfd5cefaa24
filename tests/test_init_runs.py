"""INIT as runs: resumed, tested in many styles, scored, and what is wrong in one line."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_checkpoints import same_when_stopped

import evaluate
import test as test_command
import train
from conftest import ROOT, refused
from datasets import generate_shapes_dataset
from models.init_model import INITModel
from scripts import contact_sheet, export

INIT = "--model init --style_dim 3 --mlp_dim 32 --niter 1 --niter_decay 0 --no_html --print_freq 2"


@pytest.fixture(scope="module")
def looks(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("looks") / "data"
    words = f"--task appearance --save_root {root} --size 48 --train 4 --test 3 --radius 0.2 0.25"
    generate_shapes_dataset.main(words.split())
    return root


@pytest.fixture
def trained(run, looks):
    run(train.main, f"--name day2night {INIT}", looks)
    return looks


def columns_of(direction: str = "AtoB") -> list[list[str]]:
    listing = json.loads(Path("results/day2night/test_latest/results.json").read_text())
    return listing["directions"][direction]["columns"]


def picture(stem: str, style: int = 0, target: str = "B") -> np.ndarray:
    own = f"_style_{style}" if style else ""
    name = f"results/day2night/test_latest/images/{stem}_fake_{target}{own}_img.png"
    return np.asarray(Image.open(name)).astype(int)


@pytest.mark.parametrize(
    "words",
    ["--n_obj 2 --use_bg_style --accumulate 2 --ema 4", "--objects_own D --precision bf16"],
)
def test_a_run_is_stopped_and_continued_bit_for_bit(run, looks, monkeypatch, words):
    words = f"{INIT} --niter_decay 1 --batch_size 2 --save_latest_freq 2 {words}"
    same_when_stopped(run, monkeypatch, INITModel, words, looks, at=3)


def test_the_same_styles_go_down_a_column(run, trained):
    run(test_command.main, "--name day2night --n_styles 3 --synchronized", trained)
    titles = [title for title, _ in columns_of()]
    assert titles == ["source", "style 1", "style 2", "style 3"]
    first = picture("00000"), picture("00000", 2)
    run(test_command.main, "--name day2night --n_styles 3", trained)
    assert not np.array_equal(picture("00000"), first[0])  # a style of its own
    run(test_command.main, "--name day2night --n_styles 5 --synchronized --batch_size 2", trained)
    assert np.abs(picture("00000") - first[0]).max() <= 1
    assert np.abs(picture("00000", 2) - first[1]).max() <= 1


def test_styles_of_pictures_and_between_them(run, trained):
    examples = [f"{trained}/trainB/0000{i}.png" for i in (0, 1)]
    words = f"--name day2night --direction AtoB --style_from {' '.join(examples)}"
    run(test_command.main, words, trained)
    assert [title for title, _ in columns_of()] == ["source", "like 00000", "like 00001"]
    ends = picture("00002"), picture("00002", 1)
    run(test_command.main, f"{words} --interpolate 5", trained)
    titles = ["source", "like 00000", "25 %", "50 %", "75 %", "like 00001"]
    assert [title for title, _ in columns_of()] == titles
    assert np.abs(picture("00002") - ends[0]).max() <= 1
    assert np.abs(picture("00002", 4) - ends[1]).max() <= 1


def test_results_are_scored_and_laid_out_in_a_grid(run, trained, capsys):
    words = "--name day2night --n_styles 4 --classifier small --metrics auto,diversity,inception"
    run(evaluate.main, words, trained)
    scores = json.loads(Path("results/day2night/test_latest/metrics.json").read_text())
    assert set(scores["AtoB"]) == {
        *("object_color_error", "modes_shown", "diversity_small", "real_diversity_small"),
        *("is", "is_exp", "cis", "cis_exp"),
    }
    assert "modes_shown" not in scores["BtoA"]  # there is one colour by day
    capsys.readouterr()
    folder = "results/day2night/test_latest"
    contact_sheet.main(
        [folder, "grid.png", "--direction", "AtoB", "--columns", "2", "--side", "50"]
    )
    width, height = Image.open("grid.png").size
    assert width > 5 * 50 and 100 < height < 160  # two rows of a source and four styles


def test_it_is_exported_with_a_style_as_input(run, trained):
    export.main(["--name", "day2night", "--format", "torch"])
    assert [path.name for path in Path("exported").iterdir()] == ["day2night_AtoB.pt2"]


def test_grey_pictures_from_a_cache(run, looks, tmp_path):
    data = Path(shutil.copytree(looks, tmp_path / "data"))
    words = f"{INIT} --input_nc 1 --output_nc 1 --cache --precision fp16"
    run(train.main, f"--name day2night {words}", data)
    run(test_command.main, "--name day2night --n_styles 1 --keep_size", data)
    assert picture("00000").shape[:2] == (48, 48)


def test_pictures_are_tested_at_the_scale_of_training(run, looks):
    run(train.main, f"--name day2night {INIT} --load_size 48 --crop_size 32", looks)
    run(test_command.main, "--name day2night --n_styles 1", looks)
    assert picture("00000").shape[:2] == (48, 48)
    words = f"{INIT} --preprocess enlarge_and_crop --crop_size 36 --obj_size 16"
    run(train.main, f"--name day2night --overwrite {words}", looks)
    run(test_command.main, "--name day2night --n_styles 1", looks)
    assert picture("00000").shape[:2] == (48, 48)


def test_pictures_need_no_masks_and_keep_their_shape(run, trained, tmp_path):
    bare = tmp_path / "bare/testA"
    bare.mkdir(parents=True)
    Image.new("RGB", (50, 70), "yellow").save(bare / "mine.png")
    run(test_command.main, "--name day2night --direction AtoB --n_styles 2", bare.parent)
    assert picture("mine").shape[:2] == (44, 32)


WRONG = {
    "--obj_size 12": ("--obj_size 12", "at least 16"),
    "--n_scales 3 --crop_size 32 --load_size 32": ("--fineSizeH 32", "at least 61"),
    "--granularity objects --dataset_mode unaligned": ("--granularity objects needs masks",),
    "--objects_own D --granularity none": ("--objects_own", "no objects"),
    "--use_bg_style --granularity half_scale": ("--use_bg_style",),
    "--granularity half_scale --crop_size 36 --load_size 36": ("--fineSizeH 36", "multiple of 8"),
    "--n_obj 0": ("--n_obj 0", "at least 1"),
    "--lr_policy step": ("--lr_policy", "--halve_every"),
    "--lambda_o -1": ("--lambda_o -1.0", "negative"),
}


@pytest.mark.parametrize("words", WRONG)
def test_options_that_cannot_work_are_named(run, looks, capsys, words):
    refused(capsys, lambda: run(train.main, f"{INIT} {words}", looks), *WRONG[words])


def test_a_domain_without_a_box_is_refused(run, looks, tmp_path, capsys):
    data = Path(shutil.copytree(looks, tmp_path / "data"))
    shutil.rmtree(data / "trainB_seg")
    refused(capsys, lambda: run(train.main, INIT, data), "trainB")
    run(train.main, f"{INIT} --granularity none --name munit", data)


def test_styles_that_cannot_be_had_are_named(run, trained, tmp_path, capsys):
    (tmp_path / "no.png").write_text("no picture")
    for words, said in (
        ("--style_from no.png --direction AtoB", ("--style_from no.png", "not a picture")),
        ("--style_from gone.png --direction AtoB", ("--style_from gone.png",)),
        (f"--style_from {trained}/trainB/00000.png", ("--direction",)),
        ("--interpolate 1", ("--interpolate 1", "at least 2")),
        ("--interpolate 3 --n_styles 1", ("--interpolate", "give two")),
        ("--n_styles 0", ("--n_styles 0",)),
        (f"--style_from {trained}/trainB/00000.png --direction AtoB --n_styles 2", ("--n_styles",)),
    ):
        words = f"--name day2night {words}"
        refused(capsys, lambda words=words: run(test_command.main, words, trained), *said)


def test_the_script_wants_data_and_a_preset_that_it_knows(tmp_path):
    script = ["bash", str(ROOT / "scripts/train_init.sh")]
    for words, preset, said in (
        ([], "street", "name the data and the run"),
        ([str(tmp_path), "x"], "city", "PRESET=city: street or coco"),
        ([str(tmp_path), "x"], "coco", "there is no such folder"),
    ):
        environment = os.environ | {"PRESET": preset, "PYTHON": sys.executable}
        done = subprocess.run([*script, *words], env=environment, capture_output=True, text=True)
        assert done.returncode == 2 and said in done.stderr, done.stderr
