"""The same command gives the same weights, and what gave them is written down."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from test_checkpoints import EVERYTHING, assert_same, state

import train
from training.trainer import Trainer

WORDS = f"--niter 1 --niter_decay 0 {EVERYTHING}"


def test_any_number_of_loader_processes_gives_the_same_weights(run):
    for count in (0, 2, 4):
        run(train.main, f"--name {count} {WORDS} --num_threads {count}")
    assert_same(state("0"), state("2"))
    assert_same(state("0"), state("4"))  # with optimisers, pools, random states and counters


@pytest.fixture
def settings_given_back():
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)


@pytest.mark.usefixtures("settings_given_back")
def test_deterministic_allows_no_other_algorithm(run, monkeypatch):
    seen = []
    honest = Trainer.train

    def train_and_look(self):
        seen.append(torch.are_deterministic_algorithms_enabled())
        honest(self)

    monkeypatch.setattr(Trainer, "train", train_and_look)
    run(train.main, f"--name plain {WORDS}")
    run(train.main, f"--name one {WORDS} --deterministic")
    assert seen == [False, True] and os.environ["CUBLAS_WORKSPACE_CONFIG"]
    assert_same(state("plain")["model"], state("one")["model"])


def test_other_options_are_told_on_going_on(run, capsys):
    run(train.main, f"--name r {WORDS} --lr 0.001")
    run(train.main, f"--name r {WORDS} --niter 2 --continue_train --num_threads 1")
    assert "note: since the last save niter was 1 and is 2, lr was 0.001 and is 0.0002" in (
        out := capsys.readouterr().out
    )
    assert out.count("since the last save") == 1


def test_another_dataset_is_told_on_going_on(run, shapes, tmp_path, capsys):
    run(train.main, f"--name r {WORDS}")
    other = tmp_path / "other"
    shutil.copytree(shapes, other)
    run(train.main, f"--name r {WORDS} --niter 2 --continue_train", dataroot=other)
    said = f"note: since the last save dataroot was {shapes} and is {other}, niter was 1 and is 2"
    assert said in capsys.readouterr().out


def test_other_arithmetic_is_told_on_going_on(run, monkeypatch, capsys):
    run(train.main, f"--name r {WORDS}")
    run(train.main, f"--name r {WORDS} --niter 2 --continue_train")
    assert "last bits" not in capsys.readouterr().out
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    run(train.main, f"--name r {WORDS} --niter 3 --continue_train")
    assert "note: threads was 1 and is 7: what follows differs" in capsys.readouterr().out


def test_every_start_is_written_down(run):
    run(train.main, f"--name r {WORDS} --seed 5")
    run(train.main, f"--name r {WORDS} --seed 5 --niter 2 --continue_train")
    lines = Path("checkpoints/r/starts.jsonl").read_text().splitlines()
    starts = [json.loads(line) for line in lines]
    assert [one["total"] for one in starts] == [0, 6]
    for one in starts:
        assert one["versions"]["torch"] == torch.__version__
        assert one["device"] and one["system"] and one["threads"] >= 1 and "commit" in one
        assert one["command"].startswith("python ")
