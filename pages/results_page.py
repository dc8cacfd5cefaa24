"""The page of `test.py`: a table that a browser without scripts shows, and what scripts add to it.

Everything is in one file that opens from the file system; pictures are read when they come into
view. The numbers of a picture stand in its row, so the page costs the same for each.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from dominate import tags
from dominate.util import raw

from data.direction import Direction, directions_of
from pages import add_script, facts_table, new_page, table_of
from util.errors import UserError
from util.files import write_atomic
from util.images import COLORS

WIDTH = 128  # pixels of the table's pictures, unless --display_winsize said so
SMALL = 128  # pixels: smaller pictures are shown with sharp pixels
COPY = 320  # pixels: the small copies of large pictures are no wider
ABOUT = ("model", "epoch", "data", "date")  # of the head; the rest is folded away
ROWS = "<!-- rows -->"
# A width that was typed counts, but on a phone, where pictures share the width of the screen.
FULL_WIDTH = "@media (min-width: 701px) {#results td > img{max-width:none}}"
# Where there is little room all columns of pictures give way alike, for they have one least width.
LEAST_WIDTH = "@media (min-width: 701px) {#results td > img{min-width:80px}}"
# Rows are not laid out until the script has chosen those of the first page.
LOADING = """
const root = document.documentElement;
root.classList.add("loading");
addEventListener("error", () => root.classList.remove("loading"));
"""

Values = Mapping[str, Mapping[str, object]]  # a picture's scores, by its name


def write_page(
    folder: Path,
    listing: Mapping,
    scores: Sequence[Sequence[str]] = (),
    notes: Sequence[str] = (),
    values: Mapping[str, Values] | None = None,
    worst: Mapping[str, str] | None = None,
) -> None:
    """Write `index.html` of a results folder.

    scores is a table for the head, its header first; values are those of each picture by the
    source's domain; worst says in which order the worst of them come first, `up` or `down`, if it
    is known. Raises UserError if a listed file is not inside the folder.
    """
    ends = {name: (worst or {}).get(name, "") for name in metric_names(values or {})}
    before, after = frame(listing, scores, notes, ends).split(ROWS)
    width = typed_width(listing) or WIDTH
    rows = rows_of(listing["pictures"], columns_of(listing), values or {}, width)

    def write(file) -> None:
        file.write(before.encode())
        for row in rows:
            file.write(row.encode())
        file.write(after.encode())

    write_atomic(folder / "index.html", write)


def frame(
    listing: Mapping,
    scores: Sequence[Sequence[str]],
    notes: Sequence[str],
    worst: Mapping[str, str],
) -> str:
    """The page but for the rows of its table."""
    about = listing.get("about")
    title = str(listing.get("title", "results"))
    page = new_page(title, "results.css")
    page.add(tags.h1(title), head_of(about if isinstance(about, Mapping) else {}))
    page.add(*(tags.div(note, cls="note") for note in notes))
    if scores:
        page.add(tags.details(tags.summary("scores of all pictures"), table_of(scores), open=True))
    columns = columns_of(listing)
    page.add(controls(worst, [way for way, _ in columns.values()]))
    header = [tags.th("name"), tags.th("direction"), tags.th("instances")]
    titles = dict.fromkeys(title for _, own in columns.values() for title, _ in own)
    header += [tags.th(title) for title in titles] + [tags.th("scores")] * bool(worst)
    body = tags.tbody(raw(ROWS))
    page.add(tags.table(tags.thead(tags.tr(header)), body, id="results"))
    page.add(tags.div(id="pager", cls="bar", hidden=True))
    style = "".join(f".i{i}{{--own:rgb{color}}}" for i, color in enumerate(COLORS))
    style += FULL_WIDTH if typed_width(listing) else LEAST_WIDTH
    page.head.add(tags.style(raw(style)), tags.script(raw(LOADING)))
    add_script(page, "results.js")
    return page.render(pretty=False)


def typed_width(listing: Mapping) -> int | None:
    """The width of the table's pictures, if test.py was told one."""
    width = listing.get("picture_width")
    return width if isinstance(width, int) and width > 0 else None


def head_of(about: Mapping[str, object]) -> tags.div:
    """Model, epoch, data and date in a line; command, options and versions folded away."""
    line = " · ".join(f"{name} {about[name]}" for name in ABOUT if about.get(name))
    box = tags.div(tags.div(line, cls="about"))
    if about.get("command"):
        told = tags.details(tags.summary("command, options, versions"))
        told.add(tags.pre(str(about["command"])))
        more = {**about.get("options", {}), **about.get("versions", {})}
        told.add(facts_table({name: str(value) for name, value in more.items()}))
        box.add(told)
    return box


def columns_of(listing: Mapping) -> dict[str, tuple[Direction, list[tuple[str, str]]]]:
    """By source domain its direction, and its columns: each a title and the name of a visual."""
    told = listing.get("directions", {})
    found = {}
    for source, way in directions_of(listing).items():
        usual = [
            ("source", f"real_{source}_img"),
            ("translation", f"fake_{way.target}_img"),
            ("and back", f"rec_{source}_img"),
        ]
        columns = told[way.name]["columns"] if way.name in told else usual
        found[source] = (way, [(title, visual) for title, visual in columns])
    return found


