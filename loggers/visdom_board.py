"""The visdom dashboard of a run: curves in panels, pictures with instances, and what was typed."""

import html
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlparse

import numpy as np

from loggers.drawing import draw_grid, role_names
from loggers.records import POINTS, Record, alarms, panels, thinned
from loggers.run_card import RunCard, as_typed
from loggers.worker import Board, MissingError
from training.progress import Progress
from util.stamp import now

if TYPE_CHECKING:  # for the names of types alone
    from data.scene import Scene

TIMEOUT = 5.0  # seconds that a server has to answer
START = 60.0  # seconds that a server of our own has to start; the first one downloads its page
PANEL = {"width": 390, "height": 270}
CARD = {"width": 390, "height": 550}
SERVER = ["-m", "visdom.server"]
PICTURES = "pictures"  # their window
LOCAL = ("localhost", "127.0.0.1", "::1")
CARD_STYLE = "font:13px/1.5 system-ui,sans-serif;padding:4px 10px"
ALARM_STYLE = "background:#b00020;color:#fff;font-weight:bold;padding:6px 10px;margin:0 0 8px"


@dataclass(frozen=True)
class Server:
    """Where it is, the run's environment there, and how its windows are laid out.

    window is the number that the windows' names begin with, ncols the tiles in a row of pictures;
    0 gives every role a window of its own. start: start one on this machine if none answers.
    """

    address: str = "http://localhost"
    port: int = 8097
    env: str = "main"
    window: int = 1
    ncols: int = 6
    start: bool = False

    @property
    def url(self) -> str:
        return f"{self.address}:{self.port}"

    @property
    def local(self) -> bool:
        address = self.address if "//" in self.address else f"//{self.address}"
        return urlparse(address).hostname in LOCAL


