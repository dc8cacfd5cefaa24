"""A page to look at a dataset: every picture with its instances outlined, sortable."""

from functools import partial
from pathlib import Path
from urllib.parse import quote

from dominate import tags

from data.masks import read_masks
from data.pictures import UnreadableError, read_image
from data.pixel_checks import Facts
from data.scene_folder import mask_label
from datasets.making.report import (
    Report,
    area_histogram,
    areas_of,
    by_kind,
    instance_histogram,
)
from pages import add_script, new_page, table_of
from util.files import write_text
from util.images import draw_instances
from util.workers import map_in_order

LISTED = 20  # files named per kind of problem
SIDE = 300  # pixels of a picture's longer side on the page


def write_page(report: Report, folder: Path, limit: int, workers: int) -> Path:
    """Write `folder/index.html` with up to `limit` pictures of each of the dataset's folders."""
    root = report.root.resolve()
    page = new_page(f"Dataset {root.name}", "dataset.css")
    page.add(tags.h1(f"Dataset {root.name}"), tags.div(str(root), cls="about"))
    header, rows = report.table()
    page.add(table_of([header, *rows]), charts(report.facts))
    if report.problems:
        page.add(problem_table(report))
    chosen = [
        (name, fact) for name, found in report.facts.items() for fact in first(report, found, limit)
    ]
    page.add(controls(list(report.facts)))
    draw_one = partial(draw, report.root, folder, report.exif)
    images = map_in_order(draw_one, chosen, workers, "drawing")
    cards = [
        card(name, fact, image, report.of_picture(fact))
        for (name, fact), image in zip(chosen, images, strict=True)
    ]
    page.add(tags.div(cards, cls="cards"))
    add_script(page, "dataset.js")
    write_text(folder / "index.html", page.render())
    return folder / "index.html"


def first(report: Report, found: list[Facts], limit: int) -> list[Facts]:
    """The pictures to show, in order: those with problems, and others up to the limit."""
    ranked = sorted(range(len(found)), key=lambda i: not report.of_picture(found[i]))
    return [found[i] for i in sorted(ranked[:limit])]


def draw(root: Path, folder: Path, exif: str | None, item: tuple[str, Facts]) -> str:
    """Write a picture with its outlines; returns its place relative to the page, or ''."""
    fact = item[1]
    paths = tuple(path for path in fact.files.masks if mask_label(path) in fact.areas)
    try:
        pixels = read_image(fact.files.image, 3).transpose(1, 2, 0)
        masks = read_masks(paths, fact.files.image, pixels.shape[:2], exif)
    except UnreadableError:
        return ""
    place = f"images/{fact.files.image.relative_to(root).as_posix()}.jpg"
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    numbered = dict(zip(map(mask_label, paths), masks, strict=True))
    draw_instances(pixels, numbered, SIDE).save(folder / place, quality=88)
    return place


# ---- the parts of the page


def card(name: str, fact: Facts, image: str, wrong: list[str]) -> tags.div:
    """One picture: outlines, name, its instances' areas, what is wrong."""
    areas = fact.areas
    title = f"{name}/{fact.files.image.name}"
    box = tags.div(cls="card problem" if wrong else "card")
    box["data-name"], box["data-phase"] = title, name
    numbers = (
        ("instances", len(areas)),
        ("area", sum(areas.values())),
        ("largest", max(areas.values(), default=0)),
        ("smallest", min(areas.values(), default=1)),
        ("problems", len(wrong)),
    )
    for key, value in numbers:
        box[f"data-{key}"] = f"{value:.6g}"
    if image:
        alt = f"{title} with the outlines of {len(areas)} instances"
        box.add(tags.a(tags.img(src=quote(image), alt=alt, loading="lazy"), href=quote(image)))
    box.add(tags.b(title))
    listed = ", ".join(f"{number}: {100 * area:.2g} %" for number, area in areas.items())
    size = f"{fact.size[0]}x{fact.size[1]}"
    box.add(tags.p(f"{size}; areas {listed}" if listed else f"{size}; no instance"))
    for text in wrong:
        box.add(tags.p(text, cls="wrong"))
    return box


def controls(folders: list[str]) -> tags.form:
    """Sorting and filtering, shown where there is JavaScript."""
    orders = {
        "name": "name",
        "problems": "problems first",
        "instances": "most instances",
        "area": "largest area in all",
        "largest": "largest instance",
        "smallest": "smallest instance",
    }
    choose = tags.select(
        [tags.option(text, value=key) for key, text in orders.items()], name="order"
    )
    phases = [tags.option("all folders", value=""), *(tags.option(f, value=f) for f in folders)]
    return tags.form(
        tags.label("Sort by ", choose),
        tags.label("Show ", tags.select(phases, name="phase")),
        tags.label("Name ", tags.input_(name="find", type="search", placeholder="part of it")),
        tags.span(id="count"),
    )


def charts(facts: dict[str, list[Facts]]) -> tags.div:
    """Histograms of instances per picture and of their areas, a column per folder."""
    box = tags.div(cls="charts")
    for name, found in facts.items():
        if areas_of(found):
            box.add(chart(f"{name}: instances per picture", instance_histogram(found)))
            box.add(chart(f"{name}: area of an instance", area_histogram(found)))
    return box


def chart(title: str, bins: dict[str, int]) -> tags.div:
    most = max(bins.values())
    lines = [
        tags.div(tags.span(label), tags.i(style=f"width:{round(120 * n / most)}px"), str(n))
        for label, n in bins.items()
    ]
    return tags.div(tags.h2(title), lines)


def problem_table(report: Report) -> tags.table:
    table = tags.table(tags.tr(tags.th("problem"), tags.th("file, and what to do")))
    for kind, found in by_kind(report.problems).items():
        shown = [tags.div(problem.text) for problem in found[:LISTED]]
        if len(found) > LISTED:
            shown.append(tags.div(f"and {len(found) - LISTED} more"))
        table.add(tags.tr(tags.th(f"{kind} ({len(found)})"), tags.td(shown, cls="text")))
    return table
