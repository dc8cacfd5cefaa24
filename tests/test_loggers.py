"""Logs, pages and the dashboard; nothing of it can stop or slow a run."""

import http.server
import json
import shutil
import socket
import sys
import threading
import time
import types

import numpy as np
import pytest
import torch
from PIL import Image

from util.errors import did_you_mean
from util.html import Page, rows_of
from util.images import save_png, to_pixels
from util.loggers import Console, Loggers, TrainingPage, VisdomLogger
from util.loggers.console import duration
from util.progress import Progress

LOSSES = {"D_A": 0.25, "G_A": 0.31}
FACTS = {"time": 0.1, "data": 0.0, "images_per_s": 9.9, "lr": {"G": 2e-4}}
VISUALS = {"real_A_img": torch.zeros(1, 3, 8, 8), "real_A_seg": -torch.ones(1, 1, 8, 8)}


def visdom_logger(port: int) -> VisdomLogger:
    return VisdomLogger(
        server="http://127.0.0.1", port=port, env="main", display_id=1, ncols=2, name="r", freq=1
    )


class FakeVisdom(types.ModuleType):
    """Stands in for the visdom package and remembers what it is sent."""

    def __init__(self, fail: bool = False):
        super().__init__("visdom")
        self.calls: list[tuple] = []
        self.fail = fail

    def Visdom(self, **_):  # noqa: N802
        return self

    def line(self, **keywords):
        if self.fail:
            raise ConnectionError("the server has gone")
        self.calls.append(("line", keywords["X"][-1], keywords["Y"][-1]))

    def images(self, pictures, **keywords):
        self.calls.append(("images", pictures.shape, keywords["nrow"]))


@pytest.fixture
def answering():
    """The port of a server that answers every request."""
    handler = type(
        "Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None}
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def hanging():
    """The port of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_no_visdom_server_is_one_note(capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    logger = visdom_logger(port)
    logger.thread.join(5)
    for _ in range(20):
        logger.losses(Progress(), LOSSES, FACTS)
        logger.pictures(Progress(), VISUALS)
    logger.close()
    captured = capsys.readouterr()
    assert (
        captured.out.count("note: no visdom") == 1
        and "Traceback" not in captured.out + captured.err
    )


def test_a_hanging_server_costs_no_time(hanging):
    start = time.perf_counter()
    logger = visdom_logger(hanging)
    for _ in range(50):
        logger.losses(Progress(), LOSSES, FACTS)
    assert time.perf_counter() - start < 0.5
    logger.close()
    assert time.perf_counter() - start < 3


def test_losses_and_pictures_arrive(answering, monkeypatch):
    fake = FakeVisdom()
    monkeypatch.setitem(sys.modules, "visdom", fake)
    logger = visdom_logger(answering)
    logger.losses(Progress(total=7), LOSSES, FACTS)
    logger.pictures(Progress(total=8), VISUALS)
    logger.close()
    assert fake.calls == [("line", 7, [0.25, 0.31]), ("images", (2, 3, 8, 8), 2)]


def test_the_real_client_reaches_a_server():
    """visdom's own client against a server that keeps what is posted."""
    pytest.importorskip("visdom")
    posted = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            posted.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"window")

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    logger = visdom_logger(server.server_port)
    logger.losses(Progress(total=7), LOSSES, FACTS)
    logger.pictures(Progress(total=8), VISUALS)
    deadline = time.perf_counter() + 30  # importing the client takes some seconds
    while len(posted) < 4 and time.perf_counter() < deadline:
        time.sleep(0.05)
    logger.close()
    server.shutdown()
    server.server_close()
    sent = b" ".join(posted)
    assert b"r loss" in sent and b"data:image" in sent and b"G_A" in sent


def test_a_server_that_dies_is_one_note(answering, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "visdom", FakeVisdom(fail=True))
    logger = visdom_logger(answering)
    logger.losses(Progress(), LOSSES, FACTS)
    logger.thread.join(5)
    logger.losses(Progress(), LOSSES, FACTS)
    logger.close()
    captured = capsys.readouterr()
    assert captured.out.count("ConnectionError") == 1 and captured.err == ""


