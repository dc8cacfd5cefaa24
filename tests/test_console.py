"""The terminal and the log files, all loggers as one, and a run at a glance."""

import json
import shutil

from conftest import random_scene
from loggers.base import Logger, Loggers
from loggers.console import Console
from loggers.records import make_record
from loggers.run_card import RunCard, duration
from training.progress import Progress
from util.errors import UserError

LOSSES = {"D_A": 0.25, "G_A": 0.31}
FACTS = {"time": 0.1, "data": 0.0, "images_per_s": 9.9, "lr": {"G": 2e-4}}


def record_at(total: int, **more) -> dict:
    return make_record(Progress(epoch=1, images=total, total=total), LOSSES, FACTS | more)


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
