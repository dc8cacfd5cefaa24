"""Pages that a browser opens from the file system: one file each, style and script inside."""

import json
from collections.abc import Sequence
from pathlib import Path

import dominate
from dominate import tags
from dominate.util import raw

HERE = Path(__file__).parent


def new_page(title: str, *styles: str) -> dominate.document:
    """An empty page in our style; `styles` are further style sheets of this folder."""
    page = dominate.document(title=title)
    page["lang"] = "en"
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        tags.style(raw("".join(read(name) for name in ("page.css", *styles))))
    return page


def add_script(page: dominate.document, name: str) -> None:
    """A script of this folder, at the end of the page."""
    page.add(tags.script(raw(read(name))))


def read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def in_script(value) -> str:
    """JSON that may stand in a script: no text in it can end the script or open a comment."""
    text = json.dumps(value, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def facts_table(facts: dict[str, str]) -> tags.table:
    """Names and values, for the head of a page."""
    rows = [tags.tr(tags.th(name), tags.td(str(value))) for name, value in facts.items()]
    return tags.table(rows, cls="facts")


def table_of(rows: Sequence[Sequence[str]]) -> tags.table:
    """A table whose first row and first column are headers."""
    first, *rest = rows
    table = tags.table(tags.thead(tags.tr([tags.th(text) for text in first])), cls="scores")
    for name, *cells in rest:
        table.add(tags.tr(tags.th(name), [tags.td(text, cls="number") for text in cells]))
    return table
