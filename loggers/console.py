"""The terminal and the log files."""

import json
import math
import sys
import time
from collections import deque
from pathlib import Path

from tqdm import tqdm

from loggers.base import Logger
from loggers.records import FILE, TEXT, Curves, Record, collapses, data_alarms
from loggers.run_card import duration
from training.progress import Progress

REMEMBERED = 100  # records, to say since when something goes wrong


class Console(Logger):
    """A progress bar, `loss_log.txt` in the official format and `metrics.jsonl`.

    Where the output is no terminal there is a plain line per report instead of the bar.
    """

    name = "logs"
    ESTIMATE_AFTER = 10  # batches

    def __init__(
        self,
        folder: Path,
        progress: Progress,
        epoch_images: int,
        epochs: int,
        curves: Curves | None = None,
    ):
        self.folder = folder
        self.curves = curves or Curves()
        self.epochs = epochs
        self.epoch_images = epoch_images
        self.whole = epoch_images * epochs
        self.batches = 0
        self.records: deque[Record] = deque(maxlen=REMEMBERED)
        self.warned: set[str] = set()
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
        with open(folder / TEXT, "a", encoding="utf-8") as log:
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

    def report(self, progress: Progress, record: Record) -> None:
        losses = {name: math.nan if x is None else x for name, x in record["losses"].items()}
        line = "".join(f"{name}: {value:.3f} " for name, value in losses.items())
        head = (
            f"(epoch: {progress.epoch}, iters: {progress.images}, time: {record['time']:.3f}, "
            f"data: {record['data']:.3f}) "
        )
        self.append(TEXT, head + line)
        self.append(FILE, json.dumps(record))
        summary = self.curves.summary
        main = {kind: sum(losses.get(n, 0) for n in names) for kind, names in summary.items()}
        self.records.append(record)
        self.warn()
        self.bar.set_postfix({kind: f"{value:.2f}" for kind, value in main.items()}, refresh=False)
        if self.bar.disable:
            done = time.perf_counter() - self.started
            passed = ((progress.epoch - 1) * self.epoch_images + progress.images) / self.whole
            print(f"{passed:4.0%} {duration(done)} {head}{line}", flush=True)

    def warn(self) -> None:
        """Say once that a domain has no instances, or that the masks of a direction collapsed."""
        for text in data_alarms(self.records):
            self.warn_once(text.partition(":")[0], text)
        for text in collapses(self.records, self.curves):
            self.warn_once(text.partition(" since ")[0], f"{text}; {self.curves.advice}")

    def warn_once(self, kind: str, text: str) -> None:
        if kind not in self.warned:
            self.warned.add(kind)
            self.say(f"warning: {text}")

    def say(self, text: str) -> None:
        self.bar.write(text) if not self.bar.disable else print(text, flush=True)

    def append(self, name: str, line: str) -> None:
        with open(self.folder / name, "a", encoding="utf-8") as log:
            log.write(line.rstrip() + "\n")

    def close(self) -> None:
        self.bar.close()
