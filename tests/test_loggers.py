"""Logs, and the thread between a run and its boards; nothing of it can stop or slow a run."""

import json
import threading
import time

import numpy as np
import torch
from PIL import Image

from loggers.records import make_record
from loggers.run_card import RunCard
from loggers.training_page import TrainingPage
from loggers.worker import Board, MissingError, Worker
from training.progress import Progress
from util.errors import did_you_mean
from util.images import save_png, to_pixels

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


def until_told(worker: Worker) -> None:
    """Wait until the failure of its board has been noted."""
    deadline = time.monotonic() + 30
    while not worker.told and time.monotonic() < deadline:
        time.sleep(0.01)


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
    until_told(run.worker)
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
    until_told(run.worker)
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
    until_told(run.worker)
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


def test_records_that_were_dropped_are_shown_from_the_log(tmp_path, monkeypatch):
    """A board so slow that more wait than are kept."""
    monkeypatch.setattr("loggers.worker.RECORDS", 5)
    board = Remembering()
    board.gate.clear()
    run = Run(tmp_path, board)
    for total in range(1, 21):
        run.report(total)
    board.gate.set()
    run.worker.close()
    assert board.seen[-2] == ["open", *range(1, 21)] and board.seen[-1] == "close"


def test_a_board_of_files_names_the_file(tmp_path, capsys):
    """A file stands where the page's folder should."""
    (tmp_path / "web").touch()
    worker = Worker(TrainingPage(RunCard("r", tmp_path, 4, 1)), tmp_path, 1, retry=(0.01, 0.05))
    until_told(worker)
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
