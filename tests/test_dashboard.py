"""The visdom dashboard against a real server: what arrives, and what its absence costs."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from test_records import record
from test_training_page import look_of

import train
from conftest import one_line_error
from loggers import visdom_board
from loggers.records import Curves, read_records
from loggers.run_card import RunCard
from loggers.visdom_board import Server, VisdomBoard, card_html
from loggers.worker import MissingError, Worker
from models.insta_gan_model import InstaGANModel
from scripts import replay_dashboard
from training.progress import Progress

visdom = pytest.importorskip("visdom", reason="no visdom: bash scripts/install_visdom.sh")
PATIENCE = 60  # seconds: a busy machine starts a server slowly
START = "from visdom.server.run_server import main; main()"  # without fetching its page's scripts


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(condition, what: str = ""):
    """Wait for something that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except (OSError, ValueError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


class VisdomServer:
    """visdom's own server in a process, and what it has been sent."""

    def __init__(self, folder: Path, port: int):
        self.folder, self.port = folder, port
        self.process = None

    def start(self):
        words = ["-port", str(self.port), "-bind_local", "-env_path", str(self.folder)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, *words, "-logging_level", "ERROR"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: socket.create_connection(("127.0.0.1", self.port), 1).close() is None, "up")

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()

    def window(self, name: str, env: str = "run") -> dict:
        client = visdom.Visdom(
            server="http://127.0.0.1", port=self.port, env=env, use_incoming_socket=False,
            raise_exceptions=True,
        )  # fmt: skip
        return json.loads(client.get_window_data(f"1_{name}", env) or "null") or {}

    def curve(self, name: str, panel: str, env: str = "run") -> tuple[list, list]:
        traces = self.window(panel, env).get("content", {}).get("data", [])
        return next(((t["x"], t["y"]) for t in traces if t["name"] == name), ([], []))


@pytest.fixture
def server(tmp_path):
    one = VisdomServer(tmp_path / "visdom", free_port())
    (tmp_path / "visdom").mkdir()
    yield one
    one.kill()


class Run:
    """A run that reports to a dashboard, without a model."""

    def __init__(self, folder: Path, port: int, drain: float = 10.0):
        folder.mkdir(exist_ok=True)
        self.log = folder / "metrics.jsonl"
        card = RunCard("run", folder, 100, 4, curves=Curves.of(InstaGANModel))
        board = VisdomBoard(Server("http://127.0.0.1", port, env="run"), card)
        self.worker = Worker(board, folder, 1, retry=(0.1, 0.5), drain=drain)

    def report(self, *totals: int) -> None:
        for total in totals:
            own = record(total)
            with open(self.log, "a") as log:
                log.write(json.dumps(own) + "\n")
            self.worker.report(Progress(total=total), own)


GENERATORS = "adversarial loss, generators"


def test_a_training_is_seen(run, server, tmp_path):
    """Curves in panels, pictures in one window, what was typed; a continued run goes on with them."""
    server.start()
    words = "--name run --niter_decay 0 --print_freq 2 --display_freq 6 --no_html --display_id 1"
    words += f" --display_server http://127.0.0.1 --display_port {server.port} --niter"
    run(train.main, f"{words} 1")
    assert server.curve("G_A", GENERATORS)[0] == [2, 4, 6]
    run(train.main, f"{words} 2 --continue_train")
    records = read_records(tmp_path / "checkpoints/run/metrics.jsonl")
    for panel, names in (
        (GENERATORS, "G_A G_B"),
        ("adversarial loss, discriminators", "D_A D_B"),
        ("cycle loss", "cyc_A cyc_B"),
    ):
        for name in names.split():
            x, y = server.curve(name, panel)
            assert x == [2, 4, 6, 8, 10, 12] == [one["total"] for one in records]
            assert y == pytest.approx([one["losses"][name] for one in records])
    area = server.curve("A to B", "mask area, translated / real")[1]
    assert area == pytest.approx([one["masks"]["area"]["A"] for one in records])
    pictures = server.window("pictures")
    assert pictures["type"] == "image" and "epoch 2" in pictures["title"]
    assert pictures["content"]["src"].startswith("data:image/jpeg")
    card = server.window("run")["content"]
    assert "2 of 2" in card and "display_port" in card and str(server.port) in card


def test_a_server_that_is_late_killed_and_back_has_everything(server, tmp_path, capsys):
    run = Run(tmp_path / "run", server.port)
    run.report(4, 8)
    until(lambda: run.worker.told, "the note")
    server.start()
    until(lambda: server.curve("G_A", GENERATORS)[0] == [4, 8], "late")
    run.report(12)
    until(lambda: server.curve("G_A", GENERATORS)[0] == [4, 8, 12], "one more")
    server.kill()
    run.report(16, 20)
    run.worker.pictures(Progress(total=20, epoch=2), look_of())
    time.sleep(0.5)
    server.start()
    until(lambda: server.curve("G_A", GENERATORS)[0] == [4, 8, 12, 16, 20], "back")
    until(lambda: server.window("pictures"), "pictures")
    run.report(24)
    run.worker.close()
    assert server.curve("G_A", GENERATORS)[0] == [4, 8, 12, 16, 20, 24]
    assert [one["total"] for one in read_records(run.log)] == [4, 8, 12, 16, 20, 24]
    out = capsys.readouterr().out
    assert out.count("(ConnectionError)") == out.count("has been sent what it missed") == 1


def test_a_server_that_never_answers_loses_nothing_of_the_log(tmp_path, capsys):
    with socket.socket() as hanging:
        hanging.bind(("127.0.0.1", 0))
        hanging.listen()
        run = Run(tmp_path / "run", hanging.getsockname()[1], drain=0.2)
        run.report(*range(1, 301))
        run.worker.close()
    assert len(read_records(run.log)) == 300


def test_what_is_not_finite_is_a_gap(server, tmp_path):
    server.start()
    run = Run(tmp_path / "run", server.port)
    run.report(4, 8)
    run.worker.close()
    assert server.curve("cyc_A", "cycle loss") == ([4, 8], [None, None])


def test_a_finished_run_is_replayed(run, server, tmp_path, capsys):
    run(train.main, "--name run --niter 2 --niter_decay 0 --print_freq 2 --update_html_freq 6")
    with pytest.raises(SystemExit):
        replay_dashboard.main(f"checkpoints/run --display_port {server.port}".split())
    one_line_error(capsys, str(server.port), "visdom.server")
    server.start()
    words = f"checkpoints/run --display_server http://127.0.0.1 --display_port {server.port}"
    replay_dashboard.main(words.split())
    assert server.curve("G_A", GENERATORS)[0] == [2, 4, 6, 8, 10, 12]
    assert "6 reports in environment run" in capsys.readouterr().out
    assert server.window("pictures")["title"] == "epoch 2, picture 12"
    for wrong in (
        "--display_port 99999",
        "--display_id -3",
        "--display_ncols 0",
        "--display_server ftp://x",
    ):
        with pytest.raises(SystemExit) as stop:
            replay_dashboard.main(f"checkpoints/run {wrong}".split())
        assert stop.value.code == 2
        one_line_error(capsys, wrong.split()[1])
    (Path("checkpoints/run") / "options.json").write_text('{"name": ')
    with pytest.raises(SystemExit):
        replay_dashboard.main(words.split())
    one_line_error(capsys, "options.json", "not whole")
    with pytest.raises(SystemExit):
        replay_dashboard.main(["nowhere"])
    one_line_error(capsys, "nowhere")


def test_the_card_escapes_and_alarms(tmp_path):
    card = RunCard(
        "<b>",
        tmp_path,
        100,
        4,
        {"name": "<i>"},
        "python train.py '<script>'",
        Curves.of(InstaGANModel),
    )
    collapsed = [
        record(total, masks={"empty": {"A": 1.0}, "full": {"A": 0.0}}) for total in (4, 8, 12)
    ]
    text = card_html(card, collapsed)
    assert "all empty since picture 4" in text and "#b00020" in text
    assert "<script>" not in text and "<i>" not in text and "&lt;script&gt;" in text
    assert "#b00020" not in card_html(card, collapsed[:2])


def test_the_server_shows_its_page(server):
    """Which it does not with every release of tornado: see requirements-visdom.txt."""
    server.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/env/run", timeout=30) as answer:
        assert answer.status == 200 and b"visdom" in answer.read()


def test_a_server_of_our_own_is_for_this_machine_alone(monkeypatch):
    monkeypatch.setattr(visdom_board, "SERVER", ["-c", START])
    port = free_port()
    child = visdom_board.start_server(port)
    try:
        listening = [
            line.split()[1]
            for line in Path("/proc/net/tcp").read_text().splitlines()
            if line.split()[3] == "0A"
        ]
        assert [own for own in listening if own.endswith(f":{port:04X}")] == [
            f"0100007F:{port:04X}"
        ]
    finally:
        child.kill()
        child.wait()


def test_a_port_of_another_program_is_left_alone(monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(MissingError, match="another program than visdom answers"):
            visdom_board.start_server(other.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://localhost", True),
        ("127.0.0.1", True),
        ("http://[::1]", True),
        ("http://far.org", False),
    ],
)
def test_a_server_is_started_on_this_machine_alone(address, local):
    assert Server(address).local == local
