"""The page with pictures of every epoch."""

import re
from pathlib import Path

from util.html import Page, rows_of
from util.images import save_png, to_pixels
from util.loggers.base import Logger


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
        earlier = (self.web / "images").glob("epoch*_*.png")  # of the run that this one continues
        for path in sorted(earlier):
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
