#!/usr/bin/env python3
"""How long the results page takes to be written and, in Chromium, to be of use.

    python benchmarks/results_page.py results/NAME/test_latest --rows 500 5000

The pictures of a results folder are listed again and again until there are so many rows. "of use"
is from opening the file until the page's script has put the first rows in order and a row has been
opened by a click. Needs playwright and a Chromium.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from playwright.sync_api import sync_playwright

from pages.results import LISTING, SCORES
from pages.results_page import write_page
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if not browser:
        raise UserError("no Chromium: on Debian, apt install chromium")
    rows = [["rows", "written in", "a row", "size", "of use after", "ordered by a score in"]]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        running = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for count in args.rows:
            rows.append(measure(args.results, Path(folder) / str(count), count, running, args.runs))
    print(aligned(rows))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="a folder that test.py wrote")
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 5000])
    parser.add_argument("--runs", type=int, default=5, help="of which the median is shown")
    return parser.parse_args(argv)


def measure(results: Path, folder: Path, count: int, browser, runs: int) -> list[str]:
    shutil.copytree(results, folder)
    listing = json.loads((folder / LISTING).read_text())
    listing["pictures"] = list(islice(cycle(listing["pictures"]), count))
    path = folder / SCORES[1]
    detail = json.loads(path.read_text()) if path.is_file() else {}
    values = {way[0]: own["pictures"] for way, own in detail.items() if way in ("AtoB", "BtoA")}
    writing, opening, ordering = [], [], []
    for _ in range(runs):
        start = time.perf_counter()
        write_page(folder, listing, values=values)
        writing.append(time.perf_counter() - start)
        page = browser.new_page()
        start = time.perf_counter()
        page.goto((folder / "index.html").as_uri(), wait_until="commit")
        page.locator("#results tbody td").first.click()
        page.wait_for_selector("tr.detail")
        opening.append(time.perf_counter() - start)
        last = page.locator("#order option").last.get_attribute("value")
        start = time.perf_counter()
        page.select_option("#order", last)
        page.wait_for_selector("tr.detail", state="detached")
        ordering.append(time.perf_counter() - start)
        page.close()
    size = (folder / "index.html").stat().st_size
    seconds = [statistics.median(times) for times in (writing, opening, ordering)]
    return [
        str(count),
        f"{seconds[0]:.2f} s",
        f"{1e6 * seconds[0] / count:.0f} µs",
        f"{size / 1e6:.1f} MB",
        f"{seconds[1]:.2f} s",
        f"{seconds[2]:.2f} s",
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
