"""What `test.py` leaves behind: pictures, instance masks, a page, and scores."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm import tqdm

from util.files import write_text
from util.html import Page, rows_of
from util.images import save_png, to_pixels

if TYPE_CHECKING:  # for the names of types alone: util imports nothing of the other rooms
    from data.scene import Scene


class Results:
    """The folder `results/NAME/PHASE_EPOCH`, filled picture by picture."""

    def __init__(self, folder: Path, opt):
        self.folder = folder
        self.opt = opt
        self.sections: dict[tuple[str, int], tuple[str, dict[str, str], str]] = {}
        self.natural_width = 0
        self.bar: tqdm | None = None
        (folder / "images").mkdir(parents=True, exist_ok=True)

    def add(
        self,
        places: Sequence[int],
        real: "Scene",
        fake: "Scene",
        visuals: Mapping[str, Tensor],
        target: str,
    ) -> None:
        """Write one batch: every visual and every translated instance's mask.

        places are those of its pictures on the page, among the ones with this target.
        """
        for i, name in enumerate(real.names):
            files = {}
            for visual, batch in visuals.items():
                files[visual] = f"images/{name}_{visual}.png"
                save_png(to_pixels(batch[i]), self.folder / files[visual], self.opt.aspect_ratio)
            for slot, number in enumerate(real.numbers[i]):
                mask = torch.where(fake.masks[i, slot] > 0, 1.0, -1.0)[None]
                path = self.folder / "images" / f"{name}_fake_{target}_mask_{number}.png"
                save_png(to_pixels(mask), path)
            count = len(real.numbers[i])
            title = f"{name}, {'A to B' if target == 'B' else 'B to A'}"
            note = f"{count} instance{'s' * (count != 1)}"
            self.sections[target, places[i]] = title, files, note
            self.natural_width = max(self.natural_width, real.image.shape[-1])

    def report(self, letter: str, done: int, count: int, available: int) -> None:
        """A progress bar, or on no terminal one line per domain."""
        if self.bar is None:
            self.bar = tqdm(
                total=count, unit="img", desc=f"domain {letter}", disable=not sys.stderr.isatty()
            )
        self.bar.update(done - self.bar.n)
        if done >= count:
            self.bar.close()
            self.bar = None
            print(f"domain {letter}: translated {count} of {available} pictures")

    def write(self, scores) -> None:
        """Write the page, and `metrics.json` and `metrics_detail.json` if there are scores."""
        opt = self.opt
        title = f"{opt.name}: {opt.phase}, epoch {opt.label}"
        about = [
            f"Model {opt.model}, data {opt.dataroot}. Each row: the picture, its translation, "
            "and its translation back; then the unions of their instance masks."
        ]
        page = Page(title, about, opt.display_winsize)
        summary = scores.summary()
        if summary:
            write_text(self.folder / "metrics.json", json.dumps(summary, indent=1) + "\n")
            write_text(
                self.folder / "metrics_detail.json", json.dumps(scores.detail(), indent=1) + "\n"
            )
            header, rows = table(summary, scores.intervals())
            page.add_table(header, rows)
            print(aligned([header, *rows]))
        in_order = sorted(self.sections, key=lambda of: ("BA".index(of[0]), of[1]))
        for name, files, note in (self.sections[key] for key in in_order):
            page.add_section(name, rows_of(list(files), files), note, self.natural_width)
        page.write(self.folder / "index.html")
        print(f"page: {(self.folder / 'index.html').resolve()}")


def table(summary: Mapping, intervals: Mapping) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the scores, with their 95 per cent intervals."""
    names = list(next(iter(summary.values())))
    rows = [
        [direction, *(cell(values[name], intervals[direction][name]) for name in names)]
        for direction, values in summary.items()
    ]
    return ["mean (95 % interval)", *(name.replace("_", " ") for name in names)], rows


def cell(value: float | None, interval: tuple[float, float] | None) -> str:
    """A score with its interval; shares with three digits, levels of 255 with one."""
    if value is None:
        return "none"
    digits = 1 if max(value, *interval) > 2 else 3
    low, high = (f"{x:.{digits}f}" for x in interval)
    return f"{value:.{digits}f}  ({low} to {high})"


def aligned(rows: list[list[str]]) -> str:
    """A table for the terminal."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
