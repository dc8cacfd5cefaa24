"""A run is scored on its validation pictures by evaluate.py, and keeps the weights that are best."""

import json
import shutil
from pathlib import Path

import pytest
from test_checkpoints import assert_same, state

import train
from conftest import one_line_error
from metrics.validation import Validation
from util.progress import Progress
from util.state_file import load_file


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
    words = "--niter 2 --niter_decay 0 --print_freq 2"
    eval_words = "--eval_epoch_freq 1 --eval_metric background_l1"
    run(train.main, f"--name scored {words} {eval_words}", with_val)
    out = capsys.readouterr().out
    assert out.count("validation after epoch") == 3  # before the first, and after both
    found = scores_of("scored")
    assert [one["epoch"] for one in found] == [0, 1, 2]
    values = [sum(one["scores"][way]["background_l1"] for way in ("AtoB", "BtoA")) for one in found]
    best = min(range(3), key=values.__getitem__)
    saved = state("scored")
    assert saved["progress"]["best_epoch"] == best
    weights = load_file(Path("checkpoints/scored/best_net_G_A.pth"))
    latest = load_file(Path("checkpoints/scored/latest_net_G_A.pth"))
    assert weights.keys() == latest.keys()
    assert Path("checkpoints/scored/val/scored/val_latest/index.html").is_file()
    run(train.main, f"--name plain {words}", with_val)  # being looked at changes nothing
    assert_same(saved["model"], state("plain")["model"])
    assert_same(saved["processes"], state("plain")["processes"])


class Opt:
    eval_epoch_freq, eval_metric, eval_phase, name = 2, "mask_iou", "val", "r"
    dataroot, checkpoints_dir, gpu_ids = ".", ".", []


def test_the_best_is_known_by_the_sense_of_the_score(tmp_path, monkeypatch, capsys):
    progress = Progress()
    validation = Validation(Opt(), tmp_path, progress)
    assert [epoch for epoch in range(5) if validation.due(epoch)] == [0, 2, 4]
    values = iter([0.5, 0.7, None, 0.6])
    monkeypatch.setattr(
        Validation,
        "measure",
        lambda *_: {"AtoB": {"mask_iou": next(values)}, "BtoA": {"mask_iou": None}},
    )
    assert [validation.score(epoch) for epoch in (2, 4, 6, 8)] == [True, True, False, False]
    assert (progress.best, progress.best_epoch) == (0.7, 4)
    out = capsys.readouterr().out
    assert "mask_iou 0.6, the best is 0.7 of epoch 4" in out and "warning: --eval_metric" in out


def test_what_cannot_be_scored_is_told_before_the_first_epoch(run, with_val, shapes, capsys):
    for words, data, said in (
        ("--eval_epoch_freq 1 --eval_metric nonsense", with_val, "background_l1"),
        ("--eval_epoch_freq 1", shapes, "valA is not there"),
        ("--eval_metric mask_iou", with_val, "--eval_epoch_freq N"),
    ):
        with pytest.raises(SystemExit) as stop:
            run(train.main, f"--name r --niter 1 --overwrite {words}", data)
        assert stop.value.code == 2
        one_line_error(capsys, said)