def test_console_writes_official_lines_and_json(tmp_path, capsys):
    progress = Progress()
    with Loggers([Console(tmp_path, progress, epoch_images=100, epochs=2)]) as loggers:
        for _ in range(12):
            progress.advance(2)
            loggers.step(progress)
        loggers.losses(progress, LOSSES | {"cyc_A": float("nan")}, FACTS)
    log = (tmp_path / "loss_log.txt").read_text().splitlines()
    assert (
        log[1] == "(epoch: 1, iters: 24, time: 0.100, data: 0.000) D_A: 0.250 G_A: 0.310 cyc_A: nan"
    )
    record = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert record["losses"] == {"D_A": 0.25, "G_A": 0.31, "cyc_A": None} and record["total"] == 24
    out = capsys.readouterr().out
    assert "left" in out and "12%" in out  # an estimate once, and how far the run is


def test_training_page_keeps_the_epochs_of_an_earlier_run(tmp_path):
    for epoch in (1, 2):
        page = TrainingPage(tmp_path, "run", picture_freq=1, picture_width=64)
        page.pictures(Progress(epoch=epoch), VISUALS)
    text = (tmp_path / "web/index.html").read_text()
    assert text.index("epoch 2") < text.index("epoch 1")
    assert {p.name for p in (tmp_path / "web/images").iterdir()} == {
        f"epoch00{e}_{name}.png" for e in (1, 2) for name in VISUALS
    }


def test_loggers_ask_for_pictures_only_when_one_wants_them(tmp_path):
    asked = []

    def visuals():
        asked.append(1)
        return VISUALS

    loggers = Loggers([TrainingPage(tmp_path, "run", picture_freq=4, picture_width=64)])
    progress = Progress()
    for _ in range(5):
        progress.advance(2)
        loggers.pictures(progress, visuals)
    assert len(asked) == 2
    loggers.pictures(progress, visuals, last=True)
    assert len(asked) == 3


def test_a_page_that_cannot_be_written_is_told_once(tmp_path, capsys):
    loggers = Loggers([TrainingPage(tmp_path, "run", picture_freq=1, picture_width=64)])
    shutil.rmtree(tmp_path / "web")
    for _ in range(3):
        loggers.pictures(Progress(total=1, step=1), lambda: VISUALS)
    assert capsys.readouterr().out.count("note: TrainingPage cannot write") == 1


def test_pixels(tmp_path):
    ramp = torch.tensor([-1.0, 0.0, 1.0, 2.0]).view(1, 2, 2)
    assert to_pixels(ramp).tolist() == [[0, 128], [255, 255]]
    assert to_pixels(ramp.expand(3, 2, 2)).shape == (2, 2, 3)
    for ratio, size in ((1.0, (4, 6)), (2.0, (8, 6)), (0.5, (4, 12))):
        save_png(np.zeros((6, 4, 3), np.uint8), tmp_path / "x.png", ratio)
        assert Image.open(tmp_path / "x.png").size == size


def test_rows_start_with_a_real_picture():
    names = ["real_A_img", "fake_B_img", "real_A_seg", "fake_B_seg", "real_B_img"]
    rows = rows_of(names, {name: name for name in names})
    assert [list(row) for row in rows] == [names[:4], names[4:]]


def test_page_is_whole_and_escapes_names(tmp_path):
    page = Page("a <b> title", ["about"], picture_width=64, refresh=300)
    page.add_table(["direction", "score"], [["AtoB", "0.5"]])
    page.add_section("row <1>", [{"real_A_img": "images/x.png"}])
    page.write(tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text()
    assert "a &lt;b&gt; title" in text and "row &lt;1&gt;" in text and "<th>AtoB</th>" in text
    assert 'http-equiv="refresh"' in text and 'alt="row &lt;1&gt;: real_A_img"' in text


def test_words_for_people():
    assert [duration(s) for s in (45, 600, 7200)] == ["45 s", "10 min", "2.0 h"]
    assert did_you_mean("insta", ["cycle_gan", "insta_gan"]).startswith("did you mean insta_gan?")
    assert did_you_mean("xyz", ["a"]) == "Known: a"
