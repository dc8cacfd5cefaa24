"""`checkpoints/NAME/web`: a page with the curves, and the pictures of every epoch."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from dominate import tags
from dominate.util import raw

from loggers.drawing import DIRECTIONS, WIDEST, draw_tiles
from loggers.records import POINTS, Record, alarms, panels, thinned
from loggers.run_card import RunCard, as_typed
from loggers.worker import Board
from pages import add_script, facts_table, in_script, new_page
from training.progress import Progress
from util.files import write_text
from util.images import save_png, to_pixels
from util.stamp import now

if TYPE_CHECKING:  # for the names of types alone
    from data.scene import Scene

HEADER = ["source", "translation", "and back"]
SMALL = 128  # pixels: smaller pictures are shown with sharp pixels
DATA = "data.js"
LOOK = re.compile(r'show\((\{"look": \{"epoch": \d+, "total": \d+, "rows": .*\}\})\);')


class TrainingPage(Board):
    """A page that never changes, and `data.js`, which grows by a line with every report.

    What an update costs does not depend on how many there were. Now and then the points are thinned
    out to what a browser likes. `since` is the number of pictures before the run goes on: what the
    page shows of later ones is taken off it. width is that of the pictures, in pixels; None leaves
    it to the window.
    """

    name = "the training page"
    trouble = "cannot be written"
    advice = "--no_html is without"

    def __init__(self, card: RunCard, since: int = 0, width: int | None = None):
        self.card = card
        self.width = width
        self.reached = since
        self.last = 0  # pictures at the last report
        self.points = 0  # in data.js
        self.web = card.folder / "web"
        self.data = self.web / DATA

    def open(self, records: Sequence[Record]) -> None:
        (self.web / "images").mkdir(parents=True, exist_ok=True)
        if records and records[-1]["total"] < self.last:  # the run went back
            self.reached = records[-1]["total"]
        self.write_data(records)
        write_text(self.web / "index.html", page_of(self.card, self.width))

    def write_data(self, records: Sequence[Record]) -> None:
        """All data anew: the pictures that are there, and no more points than a browser likes."""
        some = thinned(records)
        self.points = len(some)
        self.last = some[-1]["total"] if some else 0
        lines = [*self.earlier_looks(), *map(point_line, some), self.notes_line(records)]
        write_text(self.data, "".join(lines))

    def earlier_looks(self) -> list[str]:
        """The lines of pictures that were made so far, the last of each epoch."""
        looks = {look["epoch"]: look for look in looks_of(self.data)}
        return [line_of("look", one) for one in looks.values() if one["total"] <= self.reached]

    def record(self, records: Sequence[Record]) -> None:
        self.reached = self.last = records[-1]["total"]
        self.points += 1
        if self.points > 2 * POINTS:
            self.write_data(records)
        else:
            self.append(point_line(records[-1]) + self.notes_line(records))

    def notes_line(self, records: Sequence[Record]) -> str:
        position = self.card.position(records) | {"last report": now()}
        return line_of("notes", {"alarms": alarms(records), "position": position})

    def close(self) -> None:
        self.append(line_of("ended", True))

    def pictures(self, progress: Progress, scenes: "Mapping[str, Scene]") -> None:
        self.reached = progress.total
        files = {name: self.save_tiles(name, scenes[name], progress.epoch) for name in scenes}
        for name, scene in scenes.items():
            self.save_official(name, scene, progress.epoch)
        rows = []
        for source, target in DIRECTIONS:
            roles = [f"real_{source}", f"fake_{target}", f"rec_{source}"]
            if roles[0] in scenes:
                small = scenes[roles[0]].image.shape[-1] <= SMALL
                names = scenes[roles[0]].names
                some = zip(*(files[role] for role in roles), strict=True)
                samples = [
                    {"name": name, "small": small, "files": list(own)}
                    for name, own in zip(names, some, strict=True)
                ]
                rows.append(
                    {"title": f"{source} to {target}", "header": HEADER, "samples": samples}
                )
        look = {"epoch": progress.epoch, "total": progress.total, "rows": rows}
        self.append(line_of("look", look))

    def save_tiles(self, role: str, scene: "Scene", epoch: int) -> list[str]:
        """A tile of each sample with its outlines; returns them as the page names them."""
        files, widest = [], max(WIDEST, self.width or 0)
        for i, tile in enumerate(draw_tiles(scene, not role.startswith("rec"), widest)):
            file = f"images/epoch{epoch:03d}_{role}_outlined_{i}.png"
            save_png(tile, self.web / file)
            files.append(quote(file))
        return files

    def save_official(self, role: str, scene: "Scene", epoch: int) -> None:
        """The first sample under the file names of the official code."""
        stem = self.web / "images" / f"epoch{epoch:03d}_{role}"
        save_png(to_pixels(scene.image[0]), stem.with_name(f"{stem.name}_img.png"))
        if scene.masks.shape[1]:
            union = to_pixels(scene.union()[0] * 2 - 1)
            save_png(union, stem.with_name(f"{stem.name}_seg.png"))

    def append(self, text: str) -> None:
        with open(self.data, "a", encoding="utf-8") as file:
            file.write(text)


def looks_of(data: Path) -> list[dict]:
    """The sets of pictures that a page's data names, in order."""
    lines = data.read_text(encoding="utf-8").splitlines() if data.is_file() else []
    looks = []
    for found in filter(None, map(LOOK.fullmatch, lines)):
        with suppress(ValueError):
            looks.append(json.loads(found[1])["look"])
    return looks


def line_of(kind: str, value) -> str:
    """A call that the page's script understands."""
    return f"show({in_script({kind: value})});\n"


def point_line(record: Record) -> str:
    return line_of(
        "point", {"epoch": record["epoch"], "total": record["total"], "panels": panels(record)}
    )


def page_of(card: RunCard, width: int | None) -> str:
    """The page without its data."""
    page = new_page(card.name, "training.css")
    if width:
        page.head.add(tags.style(raw(f"#pictures img{{width:{width}px;max-width:none}}")))
    page.add(tags.h1(card.name), tags.div(id="position", cls="about"), tags.div(id="alarms"))
    told = tags.details(tags.summary("command and options that differ from the defaults"))
    told.add(tags.pre(card.command), facts_table({k: as_typed(v) for k, v in card.changed.items()}))
    page.add(told)
    page.add(tags.noscript("This page draws with JavaScript; without, look into its images."))
    scrub = tags.input_(type="range", id="scrub", min="0", value="0", aria_label="epoch")
    bar = tags.div(
        tags.button("play", id="play", type="button"),
        scrub,
        tags.span(id="epoch", aria_live="polite"),
        tags.span("arrow keys: one epoch", cls="soft"),
        cls="bar",
    )
    page.add(
        tags.div(tags.h2("Pictures"), bar, id="scrubber", hidden=True), tags.div(id="pictures")
    )
    smooth = tags.input_(type="range", id="smooth", min="0", max="0.98", step="0.02", value="0.6")
    controls = tags.div(
        tags.label("smoothing ", smooth),
        tags.label(tags.input_(type="checkbox", id="log"), " logarithmic"),
        cls="bar",
    )
    page.add(tags.div(tags.h2("Curves"), controls, id="curve-controls", hidden=True))
    page.add(tags.br(), tags.div(id="curves"))
    add_script(page, "training.js")
    return page.render(pretty=False)
