"""Tables of rows, and the place in docs/results.md where they go."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from metrics.statistics import over_runs
from util.files import write_text


def score_of(row: dict, name: str) -> float | None:
    """A score of one run: the mean of its directions, if all of them have it."""
    values = [own.get(name) for own in row["scores"].values()]
    return None if None in values else sum(values) / len(values)


def one_way(row: dict, direction: str = "AtoB") -> dict:
    """The row with the scores of one direction alone."""
    return row | {"scores": {direction: row["scores"][direction]}}


def over_seeds(rows: Sequence[dict], name: str) -> tuple[float, float | None, int] | None:
    """Mean, standard deviation and number of the runs of a score."""
    return over_runs([{name: score_of(row, name)} for row in rows]).get(name)


def cell(rows: Sequence[dict], name: str) -> str:
    """`0.912 ± 0.013`, or a dash if no run has the score."""
    found = over_seeds(rows, name)
    if not found:
        return "–"
    digits = 1 if found[0] > 2 else 3
    spread = "" if found[1] is None else f" ± {found[1]:.{digits}f}"
    return f"{found[0]:.{digits}f}{spread}"


def by_method(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """The rows of each method, in the order in which they come."""
    methods = dict.fromkeys(row["method"] for row in rows)
    return {method: [row for row in rows if row["method"] == method] for method in methods}


def method_table(
    rows: Sequence[dict],
    scores: Mapping[str, str],
    instead: Mapping[tuple[str, str], str] | None = None,
) -> str:
    """A line for each method: seeds, minutes of training, and scores by the titles they have.

    instead says what stands in place of a score, by method and score.
    """
    lines = []
    for method, own in by_method(rows).items():
        minutes = sum(row["training_seconds"] for row in own) / len(own) / 60
        cells = [(instead or {}).get((method, name)) or cell(own, name) for name in scores]
        lines.append([method.removeprefix("A: "), str(len(own)), f"{minutes:.1f}", *cells])
    return markdown(["method", "seeds", "minutes", *scores.values()], lines)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def commands_of(rows: Sequence[dict]) -> str:
    """Where the rows were made, and how, folded away."""
    machines = sorted({f"{row['machine']}; {row['at_a_time']} at a time" for row in rows})
    commands = dict.fromkeys(command for row in rows for command in row["commands"])
    lines = [f"Machine: {'; '.join(machines)}.", ""]
    lines += ["<details><summary>The command of every row</summary>", "", "```"]
    return "\n".join([*lines, *commands, "```", "", "</details>"])


def put(path: Path, mark: str, text: str) -> None:
    """Put text between `<!-- MARK -->` and `<!-- /MARK -->` of a page; what is around it stays."""
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    page = path.read_text() if path.is_file() else "# Results\n"
    if begin not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n"
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2]
    write_text(path, f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
