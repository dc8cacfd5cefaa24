"""Files that vanish come back, loader processes die, and both are told in one line."""

import multiprocessing
import os
import shutil
import signal
import threading
import time
from functools import partial

import pytest
from test_checkpoints import assert_same, state

import data.loader
import train
from conftest import one_line_error, train_options
from data import create_dataset
from data.base_dataset import Draw
from data.loader import Guarded, Reading, SceneLoader
from data.pictures import read_image
from models.insta_gan_model import InstaGANModel
from util.errors import UserError


@pytest.fixture
def own(shapes, tmp_path):
    """A copy of the dataset that may be harmed."""
    return shutil.copytree(shapes, tmp_path / "own")


def loader(root, words: str = "") -> SceneLoader:
    opt = train_options(f"--dataroot {root} {words}")
    return SceneLoader(create_dataset(opt), opt)


@pytest.mark.parametrize("words", ["", "--num_threads 1"])
def test_a_file_that_is_gone_for_a_while_is_waited_for(own, words, capfd):
    batches = loader(own, words)
    away = own.with_name("away")
    (own / "trainA").rename(away)
    threading.Timer(1.2, lambda: away.rename(own / "trainA")).start()
    assert len(list(batches.epoch(1))) == 6
    assert "waiting for it" in capfd.readouterr().err


def test_a_file_that_does_not_come_back_is_one_line(own, run, capsys, monkeypatch):
    monkeypatch.setattr(data.loader, "PAUSES", (0.1, 0.1))
    create = train.create_dataset

    def create_and_lose(opt):
        made = create(opt)
        made.sources  # noqa: B018, lists the files
        made[Draw(1, 0, 0)]
        for file in (own / "trainB").iterdir():
            file.unlink()
        return made

    monkeypatch.setattr(train, "create_dataset", create_and_lose)
    monkeypatch.setattr(SceneLoader, "first", lambda self: None)
    with pytest.raises(SystemExit) as stop:
        run(train.main, "--name r --data_patience 0.3", own)
    assert stop.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert "waiting for it" in lines[0] and "trainB" in lines[-1]
    assert lines[-1].startswith("error: ")


def test_a_broken_file_is_not_waited_for(own):
    picture = next((own / "trainA").iterdir())
    dataset = create_dataset(train_options(f"--dataroot {own}"))
    dataset.sources  # noqa: B018, lists the files
    picture.write_bytes(b"not a picture")
    start = time.monotonic()
    guarded = Guarded(dataset, 60.0, Reading(0))
    found = [guarded[Draw(1, i, i)] for i in range(6)]
    assert time.monotonic() - start < 10
    assert sum(isinstance(one, UserError) and picture.name in str(one) for one in found) == 1


def test_the_death_of_a_loader_process_names_what_it_read(own):
    batches = loader(own, "--num_threads 1 --serial_batches")
    taken = batches.epoch(1)
    next(taken)
    worker = batches.loader._iterator._workers[0]
    read = batches.reading.of_processes(f"pid {worker.pid}")
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(UserError, match="a loader process was killed while it read") as error:
        list(taken)
    assert len(read) == 1
    assert all(place in str(error.value) for place in batches.dataset.sources_of(read[0]))


def in_step(monkeypatch, number: int, call) -> None:
    """Let something happen in the middle of a step."""
    honest, steps = InstaGANModel.train_step, []

    def train_step(self, scenes):
        steps.append(1)
        if len(steps) == number:
            call()
        honest(self, scenes)

    monkeypatch.setattr(InstaGANModel, "train_step", train_step)


def kill_loader(others: list) -> None:
    """`others`: children that earlier tests left."""
    (worker,) = [child for child in multiprocessing.active_children() if child not in others]
    os.kill(worker.pid, signal.SIGKILL)
    time.sleep(0.5)  # the rest of the step, in which the kernel tells it


@pytest.mark.parametrize("what", ["a picture is lost", "a loader process is killed", "a signal"])
def test_what_cannot_be_read_costs_nothing_that_was_learnt(own, run, monkeypatch, capfd, what):
    """The step is finished and saved, and the run that goes on ends as if nothing had been."""
    away = own.with_name("away")
    words = "--niter 2 --niter_decay 0 --pool_size 2 --dropout --data_patience 0.2"
    run(train.main, f"--name whole {words}", own)
    happens = {
        "a picture is lost": lambda: (own / "trainB").rename(away),
        "a loader process is killed": partial(kill_loader, multiprocessing.active_children()),
        "a signal": lambda: (
            (own / "trainB").rename(away),
            threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGTERM)).start(),
        ),
    }
    if "process" in what:
        words += " --num_threads 1"
    if "signal" in what:
        words = words.replace("0.2", "60")
    start = time.monotonic()
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stop:
        in_step(patch, 2, happens[what])
        run(train.main, f"--name parts {words}", own)
    assert time.monotonic() - start < 40
    told = capfd.readouterr()
    if "signal" in what:
        assert stop.value.code == 143 and "stopped by SIGTERM at epoch 1" in told.out
    else:
        assert stop.value.code == 2 and "Traceback" not in told.err
        assert told.err.strip().splitlines()[-1].endswith("--continue_train goes on")
    if away.exists():
        away.rename(own / "trainB")
    run(train.main, f"--name parts {words} --continue_train", own)
    assert_same(*(numbers(state(name)) for name in ("whole", "parts")))


def numbers(saved: dict) -> dict:
    return {name: value for name, value in saved.items() if name != "options"}


def test_a_decompression_bomb_is_not_decoded(own, run, capsys):
    """A PNG of 20,000 x 20,000 pixels in some bytes."""
    bomb = sorted((own / "trainA").iterdir())[0]
    bomb.write_bytes(png_header(20_000, 20_000))
    with pytest.raises(UserError, match="million pixels"):
        read_image(bomb, 3)
    with pytest.raises(SystemExit) as stop:
        run(train.main, "--name r", own)
    assert stop.value.code == 2
    one_line_error(capsys, bomb.name, "million pixels", "make it smaller")


def png_header(width: int, height: int) -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
