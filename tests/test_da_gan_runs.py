"""DA-GAN as runs: resumed, tested, scored, and what is wrong in one line."""

import json
import shutil
from pathlib import Path

import pytest
from test_checkpoints import assert_same, same_when_stopped, state
from test_da_gan import DAGAN, digits  # noqa: F401

import evaluate
import test as test_command
import train
from conftest import refused
from models.da_gan_model import DAGANModel
from scripts import export

SHORT = f"{DAGAN} --niter 1 --niter_decay 0 --no_html --print_freq 4"
LABELLED = f"{SHORT} --label_mode source"


def listing_of(name: str) -> dict:
    return json.loads(Path(f"results/{name}/test_latest/results.json").read_text())


@pytest.mark.parametrize(
    "words", ["--n_regions 4 --ema 8", "--d_joint --precision bf16", "--warmup_cls 12"]
)
def test_a_run_is_stopped_and_continued_bit_for_bit(run, digits, monkeypatch, words):  # noqa: F811
    words = f"{LABELLED} --niter_decay 1 --save_latest_freq 4 {words}"
    same_when_stopped(run, monkeypatch, DAGANModel, words, digits, at=4)


def test_one_way_with_windows_and_scores(run, digits):  # noqa: F811
    run(train.main, f"--name d {LABELLED}", digits)
    words = "--name d --classifier small --metrics labels,attention"
    run(evaluate.main, words, digits)
    listing = listing_of("d")
    assert list(listing["directions"]) == ["AtoB"]
    titles = [title for title, _ in listing["directions"]["AtoB"]["columns"]]
    assert titles == ["source", "translation", "windows", "regions"]
    assert len(listing["pictures"][0]["numbers"]["windows"]) == 1
    scores = json.loads(Path("results/d/test_latest/metrics.json").read_text())
    assert set(scores) == {"AtoB"}
    assert set(scores["AtoB"]) == {
        *("label_accuracy", "label_accuracy_untranslated", "label_accuracy_real", "label_is"),
        *("classes_missed", "attention_recall", "centre_error"),
    }
    export.main(["--name", "d"])  # which compares both files with the network, at several sizes
    assert {path.suffix for path in Path("exported").iterdir()} == {".pt2", ".onnx"}


def test_the_other_way(run, digits, capsys):  # noqa: F811
    run(train.main, f"--name d {LABELLED} --way BtoA --no_dae", digits)
    run(test_command.main, "--name d", digits)
    assert list(listing_of("d")["directions"]) == ["BtoA"]
    capsys.readouterr()
    refused(
        capsys,
        lambda: run(test_command.main, "--name d --direction AtoB", digits),
        *("--direction AtoB", "BtoA"),
    )


def test_targets_are_made_again(run, digits):  # noqa: F811
    """F(t) of Eq. 6 and 8, with the windows it was seen through, and how well it is kept."""
    run(train.main, f"--name d {LABELLED}", digits)
    run(evaluate.main, "--name d --remake --classifier small --metrics labels,attention", digits)
    listing = listing_of("d")
    (way,) = listing["directions"].values()
    assert [title for title, _ in way["columns"]] == ["source", "made again", "windows", "regions"]
    assert {picture["source"] for picture in listing["pictures"]} == {"B"}
    assert {*listing["pictures"][0]["files"]} >= {"real_B_img", "fake_B_img", "windows_B_img"}
    scores = json.loads(Path("results/d/test_latest/metrics.json").read_text())
    assert {"label_accuracy", "classes_missed", "attention_recall"} <= scores["BtoB"].keys()


def test_sets_of_unequal_sizes(run, digits, tmp_path):  # noqa: F811
    """An epoch is as long as the larger set."""
    data = Path(shutil.copytree(digits, tmp_path / "unequal"))
    for path in sorted((data / "trainB").iterdir())[3:]:
        path.unlink()
    run(train.main, f"--name d {LABELLED}", data)
    assert state("d")["progress"]["total"] == len(list((data / "trainA").iterdir()))


def test_masks_change_nothing(run, digits, tmp_path):  # noqa: F811
    run(train.main, f"--name d {LABELLED}", digits)
    bare = Path(shutil.copytree(digits, tmp_path / "bare"))
    for folder in bare.glob("*_seg"):
        shutil.rmtree(folder)
    run(train.main, f"--name b {LABELLED}", bare)
    assert_same(state("d")["model"], state("b")["model"])
    for name, data in (("d", digits), ("b", bare)):
        run(test_command.main, f"--name {name}", data)
    pictures = [sorted(Path(f"results/{n}/test_latest/images").glob("*fake_B_img*")) for n in "db"]
    assert [p.read_bytes() for p in pictures[0]] == [p.read_bytes() for p in pictures[1]]


WRONG = {
    "--batch_size 1": ("--batch_size 1", "at least two pictures"),
    "--warmup_cls 9": ("--warmup_cls 9", "--label_mode"),
    "--d resblock": ("--d resblock", "--label_mode"),
    "--label_mode source --n_classes 2": ("--n_classes 2", "raise it"),
    "--rho 0.1": ("--rho 0.1", "3.2 pixels"),
    "--n_regions 0": ("--n_regions 0", "at least 1"),
}


@pytest.mark.parametrize("words", WRONG)
def test_options_that_cannot_work_are_named(run, digits, capsys, words):  # noqa: F811
    refused(capsys, lambda: run(train.main, f"{SHORT} {words}", digits), *WRONG[words])


def test_labels_that_are_not_there_are_named(run, shapes, capsys):
    refused(capsys, lambda: run(train.main, LABELLED, shapes), "--label_mode", "trainA_label.csv")
