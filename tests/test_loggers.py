"""Logs, and the thread between a run and its boards; nothing of it can stop or slow a run."""

import json
import shutil
import threading
import time

import numpy as np
import torch
from PIL import Image

from conftest import random_scene
from util.errors import UserError, did_you_mean
from util.images import save_png, to_pixels
from util.loggers.base import Logger, Loggers
from util.loggers.console import Console
from util.loggers.records import make_record
from util.loggers.run_card import RunCard, duration
from util.loggers.training_page import TrainingPage
from util.loggers.worker import Board, MissingError, Worker
from util.progress import Progress

LOSSES = {"D_A": 0.25, "G_A": 0.31}
FACTS = {"time": 0.1, "data": 0.0, "images_per_s": 9.9, "lr": {"G": 2e-4}}


def record_at(total: int, **more) -> dict:
    return make_record(Progress(epoch=1, images=total, total=total), LOSSES, FACTS | more)


class Remembering(Board):
    """A board that remembers what it is shown, and fails or hangs when told to."""

    name, advice = "the board", "do this"

    def __init__(self):
        self.seen: list = []
        self.fail = False
        self.gate = threading.Event()
        self.gate.set()
        self.changed = threading.Condition()

    def note(self, what) -> None:
        self.gate.wait(30)
        if self.fail:
            raise ConnectionError("gone")
        with self.changed:
            self.seen.append(what)
            self.changed.notify_all()

    def open(self, records):
        self.note(["open", *(record["total"] for record in records)])

    def record(self, records):
        self.note(records[-1]["total"])

    def pictures(self, progress, scenes):
        self.note(f"pictures {progress.total}")

    def close(self):
        self.note("close")

    def wait_for(self, what) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: what in self.seen, 30), self.seen


class Run:
    """A run with one board: reports go into the log first, as in a training."""

    def __init__(self, folder, board, **options):
        self.folder, self.board = folder, board
        self.worker = Worker(board, folder, 1, retry=(0.01, 0.05), **options)

    def report(self, total: int, **more) -> None:
        with open(self.folder / "metrics.jsonl", "a") as log:
            log.write(json.dumps(record_at(total, **more)) + "\n")
        self.worker.report(Progress(total=total), record_at(total, **more))

    def pictures(self, total: int) -> None:
        self.worker.pictures(Progress(total=total), {})


def test_everything_arrives_in_order(tmp_path):
    run = Run(tmp_path, board := Remembering())
    board.wait_for(["open"])
    run.report(4)
    run.pictures(4)
    run.report(8)
    run.worker.close()
    assert [x for x in board.seen if isinstance(x, int)] == [4, 8]
    assert "pictures 4" in board.seen and board.seen[-1] == "close"


def test_a_run_that_is_continued_shows_what_was_before(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps(record_at(4)) + "\n")
    run = Run(tmp_path, board := Remembering())
    run.report(8)
    run.worker.close()
    shown = [total for own in board.seen if isinstance(own, list) for total in own[1:]]
    assert shown[0] == 4 and sorted({*shown, *(x for x in board.seen if isinstance(x, int))}) == [
        4,
        8,
    ]


def test_a_board_that_comes_back_gets_all_it_missed_and_one_note_is_printed(tmp_path, capsys):
    run = Run(tmp_path, board := Remembering())
    board.wait_for(["open"])
    board.fail = True
    for total in (4, 8, 12):
        run.report(total)
    deadline = time.monotonic() + 30
    while not run.worker.told and time.monotonic() < deadline:
        time.sleep(0.01)
    board.fail = False
    board.wait_for(["open", 4, 8, 12])
    run.report(16)
    run.worker.close()
    assert board.seen[-2:] == [16, "close"]
    said = capsys.readouterr().out
    assert (
        said.count("note: the board does not answer (ConnectionError)") == 1 and "do this" in said
    )


def test_a_board_that_comes_back_at_the_end_gets_all_it_missed(tmp_path):
    """Though its next attempt were far away."""
    run = Run(tmp_path, board := Remembering())
    run.worker.retry = (1000.0, 1000.0)
    board.wait_for(["open"])
    board.fail = True
    run.report(4)
    deadline = time.monotonic() + 30
    while not run.worker.told and time.monotonic() < deadline:
        time.sleep(0.01)
    run.report(8)
    run.pictures(8)
    board.fail = False
    run.worker.close()
    assert ["open", 4, 8] in board.seen and board.seen[-2:] == ["pictures 8", "close"]


def test_pictures_that_could_not_be_shown_are_shown_later(tmp_path):
    run = Run(tmp_path, board := Remembering())
    board.wait_for(["open"])
    board.fail = True
    run.pictures(4)
    deadline = time.monotonic() + 30
    while not run.worker.told and time.monotonic() < deadline:
        time.sleep(0.01)
    board.fail = False
    board.wait_for("pictures 4")
    run.worker.close()


def test_a_run_that_goes_back_is_drawn_anew(tmp_path):
    run = Run(tmp_path, board := Remembering())
    board.wait_for(["open"])
    for total in (4, 8, 12):
        run.report(total)
    board.wait_for(12)
    run.report(8, time=0.5)
    run.report(12, time=0.6)
    run.worker.close()
    assert ["open", 4, 8] in board.seen and board.seen[-2:] == [12, "close"]


