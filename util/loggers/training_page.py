"""`checkpoints/NAME/web`: a page with the curves, and the pictures of every epoch."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from dominate import tags

from util.files import write_text
from util.images import save_png, to_pixels
from util.loggers.drawing import DIRECTIONS, draw_tiles
from util.loggers.records import Record, alarms, panels, thinned
from util.loggers.run_card import RunCard
from util.loggers.worker import Board
from util.pages import add_script, facts_table, in_script, new_page
from util.progress import Progress

if TYPE_CHECKING:  # for the names of types alone: util imports nothing of the other rooms
    from data.scene import Scene

HEADER = ["source", "translation", "and back"]
SMALL = 128  # pixels: smaller pictures are shown with sharp pixels


class TrainingPage(Board):
    """A page that never changes, and `data.js`, which grows by a line with every report.

    What an update costs does not depend on how many there were.
    """

    name = "the training page"
    advice = "--no_html is without"

    def __init__(self, card: RunCard):
        self.card = card
        self.web = card.folder / "web"
        self.data = self.web / "data.js"

    def open(self, records: Sequence[Record]) -> None:
        (self.web / "images").mkdir(parents=True, exist_ok=True)
        lines = self.earlier_looks()
        lines += [point_line(record) for record in thinned(records)]
        write_text(self.data, "".join([*lines, self.notes_line(records)]))
        write_text(self.web / "index.html", page_of(self.card))

    def earlier_looks(self) -> list[str]:
        """The lines of pictures of the run that this one continues, the last of each epoch."""
        looks: dict[str, str] = {}
        if self.data.is_file():
            for line in self.data.read_text(encoding="utf-8").splitlines():
                if found := re.fullmatch(r'show\(\{"look": \{"epoch": (\d+), .*\}\}\);', line):
                    looks[found[1]] = f"{line}\n"
        return list(looks.values())

    def record(self, records: Sequence[Record]) -> None:
        self.append(point_line(records[-1]) + self.notes_line(records))

    def notes_line(self, records: Sequence[Record]) -> str:
        return line_of(
            "notes", {"alarms": alarms(records), "position": self.card.position(records)}
        )

    def pictures(self, progress: Progress, scenes: "Mapping[str, Scene]") -> None:
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
        files = []
        for i, tile in enumerate(draw_tiles(scene, not role.startswith("rec"))):
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


def line_of(kind: str, value) -> str:
    """A call that the page's script understands."""
    return f"show({in_script({kind: value})});\n"


def point_line(record: Record) -> str:
    return line_of(
        "point", {"epoch": record["epoch"], "total": record["total"], "panels": panels(record)}
    )


def page_of(card: RunCard) -> str:
    """The page without its data."""
    page = new_page(card.name, "training.css")
    page.add(tags.h1(card.name), tags.div(id="position", cls="about"), tags.div(id="alarms"))
    told = tags.details(tags.summary("command and options that differ from the defaults"))
    told.add(tags.pre(card.command), facts_table({k: str(v) for k, v in card.changed.items()}))
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
