"""The visdom dashboard: never in the way of a step, silent when there is no server."""

import contextlib
import logging
import queue
import threading
import urllib.request

import numpy as np
from tqdm import tqdm

from util.images import to_pixels
from util.loggers.base import Logger

PATIENCE = 1.0  # seconds that a server has to answer, and that closing waits for what is queued


class VisdomLogger(Logger):
    """Sends losses and pictures from a thread of its own; drops what a slow server cannot take.

    The server is asked with a plain HTTP request first: visdom's own client can wait for ever.
    """

    def __init__(
        self, *, server: str, port: int, env: str, display_id: int, ncols: int, name: str, freq: int
    ):
        self.url = f"{server}:{port}"
        self.freq = freq
        self.display_id = display_id
        self.ncols = ncols
        self.name = name
        self.options = {"server": server, "port": port, "env": env, "raise_exceptions": True}
        self.queue: queue.Queue = queue.Queue(maxsize=8)
        self.curves: dict[str, list] = {"x": [], "y": [], "names": []}
        self.thread = threading.Thread(target=self._work, daemon=True, name="visdom")
        self.thread.start()

    @property
    def picture_freq(self) -> int:
        return self.freq if self.thread.is_alive() else 0

    def losses(self, progress, losses, facts) -> None:
        self._put(("losses", progress.total, dict(losses)))

    def pictures(self, progress, visuals) -> None:
        pixels = {name: to_pixels(batch[0]) for name, batch in visuals.items()}
        self._put(("pictures", progress.total, pixels))

    def close(self) -> None:
        self._put(None)
        self.thread.join(timeout=PATIENCE)

    def _put(self, message) -> None:
        if self.thread.is_alive():
            with contextlib.suppress(queue.Full):
                self.queue.put_nowait(message)

    def _work(self) -> None:
        try:
            client = self._connect()
            while message := self.queue.get():
                kind, total, content = message
                getattr(self, f"_send_{kind}")(client, total, content)
        except Exception as error:  # whatever a dashboard does, the run goes on without it
            tqdm.write(
                f"note: no visdom at {self.url} ({type(error).__name__}); logs and page go on "
                "(start one with `python -m visdom.server`, or --display_id 0 to be silent)"
            )

    def _connect(self):
        urllib.request.urlopen(self.url, timeout=PATIENCE).close()
        logging.getLogger("visdom").setLevel(logging.CRITICAL)
        logging.getLogger("websocket").setLevel(logging.CRITICAL)
        import visdom

        return visdom.Visdom(**self.options, use_incoming_socket=False)

    def _send_losses(self, client, total: int, losses: dict) -> None:
        curves = self.curves
        curves["names"] = curves["names"] or list(losses)
        curves["x"].append(total)
        curves["y"].append([losses.get(name, float("nan")) for name in curves["names"]])
        client.line(
            X=curves["x"],
            Y=curves["y"],
            win=str(self.display_id),
            opts={"title": f"{self.name} loss", "legend": curves["names"], "xlabel": "pictures"},
        )

    def _send_pictures(self, client, total: int, pixels: dict) -> None:
        channels_first = {
            name: np.broadcast_to(
                np.atleast_3d(picture).transpose(2, 0, 1), (3, *picture.shape[:2])
            )
            for name, picture in pixels.items()
        }
        first = self.display_id + 1
        if self.ncols > 0:
            grid = np.stack(list(channels_first.values()))
            title = f"{self.name}: {', '.join(pixels)}"
            client.images(grid, nrow=self.ncols, win=str(first), opts={"title": title})
            return
        for place, (name, picture) in enumerate(channels_first.items()):
            client.image(picture, win=str(first + place), opts={"title": name})
