"""A run is scored on its validation pictures by evaluate.py, and keeps the weights that are best."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from test_checkpoints import assert_same, state

import train
from conftest import one_line_error
from loggers.records import read_records
from metrics import validation
from metrics.validation import Validation
from training.progress import Progress
from training.state_file import load_file


@pytest.fixture
def with_val(shapes, tmp_path) -> Path:
    """A dataset whose test pictures are validation pictures as well."""
    root = shutil.copytree(shapes, tmp_path / "data")
    for path in list(root.glob("test*")):
        target = root / path.name.replace("test", "val", 1)
        (shutil.copytree if path.is_dir() else shutil.copy)(path, target)
    return root


def scores_of(run: str) -> list[dict]:
    return [json.loads(line) for line in Path(f"checkpoints/{run}/val_scores.jsonl").open()]


def test_a_run_is_scored_and_its_best_weights_are_kept(run, with_val, capsys):
    words = "--niter 1 --niter_decay 0 --print_freq 2"
    eval_words = "--eval_epoch_freq 1 --eval_metric background_l1"
    run(train.main, f"--name scored {words} {eval_words}", with_val)
    out = capsys.readouterr().out
    assert out.count("validation after epoch") == 2  # before the first, and after it
    found = scores_of("scored")
    assert [one["epoch"] for one in found] == [0, 1]
    values = [sum(one["scores"][way]["background_l1"] for way in ("AtoB", "BtoA")) for one in found]
    best = min(range(2), key=values.__getitem__)
    saved = state("scored")
    assert saved["progress"]["best_epoch"] == best
    logged = [r for r in read_records(Path("checkpoints/scored/metrics.jsonl")) if "scores" in r]
    assert [one["total"] for one in logged] == [2, 6]  # the first report has those before it
    assert [one["scores"] for one in logged] == [one["scores"] for one in found]
    weights = load_file(Path("checkpoints/scored/best_net_G_A.pth"))
    latest = load_file(Path("checkpoints/scored/latest_net_G_A.pth"))
    assert weights.keys() == latest.keys()
    assert Path("checkpoints/scored/val/scored/val_latest/index.html").is_file()
    run(train.main, f"--name plain {words}", with_val)  # being looked at changes nothing
    logs = [Path(f"checkpoints/{name}/metrics.jsonl") for name in ("scored", "plain")]
    scored, plain = ([(r["total"], r["losses"]) for r in read_records(log)] for log in logs)
    assert scored == plain
    assert_same(saved["model"], state("plain")["model"])
    assert_same(saved["processes"], state("plain")["processes"])


QUICK = """
import sys
from pathlib import Path
from time import sleep
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = Path(words["--results_dir"], words["--name"], words["--phase"] + "_latest")
folder.mkdir(parents=True, exist_ok=True)
(folder / "metrics.json").write_text('{"AtoB": {"mask_iou": 0.5}}')
sleep(1)
"""


def test_a_signal_while_scoring_ends_the_run_before_it(
    run, with_val, tmp_path, monkeypatch, capsys
):
    """The run that goes on scores again, and ends like one that nobody stopped."""
    monkeypatch.setattr(validation, "COMMAND", tmp_path / "quick.py")
    validation.COMMAND.write_text(QUICK)
    words = "--niter 2 --niter_decay 0 --print_freq 2 --eval_epoch_freq 2 --eval_metric mask_iou"
    run(train.main, f"--name whole {words}", with_val)
    honest, calls = Validation.wait, []

    def wait(self, process):
        calls.append(process)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return honest(self, process)

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(Validation, "wait", wait)
        run(train.main, f"--name parts {words}", with_val)
    assert stop.value.code == 128 + signal.SIGTERM and calls[1].returncode == -signal.SIGTERM
    assert "epoch 2, 6 pictures into it; saved" in capsys.readouterr().out
    assert [one["epoch"] for one in scores_of("parts")] == [0]
    run(train.main, f"--name parts {words} --continue_train", with_val)
    assert scores_of("parts") == scores_of("whole")
    assert_same(state("parts"), state("whole"))


COUNTED = """
import json, sys
from pathlib import Path
words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = Path(words["--results_dir"], words["--name"], words["--phase"] + "_latest")
folder.mkdir(parents=True, exist_ok=True)
calls = Path("calls.jsonl")
value = [3.0, 1.0, 2.0][len(calls.read_text().splitlines()) if calls.exists() else 0]
with calls.open("a") as file:
    file.write(json.dumps(words) + "\\n")
