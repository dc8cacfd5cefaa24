"""Pages that show pictures: plain HTML with a style sheet of our own."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import dominate
from dominate import tags
from dominate.util import raw

from util.files import write_text

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #888; --card: #8881 }
* { box-sizing: border-box }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 24px; max-width: 1800px }
h1 { font-size: 24px; margin: 0 }
.about { color: var(--soft); margin: 4px 0 20px }
table { border-collapse: collapse; margin: 0 0 24px }
th, td { text-align: left; padding: 4px 18px 4px 0; border-bottom: 1px solid var(--line) }
thead th + th { text-align: right }
td.number { text-align: right; font-variant-numeric: tabular-nums }
section { border: 1px solid var(--line); border-radius: 10px; margin: 0 0 16px; padding: 12px 16px }
h2 { font-size: 16px; margin: 0 0 8px }
h2 small { color: var(--soft); font-weight: normal; margin-left: 12px }
.row { display: flex; gap: 12px; flex-wrap: wrap; margin-top: 8px }
figure { margin: 0 }
figcaption { color: var(--soft); font-size: 12px; margin-top: 2px }
img { display: block; height: auto; outline: 1px solid var(--line); border-radius: 4px }
img.small { image-rendering: pixelated }
"""
SMALL = 128  # pixels: smaller pictures are shown with sharp pixels


class Page:
    """A page that is written whole: a heading, tables, and sections with rows of pictures."""

    def __init__(self, title: str, about: Sequence[str], picture_width: int, refresh: int = 0):
        self.document = dominate.document(title=title)
        self.document["lang"] = "en"
        self.picture_width = picture_width
        with self.document.head:
            tags.meta(charset="utf-8")
            tags.meta(name="viewport", content="width=device-width, initial-scale=1")
            if refresh:
                tags.meta(http_equiv="refresh", content=str(refresh))
            tags.style(raw(STYLE))
        self.document.add(tags.h1(title))
        for line in about:
            self.document.add(tags.div(line, cls="about"))

    def add_table(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table whose first column names its rows."""
        table = tags.table(tags.thead(tags.tr([tags.th(text) for text in header])))
        for first, *rest in rows:
            table.add(tags.tr(tags.th(first), [tags.td(text, cls="number") for text in rest]))
        self.document.add(table)

    def add_section(
        self, title: str, rows: Sequence[Mapping[str, str]], note: str = "", natural_width: int = 0
    ) -> None:
        """Rows of pictures: each maps a caption to a file relative to the page."""
        section = tags.section(tags.h2(title, tags.small(note)), id=title.replace(" ", "-"))
        small = "small" if natural_width and natural_width <= SMALL else "large"
        for row in rows:
            box = tags.div(cls="row")
            for caption, source in row.items():
                image = tags.img(
                    src=quote(source),
                    alt=f"{title}: {caption}",
                    width=self.picture_width,
                    cls=small,
                    loading="lazy",
                )
                box.add(tags.figure(tags.a(image, href=quote(source)), tags.figcaption(caption)))
            section.add(box)
        self.document.add(section)

    def add(self, *elements) -> None:
        """Anything else that dominate makes."""
        self.document.add(*elements)

    def write(self, path: Path) -> None:
        write_text(path, self.document.render())


def rows_of(names: list[str], files: Mapping[str, str]) -> list[dict[str, str]]:
    """Visuals in rows, one per source domain: its pictures, then its masks."""
    rows: list[dict[str, str]] = []
    for name in names:
        if not rows or (name.startswith("real") and name.endswith("_img")):
            rows.append({})
        rows[-1][name] = files[name]
    return rows
