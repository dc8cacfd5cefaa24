"""Pictures of a study: the same test pictures by all of its rows."""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from metrics.pairs import PairFolder
from pages.sheet import save_sheet, sheet
from scripts.contact_sheet import direction_rows
from scripts.reproduce.runs import Laboratory, Row

SIDE = 96  # of a tile, in pixels
LABEL = 20  # letters on a line


def picture_line(
    laboratory: Laboratory,
    rows: Sequence[Row],
    output: Path,
    title: str,
    sources: str = "AB",
    columns: int = 8,
) -> list[str]:
    """Draw those of the rows that are done, and return the line that shows it on a page.

    sources are the domains that are translated. A picture that is there stays where translations
    are not on this machine; no line if there is none.
    """
    done = [row for row in rows if laboratory.record(row)]
    if done and laboratory.at_hand(done):
        folders = [PairFolder(laboratory.results(row)) for row in done]
        labels = [fill(row.title, LABEL) for row in done]
        parts = [direction_rows(folders, labels, source, columns, SIDE) for source in sources]
        save_sheet(sheet([line for part in parts for line in part]), output)
    return [f"![{title}]({output.parent.name}/{output.name})"] if output.is_file() else []