(folder / "metrics.json").write_text(json.dumps({"AtoB": {NAME: value}}))
"""


@pytest.mark.parametrize("name,asked,best", [
    ("fid_inception", "auto,fid", 1),
    ("kid_vgg16", "auto,kid", 1),
    ("background_lpips", "auto,lpips", 1),
    ("seam_l1", "auto", 1),
    ("image_shape_success_85", "auto", 0),
    ("mods_pooled", "auto,detection", 0),
    ("masked_classification", "auto,masked_classification", 0),
])  # fmt: skip
def test_the_best_weights_have_the_least_or_the_most(
    run, with_val, tmp_path, monkeypatch, name, asked, best
):
    """Scores of 3, 1 and 2, before the first epoch and after two."""
    monkeypatch.setattr(validation, "COMMAND", tmp_path / "counted.py")
    validation.COMMAND.write_text(COUNTED.replace("NAME", repr(name)))
    words = "--niter 2 --niter_decay 0 --no_html --max_dataset_size 1 --eval_epoch_freq 1"
    run(train.main, f"--name r {words} --eval_metric {name}", with_val)
    assert state("r")["progress"]["best_epoch"] == best
    calls = list(map(json.loads, Path("calls.jsonl").read_text().splitlines()))
    assert [words["--metrics"] for words in calls] == [asked] * 3


class Opt:
    eval_epoch_freq, eval_metric, eval_phase, name = 2, "mask_iou", "val", "r"
    dataroot, checkpoints_dir, gpu_ids = ".", ".", []


def test_the_best_is_of_one_metric_and_is_kept_again_when_scored_again(tmp_path, monkeypatch):
    progress = Progress(best=0.7, best_epoch=4, best_of="mask_iou of val")
    scorer = Validation(Opt(), tmp_path, progress)
    assert [scorer.is_best(*one) for one in ((4, 0.7), (6, 0.7), (6, 0.8))] == [True, False, True]
    scorer.forget_best()  # they could not be written
    assert scorer.is_best(6, 0.1)
    progress.best, scorer.metric, scorer.measured = 0.7, "background_l1", "background_l1 of val"
    assert scorer.is_best(6, 30.0)


def test_a_run_that_goes_back_has_its_scores_once(tmp_path):
    scorer = Validation(Opt(), tmp_path, Progress())
    for epoch in (2, 4, 6, 4):
        scorer.write_down(epoch, {"AtoB": {"mask_iou": epoch}})
    with open(tmp_path / "val_scores.jsonl", "a") as file:
        file.write('{"epoch": "x"}\n{"epoch": 6, "to')
    scorer.write_down(6, {})
    lines = (tmp_path / "val_scores.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [2, 4, 6]


def test_the_best_is_known_by_the_sense_of_the_score(tmp_path, monkeypatch, capsys):
    progress = Progress()
    scorer = Validation(Opt(), tmp_path, progress)
    assert [epoch for epoch in range(5) if scorer.due(epoch)] == [0, 2, 4]
    values = iter([0.5, 0.7, None, 0.6])
    monkeypatch.setattr(
        Validation,
        "measure",
        lambda *_: {"AtoB": {"mask_iou": next(values)}, "BtoA": {"mask_iou": None}},
    )
    assert [scorer.score(epoch) for epoch in (2, 4, 6, 8)] == [True, True, False, False]
    assert (progress.best, progress.best_epoch) == (0.7, 4)
    out = capsys.readouterr().out
    assert "mask_iou 0.6, the best is 0.7 of epoch 4" in out and "warning: --eval_metric" in out


def test_what_cannot_be_scored_is_told_before_the_first_epoch(run, with_val, shapes, capsys):
    for words, data, said in (
        ("--eval_epoch_freq 1 --eval_metric nonsense", with_val, "no such score. Known:"),
        ("--eval_epoch_freq 1 --eval_metric fid_incepton", with_val, "did you mean fid_inception?"),
        ("--eval_epoch_freq 1 --eval_metric mask_area_ratio", with_val, "mask_area_ratio: neither"),
        ("--eval_epoch_freq 1 --eval_metric classification_real_val", with_val, "neither"),
        ("--eval_epoch_freq 1 --eval_metric union_iou", with_val, "background_l1"),
        ("--eval_epoch_freq 1", shapes, "valA is not there"),
        ("--eval_metric mask_iou", with_val, "--eval_epoch_freq N"),
    ):
        with pytest.raises(SystemExit) as stop:
            run(train.main, f"--name r --niter 1 --overwrite {words}", data)
        assert stop.value.code == 2
        one_line_error(capsys, said)
