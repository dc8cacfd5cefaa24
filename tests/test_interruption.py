"""Signals end a run after its step, and the same command goes on to the same bits."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_checkpoints import EVERYTHING, assert_same, state

import train
from conftest import ROOT, TINY, one_line_error
from loggers.records import read_records
from models.insta_gan_model import InstaGANModel
from training.interruption import Interruption
from training.trainer import SaveClock


def signal_in_step(monkeypatch, number: int, at: int) -> None:
    """Let a signal arrive in the middle of a step."""
    honest, calls = InstaGANModel.train_step, []

    def train_step(self, scenes):
        calls.append(1)
        if len(calls) == at:
            os.kill(os.getpid(), number)
        honest(self, scenes)

    monkeypatch.setattr(InstaGANModel, "train_step", train_step)


@pytest.mark.parametrize(
    "number,words",
    [
        (signal.SIGTERM, ""),
        (signal.SIGINT, "--num_threads 2"),
        (signal.SIGTERM, "--precision bf16 --load_size 28 --crop_size 24"),
        (signal.SIGTERM, "--model cycle_gan_seg --accumulate 2"),
    ],
)
def test_stopped_and_resumed_is_unbroken(run, monkeypatch, capfd, number, words):
    words = f"--niter 1 --niter_decay 1 --print_freq 1 {EVERYTHING} {words}"
    run(train.main, f"--name whole {words}")
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stop:
        if "cycle" in words:
            from models.cycle_gan_seg_model import CycleGANSegModel as Model
        else:
            Model = InstaGANModel
        patch.setattr(sys.modules[__name__], "InstaGANModel", Model)
        signal_in_step(patch, number, at=5)  # the second batch of epoch 2
        run(train.main, f"--name parts --resume auto {words}")
    assert stop.value.code == 128 + number
    told = capfd.readouterr()
    name = signal.Signals(number).name
    where = "epoch 2, 4 pictures into it; saved: --continue_train goes on there"
    assert f"stopped by {name} at {where}" in told.out
    assert told.err.count(f"{name}: finishing the step") == 1 and "Traceback" not in told.err
    assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    run(train.main, f"--name parts --resume auto {words}")
    assert "continuing at epoch 2, 4 pictures into it" in capfd.readouterr().out
    assert_same(state("whole"), state("parts"))
    logs = [
        [(r["total"], r["losses"]) for r in read_records(Path(f"checkpoints/{n}/metrics.jsonl"))]
        for n in ("whole", "parts")
    ]
    assert logs[0] == logs[1]


def test_a_second_signal_ends_at_once(monkeypatch):
    """But for one that comes along with the first: torchrun sends one of its own."""
    ended, now = [], [100.0]
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.number == signal.SIGINT and not ended
        now[0] += 5
        os.kill(os.getpid(), signal.SIGTERM)
        assert ended == [143]


def test_a_signal_to_the_whole_group_is_one_line(shapes, tmp_path):
    """As Ctrl-C in a terminal, or a cluster's scheduler: loader processes get it as well."""
    words = [
        "--dataroot",
        shapes,
        *TINY,
        "--num_threads",
        "2",
        "--print_freq",
        "1",
        "--niter",
        "900",
    ]
    child = subprocess.Popen(
        [sys.executable, ROOT / "train.py", *map(str, words)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = tmp_path / "checkpoints/experiment_name/metrics.jsonl"
    end = time.monotonic() + 60
    while len(read_records(log)) < 3 and time.monotonic() < end and child.poll() is None:
        time.sleep(0.1)
    os.killpg(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert err.strip() == "SIGINT: finishing the step and saving; again later: end at once"
    assert "stopped by SIGINT" in out.splitlines()[-1]


def test_one_command_begins_and_goes_on(run, capsys):
    words = "--name r --niter 2 --niter_decay 0 --resume auto"
    run(train.main, words)
    assert "starting anew" in capsys.readouterr().out
    run(train.main, words)
    assert "nothing left to do" in capsys.readouterr().out


def test_nobody_loses_a_run_by_typing_its_command_again(run, capsys):
    words = "--name r --niter 1 --niter_decay 0 --save_epoch_freq 1 --print_freq 1"
    run(train.main, words)
    folder = Path("checkpoints/r")
    before = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    with pytest.raises(SystemExit) as stop:
        run(train.main, words)
    assert stop.value.code == 2
    one_line_error(capsys, "checkpoints/r holds a run", "--continue_train", "--overwrite")
    assert before == {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    run(train.main, f"{words} --dry_run")
    with pytest.raises(SystemExit):
        run(train.main, f"{words} --overwrite --continue_train")
    one_line_error(capsys, "type one of them")
    run(train.main, f"{words} --overwrite --seed 3")
    assert len(read_records(folder / "metrics.jsonl")) == 6
    assert (folder / "loss_log.txt").read_text().count("Training Loss") == 1
    assert len(read_records(folder / "old_metrics.jsonl")) == 6
    assert not (folder / "state_before.pt").exists()
    assert len((folder / "starts.jsonl").read_text().splitlines()) == 1


def test_logs_end_where_the_state_does(run):
    """Lines after it, and one that was torn, are cut; what comes is what would have come."""
    words = "--name r --niter 1 --print_freq 1"
    run(train.main, f"{words} --niter_decay 0")
    folder = Path("checkpoints/r")
    whole = {n: (folder / n).read_text() for n in ("metrics.jsonl", "loss_log.txt")}
    with open(folder / "metrics.jsonl", "a") as log:
        log.write('{"epoch": 2, "iters": 1, "total": 7, "losses": {}}\n{"epoch": 2, "ite')
    with open(folder / "loss_log.txt", "a") as log:
        log.write("(epoch: 2, iters: 1, time: 0.1, data: 0.0) G_A: 1.0\n(epoch: 2, it")
    run(train.main, f"{words} --niter_decay 1 --continue_train")
    records = read_records(folder / "metrics.jsonl")
    assert [r["total"] for r in records] == list(range(1, 13))
    text = (folder / "loss_log.txt").read_text()
    assert text.startswith(whole["loss_log.txt"]) and "G_A: 1.0\n" not in text
    lines = re.findall(r"epoch: (\d+), iters: (\d+)", text)
    assert lines == [(str(e), str(i)) for e in (1, 2) for i in range(1, 7)]


def test_saves_by_the_clock_do_not_mind_the_date(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: -(10.0**9))
    clock = SaveClock(2)
    now[0] += 119
    assert not clock.due()
    now[0] += 1
    assert clock.due()
    clock.reset()
    assert not clock.due()
    assert not SaveClock(None).due()


def test_save_minutes_saves_inside_the_epoch(run, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(SaveClock, "due", lambda self: self.seconds == 30)
        patch.setattr(InstaGANModel, "train_step", interrupt_at(4, InstaGANModel.train_step))
        run(train.main, "--name r --niter 1 --niter_decay 0 --save_minutes 0.5")
    assert state("r")["progress"]["images"] == 3


def interrupt_at(call: int, honest):
    calls = []

    def train_step(self, scenes):
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        honest(self, scenes)

    return train_step
