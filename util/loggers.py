"""What a run tells while it runs: a console with log files, a page with pictures, a dashboard."""

import json
import math
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from util.html import Page
from util.images import save_png, to_pixels
from util.progress import Progress


class Logger:
    """The interface. `picture_freq` is how often, in pictures, it wants visuals; 0: never."""

    picture_freq = 0

    def step(self, progress: Progress) -> None:
        """After every batch; must not wait for the device."""

    def losses(self, progress: Progress, losses: Mapping[str, float], facts: Mapping) -> None:
        """Losses, and the facts `time`, `data`, `images_per_s` and `lr`, now and then."""

    def pictures(self, progress: Progress, visuals: Mapping[str, Tensor]) -> None:
        """Visuals [B, C, H, W] in [-1, 1] by name."""

    def close(self) -> None:
        """At the end of the run, also when it fails."""


class Console(Logger):
    """A progress bar, `loss_log.txt` in the official format and `metrics.jsonl`.

    Where the output is no terminal there is a plain line per report instead of the bar.
    """

    ESTIMATE_AFTER = 10  # batches

    def __init__(self, folder: Path, progress: Progress, epoch_images: int, epochs: int):
        self.folder = folder
        self.epochs = epochs
        self.whole = epoch_images * epochs
        self.batches = 0
        self.started = time.perf_counter()
        self.first = (progress.epoch - 1) * epoch_images + progress.images
        interactive = sys.stderr.isatty()
        self.bar = tqdm(
            total=self.whole,
            initial=self.first,
            unit="img",
            disable=not interactive,
            dynamic_ncols=True,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
        )
        with open(folder / "loss_log.txt", "a", encoding="utf-8") as log:
            log.write(f"================ Training Loss ({time.strftime('%c')}) ================\n")

    def step(self, progress: Progress) -> None:
        self.batches += 1
        self.bar.set_description_str(f"epoch {progress.epoch}/{self.epochs}", refresh=False)
        self.bar.update(progress.step)
        if self.batches == self.ESTIMATE_AFTER:
            self.estimate(progress)

    def estimate(self, progress: Progress) -> None:
        """Say once how long the run will take."""
        rate = self.batches * progress.step / (time.perf_counter() - self.started)
        left = (self.whole - self.first) / rate - (time.perf_counter() - self.started)
        self.say(f"{rate:.2g} pictures per second and domain, about {duration(left)} left")

    def losses(self, progress, losses, facts) -> None:
        line = "".join(f"{name}: {value:.3f} " for name, value in losses.items())
        head = (
            f"(epoch: {progress.epoch}, iters: {progress.images}, time: {facts['time']:.3f}, "
            f"data: {facts['data']:.3f}) "
        )
        record = {
            "epoch": progress.epoch,
            "iters": progress.images,
            "total": progress.total,
            **facts,
        }
        record |= {"losses": {n: v if math.isfinite(v) else None for n, v in losses.items()}}
        self.append("loss_log.txt", head + line)
        self.append("metrics.jsonl", json.dumps(record))
        main = {kind: sum(v for n, v in losses.items() if n[0] == kind) for kind in "GD"}
        self.bar.set_postfix({kind: f"{value:.2f}" for kind, value in main.items()}, refresh=False)
        if self.bar.disable:
            done = time.perf_counter() - self.started
            passed = progress.total and (progress.epoch - 1) / self.epochs
            print(f"{passed:4.0%} {duration(done)} {head}{line}", flush=True)

    def say(self, text: str) -> None:
        self.bar.write(text) if not self.bar.disable else print(text, flush=True)

    def append(self, name: str, line: str) -> None:
        with open(self.folder / name, "a", encoding="utf-8") as log:
            log.write(line.rstrip() + "\n")

    def close(self) -> None:
        self.bar.close()


class TrainingPage(Logger):
    """`web/index.html`: the pictures of every epoch, the newest on top."""

    REFRESH = 300  # seconds

    def __init__(self, folder: Path, name: str, picture_freq: int, picture_width: int):
        self.web = folder / "web"
        self.name = name
        self.picture_freq = picture_freq
        self.picture_width = picture_width
        self.epochs: dict[int, dict[str, str]] = {}
        (self.web / "images").mkdir(parents=True, exist_ok=True)
        for path in sorted(
            (self.web / "images").glob("epoch*_*.png")
        ):  # of the run that this one continues
            if match := re.fullmatch(r"epoch(\d+)_(.+)", path.stem):
                self.epochs.setdefault(int(match[1]), {})[match[2]] = f"images/{path.name}"

    def pictures(self, progress, visuals) -> None:
        files = {}
        for name, batch in visuals.items():
            files[name] = f"images/epoch{progress.epoch:03d}_{name}.png"
            save_png(to_pixels(batch[0]), self.web / files[name])
        self.epochs[progress.epoch] = files
        page = Page(self.name, ["training"], self.picture_width, self.REFRESH)
        order = list(visuals)
        width = next(iter(visuals.values())).shape[-1]
        for epoch in sorted(self.epochs, reverse=True):
            rows = rows_of([n for n in order if n in self.epochs[epoch]], self.epochs[epoch])
            page.add_section(f"epoch {epoch}", rows, natural_width=width)
        page.write(self.web / "index.html")


class Loggers:
    """All loggers of a run as one; closed at the end, whatever happens."""

    def __init__(self, loggers: list[Logger]):
        self.loggers = loggers

    def __enter__(self) -> "Loggers":
        return self

    def __exit__(self, *_) -> None:
        for logger in self.loggers:
            logger.close()

    def step(self, progress: Progress) -> None:
        for logger in self.loggers:
            logger.step(progress)

    def losses(self, progress, losses, facts) -> None:
        for logger in self.loggers:
            logger.losses(progress, losses, facts)

    def pictures(self, progress: Progress, get_visuals, last: bool = False) -> None:
        """Ask for visuals if a logger's turn has come, or if these are the last ones."""
        wanting = [
            x for x in self.loggers if x.picture_freq and (last or progress.due(x.picture_freq))
        ]
        if wanting:
            visuals = get_visuals()
            for logger in wanting:
                logger.pictures(progress, visuals)


def rows_of(names: list[str], files: Mapping[str, str]) -> list[dict[str, str]]:
    """Visuals in rows: one per domain of the source and per kind, image and masks apart."""
    rows: list[dict[str, str]] = []
    for name in names:
        if name.startswith("real") or not rows:
            rows.append({})
        rows[-1][name] = files[name]
    return rows


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