class VisdomBoard(Board):
    """One environment per run; every window keeps its place and is updated in it."""

    def __init__(self, server: Server, card: RunCard):
        self.server = server
        self.card = card
        self.name = f"visdom at {server.url}"
        self.advice = "start one with `python -m visdom.server` or --display_start"
        self.client = self.child = None
        self.points = 0  # of the longest curve there

    def open(self, records: Sequence[Record]) -> None:
        self.client = self.connect()
        self.draw_card(records)
        self.keep_place()
        self.draw_curves(records)

    def keep_place(self) -> None:
        """Windows stand in the order in which they came, and pictures are looked at first."""
        name = self.window(PICTURES)
        if self.server.ncols and not self.client.win_exists(name):
            nothing = np.full((3, 24, PANEL["width"]), 235, np.uint8)
            opts = {"title": "no pictures yet", "width": PANEL["width"], "height": 60}
            self.client.image(nothing, win=name, opts=opts)

    def connect(self):
        try:
            import visdom
        except ImportError:
            raise MissingError(
                "no live dashboard, visdom is not installed (bash scripts/install_visdom.sh; "
                "--logger none is silent)"
            ) from None
        for name in ("visdom", "websocket"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

        class Client(visdom.Visdom):
            """visdom's own waits for an answer for ever."""

            def _handle_post(self, url, data=None):
                answer = self.session.post(url, data=data or {}, timeout=TIMEOUT)
                answer.raise_for_status()
                return answer.text

        options = {"server": self.server.address, "port": self.server.port, "env": self.server.env}
        options |= {"raise_exceptions": True, "use_incoming_socket": False}
        try:
            return Client(**options)
        except ConnectionError:
            if not (self.server.start and self.server.local):
                raise
        if self.child is None:
            self.child = start_server(self.server.port)
        return Client(**options)

    def window(self, title: str) -> str:
        return f"{self.server.window}_{title}"

    # ---- what is shown

    def record(self, records: Sequence[Record]) -> None:
        self.draw_card(records)
        if self.points > 2 * POINTS:
            self.draw_curves(records)
            return
        self.points += 1
        total = records[-1]["total"]
        for title, values in panels(records[-1]).items():
            self.draw_panel(title, [total], [list(values.values())], list(values), "append")

    def draw_curves(self, records: Sequence[Record]) -> None:
        """All curves anew, of no more points than a browser likes."""
        some = thinned(records)
        self.points = len(some)
        curves: dict[str, list] = {}
        for record in some:
            for title, values in panels(record).items():
                curves.setdefault(title, []).append((record["total"], values))
        for title, points in curves.items():
            names = list(points[-1][1])
            rows = [[values.get(name) for name in names] for _, values in points]
            self.draw_panel(title, [total for total, _ in points], rows, names)

    def draw_panel(self, title: str, totals: list, rows: list, names: list, update=None) -> None:
        """One window; rows are the values at each total, in the order of names."""
        y = np.array(rows, dtype=float)
        opts = {"title": title, "legend": names, "xlabel": "pictures", **PANEL}
        opts["margintop"], opts["marginleft"] = 40, 50
        if title.startswith(("instances", "share")):
            opts["ytickmin"], opts["ytickmax"] = 0, 1.05
        x = np.repeat(np.array(totals, dtype=float)[:, None], len(names), 1)
        self.client.line(Y=y, X=x, win=self.window(title), opts=opts, update=update)

    def draw_card(self, records: Sequence[Record]) -> None:
        opts = {"title": self.card.name, **CARD}
        self.client.text(card_html(self.card, records), win=self.window("run"), opts=opts)

    def pictures(self, progress: Progress, scenes: "Mapping[str, Scene]") -> None:
        names = role_names(scenes)
        groups = {PICTURES: scenes} if self.server.ncols else {n: {n: scenes[n]} for n in names}
        for title, some in groups.items():
            grid = draw_grid(some, self.server.ncols or 1)
            told = ", ".join(role_names(some)[: self.server.ncols or 1])
            where = f"epoch {progress.epoch}, picture {progress.total:,}"
            self.show_grid(title, grid, f"{where}: {told}")

    def show_grid(self, window: str, grid: np.ndarray, title: str) -> None:
        """A picture, uint8 [H, W, 3], in a window of its size."""
        size = {"width": grid.shape[1] + 20, "height": grid.shape[0] + 40}
        opts = {"title": title, "jpgquality": 90, **size}
        self.client.image(grid.transpose(2, 0, 1), win=self.window(window), opts=opts)

    def close(self) -> None:
        self.client = None


def card_html(card: RunCard, records: Sequence[Record]) -> str:
    """The run at a glance; a collapse of masks stands on top, in red."""
    lines = [f'<div style="{ALARM_STYLE}">{html.escape(text)}</div>' for text in alarms(records)]
    facts = {**card.position(records), "last report": now(), "folder": str(card.folder)}
    lines += [f"<b>{html.escape(name)}</b> {html.escape(text)}<br>" for name, text in facts.items()]
    lines.append(f"<pre style='white-space:pre-wrap'>{html.escape(card.command)}</pre>")
    changed = {html.escape(n): html.escape(as_typed(value)) for n, value in card.changed.items()}
    rows = "".join(
        f"<tr><td>{name}</td><td style='padding-left:12px'>{value}</td></tr>"
        for name, value in changed.items()
    )
    return f'<div style="{CARD_STYLE}">{"".join(lines)}<table>{rows}</table></div>'


def start_server(port: int) -> subprocess.Popen:
    """A visdom server that this machine alone can reach; it stays when the run has ended."""
    if answers(port):
        raise MissingError(
            f"no live dashboard: another program than visdom answers at port {port} "
            "(--display_port)"
        )
    words = [*SERVER, "-port", str(port), "-bind_local", "-logging_level", "ERROR"]
    quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    child = subprocess.Popen([sys.executable, *words], start_new_session=True, **quiet)
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and child.poll() is None:
        if answers(port):
            return child
        time.sleep(0.2)
    child.kill()
    raise ConnectionError(f"no visdom server could be started on port {port}")


def answers(port: int) -> bool:
    """Whether anything accepts connections at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