def controls(worst: Mapping[str, str], ways: Sequence[Direction]) -> tags.div:
    """What scripts make use of; hidden without them. worst is the order by each score, if known."""
    options = [
        tags.option("name", value="name", data_worst="up"),
        tags.option("number of instances", value="instances", data_worst="down"),
    ]
    options += [
        tags.option(
            name.replace("_", " ") + ", worst first" * bool(order), value=name, data_worst=order
        )
        for name, order in worst.items()
    ]
    every = [("", "both directions" if len(ways) == 2 else "all directions")]
    choices = [
        tags.option(words, value=source)
        for source, words in [*every, *((way.source, way.words) for way in ways)]
    ]
    least = tags.input_(type="number", id="least", min="0", value="0")
    return tags.div(
        tags.input_(type="search", id="find", placeholder="name", aria_label="part of a name"),
        tags.select(choices, id="way", aria_label="direction"),
        tags.label("at least ", least, " instances"),
        tags.label("by ", tags.select(options, id="order")),
        tags.select(
            tags.option("ascending", value="up"),
            tags.option("descending", value="down"),
            id="sense",
            aria_label="sense of the order",
        ),
        tags.label(tags.input_(type="checkbox", id="outlines", checked=True), " outlines"),
        tags.span(id="count", cls="soft", aria_live="polite"),
        id="controls",
        cls="bar sticky",
        hidden=True,
    )


# ---- rows


def metric_names(values: Mapping[str, Values]) -> list[str]:
    """The scores that any picture has a number of."""
    found = (name for own in values.values() for picture in own.values() for name in picture)
    return list(dict.fromkeys(found))


def rows_of(
    pictures: Iterable[Mapping], columns: Mapping, values: Mapping[str, Values], width: int
) -> Iterable[str]:
    titles = list(dict.fromkeys(title for _, own in columns.values() for title, _ in own))
    for picture in pictures:
        own = values.get(picture["source"], {}).get(picture["name"], {})
        way, visuals = columns[picture["source"]]
        cells = [(title, dict(visuals).get(title)) for title in titles]
        yield row_of(picture, way, cells, own, bool(values), width)


def row_of(
    picture: Mapping,
    way: Direction,
    columns: Sequence[tuple[str, str | None]],
    scores: Mapping[str, object],
    scored: bool,
    width: int,
) -> str:
    """One picture's row; `data-detail` has what its larger view is made of."""
    anchor = f"{way.source}-{picture['name']}"
    means = {name: mean_of(value) for name, value in scores.items()}
    cells = [tags.th(tags.a(picture["name"], href=f"#{quote(anchor)}"), scope="row")]
    cells += [tags.td(way.words), tags.td(instances_of(picture), cls="number")]
    for title, visual in columns:
        file = picture["files"].get(visual)
        cells.append(tags.td(image_of(file, picture, title, width) if file else ""))
    if scored:
        lines = [f"{name.replace('_', ' ')} {short(value)}" for name, value in means.items()]
        cells.append(tags.td([tags.div(line) for line in lines], cls="values"))
    row = tags.tr(
        cells,
        id=anchor,
        data_name=picture["name"],
        data_way=way.source,
        data_instances=str(picture["instances"] or 0),
        data_detail=json.dumps(detail_of(picture, columns, scores), separators=(",", ":")),
    )
    return row.render(pretty=False)


def detail_of(
    picture: Mapping, columns: Sequence[tuple[str, str]], scores: Mapping[str, object]
) -> dict:
    """What the larger view of a row needs; files have the names that `test.py` gives them."""
    numbers = [key.rpartition("_")[2] for key in picture["masks"] if key.startswith("real_")]
    shown = [(title, visual) for title, visual in columns if visual in picture["files"]]
    return {
        "size": [picture["width"], picture.get("height") or picture["width"]],
        "files": url(f"images/{picture['name']}"),
        "columns": [[visual.removesuffix("_img"), title] for title, visual in shown],
        "instances": [int(number) for number in numbers],
        "told_apart": any(key.startswith("fake_") for key in picture["masks"]),
        "outlines": sorted(picture.get("outlines", {})),
        "steps": [step["instances"] for step in picture.get("steps", [])],
        "boxes": picture.get("boxes", {}),
        "scores": {name: rounded(value) for name, value in scores.items()},
    }


def rounded(value):
    """Five digits are enough to look at."""
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def image_of(file: str, picture: Mapping, title: str, width: int) -> tags.img:
    high, wide = picture.get("height") or picture["width"], picture["width"]
    shown = picture.get("small", {}).get(file, file) if width <= COPY else file
    return tags.img(
        src=url(shown),
        alt=f"{picture['name']}: {title}",
        loading="lazy",
        width=str(width),
        height=str(round(width * high / wide)),
        cls="small" if max(high, wide) <= SMALL else "large",
    )


def instances_of(picture: Mapping) -> str:
    return "–" if picture["instances"] is None else str(picture["instances"])


def mean_of(value) -> float | None:
    """A picture's number; of one per instance the mean of those that count."""
    if isinstance(value, list):
        there = [float(x) for x in value if x is not None]
        return sum(there) / len(there) if there else None
    return None if value is None else float(value)


def short(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def url(file: str) -> str:
    """A file of the folder as a page names it. Raises UserError for one that is elsewhere."""
    path = PurePosixPath(file)
    if len(path.parts) != 2 or path.parts[0] != "images" or path.name == "..":
        raise UserError(f"results.json names {file!r}, which is not in images: translate anew")
    return quote(file)
