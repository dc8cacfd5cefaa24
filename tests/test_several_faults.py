"""What happens to one of several processes happens to all of them, in the same step."""

import re
import shutil
import signal
from pathlib import Path

import pytest
import torch
from test_checkpoints import assert_same
from test_distributed import COMMON, DOUBLE, finish, start, weights
from test_validation import QUICK

from loggers.records import read_records
from training.state_file import read_state

WORDS = f"--ins_max 2 --pool_size 3 --dropout --batch_size 2 {COMMON} --niter 3 --print_freq 4"
SPOILT = """
import os, torch
from models.unpaired import UnpairedModel
honest, calls = UnpairedModel.generator_losses, []
def spoilt(self, *arguments):
    calls.append(1)
    bad = os.environ["RANK"] == "1" and len(calls) == 2
    losses, result = honest(self, *arguments)
    return {n: x * float("nan") if bad else x for n, x in losses.items()}, result
spoilt.__name__ = honest.__name__
UnpairedModel.generator_losses = spoilt
"""


def state(folder: Path, name: str) -> dict:
    return read_state(folder / "checkpoints" / name / "state.pt")


def test_a_signal_to_one_of_two_processes_stops_both(shapes, tmp_path):
    """After the same step; both go on to the unbroken end, for pools and random states are saved."""
    finish(start(2, tmp_path, shapes, f"--name whole {WORDS}"))
    words = f"{WORDS} --num_threads 1 --resume auto"
    both = start(2, tmp_path, shapes, f"--name parts {words}")
    while "D_A:" not in both[0].stdout.readline():
        assert both[0].poll() is None, both[0].stderr.read()
    both[1].send_signal(signal.SIGTERM)
    ended = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [143, 143], ended
    assert "stopped by SIGTERM at epoch" in ended[0][0].splitlines()[-1]
    stopped = state(tmp_path, "parts")
    assert 0 < stopped["progress"]["total"] < state(tmp_path, "whole")["progress"]["total"]
    pools = [own["model"]["pools"]["fake_B"]["items"] for own in stopped["processes"]]
    assert not torch.equal(pools[0][0][0], pools[1][0][0])
    shutil.copytree(tmp_path / "checkpoints/parts", tmp_path / "checkpoints/fewer")
    finish(start(2, tmp_path, shapes, f"--name parts {words}"))
    assert_same(state(tmp_path, "parts"), state(tmp_path, "whole"))
    (alone,) = finish(start(1, tmp_path, shapes, f"--name fewer {words}"))
    assert "the number of processes was 2 and is 1" in alone and "100%" in alone


@pytest.fixture
def spoilt(monkeypatch):
    """The losses of the second call in the second process are not finite."""
    command = DOUBLE.replace("import train\n", f"import train\n{SPOILT}")
    monkeypatch.setattr("test_distributed.DOUBLE", command)


@pytest.mark.usefixtures("spoilt")
def test_an_update_that_breaks_in_one_process_is_made_in_none(shapes, tmp_path):
    """That one writes it down, both go on, and what they have learnt stays the same."""
    words = f"--name r {WORDS} --on_nan skip"
    said, _ = finish(start(2, tmp_path, shapes, words))
    assert said.count("warning: epoch 1, step after picture 0") == 1, said
    assert re.search(r"made, process 1: loss .* is not finite in the update of G by \S+", said)
    dump = tmp_path / "checkpoints/r/broken_0_rank1.pt"
    assert read_state(dump)["kind"] == "G" and not dump.with_name("broken_0.pt").exists()
    assert all(torch.isfinite(value).all() for value in weights(tmp_path, "r").values())
    assert [r["total"] for r in read_records(dump.with_name("metrics.jsonl"))][-1] == 18
    assert re.search(r"\(epoch: 3, .*D_A: \d", said)


@pytest.mark.usefixtures("spoilt")
def test_both_stop_or_go_back_and_one_of_them_says_so(shapes, tmp_path):
    both = start(2, tmp_path, shapes, f"--name r {WORDS}")
    told = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert told[0].count("\n") == 1 and "process 1: loss" in told[0] and told[1] == ""
    words = f"--name r {WORDS} --continue_train --on_nan rollback --save_latest_freq 4"
    said, _ = finish(start(2, tmp_path, shapes, words))  # spoilt in its own first step
    assert "back to epoch 1, 6 pictures into it" in said and "100%" in said
    assert all(torch.isfinite(value).all() for value in weights(tmp_path, "r").values())


def test_scoring_may_take_longer_than_processes_wait_for_one_another(shapes, tmp_path, monkeypatch):
    quick = tmp_path / "quick.py"
    quick.write_text(QUICK.replace("sleep(1)", "sleep(9)"))
    patch = f"import metrics.validation\nmetrics.validation.COMMAND = {str(quick)!r}\n"
    command = DOUBLE.replace("import train\n", f"import train\n{patch}")
    monkeypatch.setattr("test_distributed.DOUBLE", command)
    words = "--eval_epoch_freq 9 --eval_metric mask_iou --eval_phase test --dist_timeout 6"
    said, _ = finish(start(2, tmp_path, shapes, f"--name r {WORDS} {words}"))
    assert "validation after epoch 0: mask_iou 0.5" in said and "done: 3 epochs" in said
    assert (tmp_path / "checkpoints/r/best_net_G_A.pth").is_file()


def test_a_state_that_only_one_machine_has_is_told(shapes, tmp_path):
    """`--resume auto` would go on there, and begin anew elsewhere."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    finish(start(1, folders[0], shapes, f"--name r {WORDS}"))
    both = start(2, folders, shapes, f"--name r {WORDS} --resume auto")
    told = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert "share --checkpoints_dir" in told[0] and told[0].count("\n") == 1
