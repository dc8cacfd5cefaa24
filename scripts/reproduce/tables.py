"""Tables of rows, and the place in docs/results.md where they go."""

from collections.abc import Callable, Sequence
from pathlib import Path

from metrics.statistics import over_runs
from util.files import write_text

Cell = Callable[[list[dict]], str]


def score_of(row: dict, name: str) -> float | None:
    """A score of one run: the mean of both directions."""
    values = [own.get(name) for own in row["scores"].values()]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def over_seeds(rows: Sequence[dict], name: str) -> tuple[float, float, int] | None:
    """Mean, standard deviation and number of the runs of a score."""
    return over_runs([{name: score_of(row, name)} for row in rows]).get(name)


def cell(rows: Sequence[dict], name: str) -> str:
    """`0.912 ± 0.013`, or a dash if no run has the score."""
    found = over_seeds(rows, name)
    if not found:
        return "–"
    digits = 1 if found[0] > 2 else 3
    return f"{found[0]:.{digits}f} ± {found[1]:.{digits}f}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def put(path: Path, mark: str, text: str) -> None:
    """Put text between `<!-- MARK -->` and `<!-- /MARK -->` of a page; what is around it stays."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    page = path.read_text() if path.is_file() else "# Results\n"
    if begin not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n"
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2]
    write_text(path, f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