def test_a_board_of_files_names_the_file(tmp_path, capsys):
    """A file stands where the page's folder should."""
    (tmp_path / "web").touch()
    worker = Worker(TrainingPage(RunCard("r", tmp_path, 4, 1)), tmp_path, 1, retry=(0.01, 0.05))
    deadline = time.monotonic() + 30
    while not worker.told and time.monotonic() < deadline:
        time.sleep(0.01)
    worker.close()
    said = capsys.readouterr().out
    assert said.count("the training page cannot be written") == 1 and f"{tmp_path}/web" in said


def test_a_board_that_hangs_costs_the_run_nothing_and_old_pictures_are_dropped(tmp_path):
    board = Remembering()
    board.gate.clear()
    run = Run(tmp_path, board, drain=0.05)
    for total in range(1, 3000):
        run.worker.report(Progress(total=total), record_at(total))
        run.pictures(total)
    assert len(run.worker.records) == 1000 and len(run.worker.waiting) == 2
    run.worker.close()
    assert run.worker.thread.is_alive()  # it is left to itself
    board.gate.set()
    run.worker.thread.join(30)
    assert "pictures 2999" in board.seen and "pictures 1" not in board.seen


def test_a_board_that_is_not_installed_is_one_note(tmp_path, capsys):
    board = Remembering()
    board.open = lambda records: (_ for _ in ()).throw(MissingError("no board (pip install it)"))
    run = Run(tmp_path, board)
    run.worker.thread.join(30)
    run.report(4)
    assert run.worker.picture_freq == 0 and not run.worker.records
    run.worker.close()
    assert capsys.readouterr().out == "note: no board (pip install it); logs go on\n"


def test_the_end_of_a_short_run_is_still_shown(tmp_path):
    """However soon the run ends after the thread was started."""
    for _ in range(20):
        run = Run(tmp_path, board := Remembering())
        run.pictures(4)
        run.worker.close()
        assert "pictures 4" in board.seen and board.seen[-1] == "close"


# ---- the console


def test_console_writes_official_lines_and_json(tmp_path, capsys):
    progress = Progress()
    console = Console(tmp_path, progress, epoch_images=100, epochs=2)
    with Loggers([console], dict) as loggers:
        for _ in range(12):
            progress.advance(2)
            loggers.step(progress)
        loggers.report(progress, make_record(progress, LOSSES | {"cyc_A": float("nan")}, FACTS))
    log = (tmp_path / "loss_log.txt").read_text().splitlines()
    assert (
        log[1] == "(epoch: 1, iters: 24, time: 0.100, data: 0.000) D_A: 0.250 G_A: 0.310 cyc_A: nan"
    )
    record = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert record["losses"] == {"D_A": 0.25, "G_A": 0.31, "cyc_A": None} and record["total"] == 24
    out = capsys.readouterr().out
    assert "left" in out and "12%" in out  # an estimate once, and how far the run is


class Wanting(Logger):
    picture_freq = 4

    def __init__(self):
        self.got = []

    def pictures(self, progress, scenes):
        self.got.append(scenes)


def test_scenes_are_made_only_when_a_logger_wants_them():
    made = []
    loggers = Loggers(
        [logger := Wanting()], lambda: made.append(1) or {"real_A": random_scene([1])}
    )
    progress = Progress()
    for _ in range(5):
        progress.advance(2)
        loggers.pictures(progress)
    assert len(made) == len(logger.got) == 2
    loggers.pictures(progress, last=True)
    assert len(made) == 3


def test_a_log_that_cannot_be_written_is_told_once(tmp_path, capsys):
    (folder := tmp_path / "run").mkdir()
    loggers = Loggers([Console(folder, Progress(), 100, 2)], dict)
    shutil.rmtree(folder)
    for _ in range(3):
        loggers.report(Progress(total=1, step=1), record_at(1))
    assert capsys.readouterr().out.count("note: logs: ") == 1


def test_pictures_that_cannot_be_read_are_told_once_and_do_not_end_a_run(capsys):
    class Wanting(Logger):
        picture_freq = 1

        def pictures(self, progress, scenes):
            raise AssertionError("there are none")

    def read():
        raise UserError("val/a.png cannot be read")

    loggers = Loggers([Wanting()], read)
    for total in (1, 2):
        loggers.pictures(Progress(total=total, step=1))
    told = "note: pictures to show: val/a.png cannot be read; the run goes on"
    assert capsys.readouterr().out.count(told) == 1


def test_a_card_says_how_far_a_run_is(tmp_path):
    card = RunCard("r", tmp_path, epoch_images=100, epochs=4)
    assert card.position([]) == {"epoch": "1 of 4"}
    record = make_record(
        Progress(epoch=3, images=50, total=250), LOSSES, FACTS | {"images_per_s": 1.0}
    )
    assert card.position([record]) == {
        "epoch": "3 of 4",
        "pictures": "250 of 400 per domain",
        "time left": "2 min",
    }
    assert [duration(s) for s in (45, 600, 7200)] == ["45 s", "10 min", "2.0 h"]


# ---- pictures and pages


def test_pixels(tmp_path):
    ramp = torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(1, 2, 2)
    assert to_pixels(ramp).tolist() == [[0, 128], [255, 255]]
    assert to_pixels(ramp.expand(3, 2, 2)).shape == (2, 2, 3)
    for ratio, size in ((1.0, (4, 6)), (2.0, (8, 6)), (0.5, (4, 12))):
        save_png(np.zeros((6, 4, 3), np.uint8), tmp_path / "x.png", ratio)
        assert Image.open(tmp_path / "x.png").size == size


def test_words_for_people():
    assert did_you_mean("insta", ["cycle_gan", "insta_gan"]).startswith("did you mean insta_gan?")
    assert did_you_mean("xyz", ["a"]) == "Known: a"
