"""The scores of a folder of results: measured, written down, and put on its page."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict

from data.direction import words_of
from metrics.base import Better, SetScore, Value
from metrics.pairs import PairFiles, PairFolder
from metrics.reals import FEW
from metrics.scores import find_score
from metrics.statistics import bootstrap_interval, mean, over_runs, values_of
from metrics.yardsticks import Yardsticks
from pages.results_page import write_page
from util.files import write_json

OF_ALL = ("classification", "fid", "kid")  # metrics of pictures that were not translated as well
OF_ANY_MASKS = ("instances",)  # metrics that ask for no pairs of masks, and leave nothing out
BY_UNION = ("background", "lpips", "masked_classification")  # metrics that look where masks are
WORST_END = {Better.LESS: "down", Better.MORE: "up", Better.NEITHER: ""}  # which comes first so


class DirectionScores:
    """What the metrics made of one direction: values of pictures, and scores of the whole set."""

    def __init__(self, pictures: dict[str, dict[str, Value]], whole: dict[str, SetScore]):
        self.pictures = pictures
        self.whole = whole
        names = dict.fromkeys(name for values in pictures.values() for name in values)
        rows = {name: values_of(values.get(name) for values in pictures.values()) for name in names}
        self.counts = {name: sum(map(len, own)) for name, own in rows.items()}
        self.intervals = {name: bootstrap_interval(own) for name, own in rows.items()}
        self.values: dict[str, float | None] = {name: mean(own) for name, own in rows.items()}
        self.values |= {name: score.value for name, score in whole.items()}

    def cell(self, name: str) -> str:
        """A score for people: with its interval or spread, and of how many, if not of all."""
        value = self.values.get(name)
        if value is None:
            return "none"
        if score := self.whole.get(name):
            spread = (
                "" if score.spread is None else f"± {digits(score.spread, value)} over subsets, "
            )
            return f"{digits(value)}  ({spread}n = {score.count})"
        low, high = (digits(end, value) for end in self.intervals[name])
        return f"{digits(value)}  ({low} to {high}{self.of_how_many(name)})"

    def of_how_many(self, name: str) -> str:
        """`, n = 7` of instances, `, n = 3 of 4` of pictures, nothing of all pictures."""
        count, own = self.counts[name], (values.get(name) for values in self.pictures.values())
        if any(isinstance(value, list) for value in own):
            return f", n = {count}"
        return "" if count == len(self.pictures) else f", n = {count} of {len(self.pictures)}"


def digits(value: float, like: float | None = None) -> str:
    """Shares with three digits, levels and per cents with one, small numbers with five."""
    size = abs(value if like is None else like)
    return f"{value:.{1 if size > 2 else 5 if 0 < size < 0.01 else 3}f}"


def score_folder(folder: PairFolder, yardsticks: Yardsticks, batch: int) -> dict:
    """Measure all results of a folder: a DirectionScores for each direction there is."""
    yardsticks.notes = []
    return {
        folder.ways[source].name: score_direction(folder, source, yardsticks, batch)
        for source in folder.pairs
    }


def score_direction(
    folder: PairFolder, source: str, yardsticks: Yardsticks, batch: int
) -> DirectionScores:
    subject = yardsticks.subject(folder, source)
    metrics = list(yardsticks.of(subject))
    pictures: dict[str, dict[str, Value]] = {}
    untouched, unpaired = [], []
    for pairs in folder.load(source, batch):
        for pair in pairs:
            pictures[pair.name] = {}
            untouched += [pair.name] if pair.untouched else []
            unpaired += [pair.name] if pair.unpaired else []
        for metric in metrics:
            for pair, values in zip(pairs, metric.pictures(pairs), strict=True):
                pictures[pair.name].update(values)
    where, names = f"{folder.folder}, {folder.ways[source].words}", yardsticks.names(subject)
    if len(pictures) < FEW:
        yardsticks.note(f"warning: only {len(pictures)} translations in {where}")
    for note in (
        *without_masks(folder.pairs[source][0], yardsticks.opt.metrics, names),
        *left_out(untouched, unpaired, len(pictures), names),
    ):
        yardsticks.note(f"{where}: {note}")
    whole = {name: score for metric in metrics for name, score in metric.whole().items()}
    return DirectionScores(pictures, whole)


def without_masks(files: PairFiles, asked: Sequence[str], metrics: Sequence[str]) -> Iterator[str]:
    """What a reader has to know of a direction whose translations have no masks, or one for all."""
    if not files.with_masks and "mask" in asked:
        yield "no translated mask, so there are no scores of masks"
    by_source = BY_UNION if not files.with_masks else ()
    by_source += ("detection",) if not files.told_apart else ()
    if among := [name for name in metrics if name in by_source]:
        kind = "no mask of an instance was translated" if files.with_masks else "no translated mask"
        yield f"{kind}: for {' and '.join(among)} instances are where the source's masks are"


def left_out(
    untouched: Sequence[str], unpaired: Sequence[str], count: int, metrics: Sequence[str]
) -> Iterator[str]:
    """What a reader has to know of pictures that some scores leave out, by their names."""
    if {*metrics} <= {*OF_ANY_MASKS}:
        return
    if untouched:
        among = [name for name in metrics if name in OF_ALL]
        but = f", but in {' and '.join(among)} they do" if among else ""
        yield (
            f"{len(untouched)} of {count} pictures have no instance, were not translated and do "
            f"not count{but} ({untouched[0]} first)"
        )
    if unpaired:
        yield (
            f"the masks of {len(unpaired)} of {count} pictures do not pair up with those of their "
            f"translations, and have no scores ({unpaired[0]} first)"
        )


def table_of(scores: dict[str, DirectionScores]) -> list[list[str]]:
    """A header, and a row for each score that any direction has."""
    names = list(dict.fromkeys(name for one in scores.values() for name in one.values))
    header = ["mean (95 % interval)", *(words_of(direction) for direction in scores)]
    return [header, *([spoken(name), *(s.cell(name) for s in scores.values())] for name in names)]


def spoken(name: str) -> str:
    return name.replace("_", " ")


def write_scores(folder: PairFolder, scores: dict[str, DirectionScores], about: dict) -> None:
    """Write metrics.json and metrics_detail.json, and the table on the page."""
    summary = {
        direction: {name: rounded(value) for name, value in own.values.items()}
        for direction, own in scores.items()
    }
    write_json(folder.folder / "metrics.json", summary)
    detail = {
        direction: {
            "pictures_scored": len(own.pictures),
            "counts": own.counts,
            "intervals_95": own.intervals,
            "sets": {name: asdict(score) for name, score in own.whole.items()},
            "pictures": own.pictures,
        }
        for direction, own in scores.items()
    }
    write_json(folder.folder / "metrics_detail.json", {"about": about} | detail)
    if folder.listing:
        sources = {way.name: way.source for way in folder.ways.values()}
        values = {sources[direction]: own.pictures for direction, own in scores.items()}
        worst = worst_ends(name for own in scores.values() for name in own.counts)
        write_page(folder.folder, folder.listing, table_of(scores), about["notes"], values, worst)


def worst_ends(names: Iterable[str]) -> dict[str, str]:
    """In which order the worst values come first: `up`, `down`, or none. KeyError if undeclared."""
    found = {name: find_score(name) for name in names}
    if undeclared := [name for name, score in found.items() if not score]:
        raise KeyError(f"{undeclared[0]}: no metric says which values of it are better")
    return {name: WORST_END[score.better] for name, score in found.items()}


def rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def runs_table(runs: Sequence[dict[str, DirectionScores]]) -> list[list[str]]:
    """Mean and standard deviation over several folders, a row for each score."""
    found = {
        direction: over_runs([run[direction].values for run in runs if direction in run])
        for direction in dict.fromkeys(name for run in runs for name in run)
    }
    names = list(dict.fromkeys(name for scores in found.values() for name in scores))
    rows = [
        [
            spoken(name),
            *(spread_cell(*own[name]) if name in own else "none" for own in found.values()),
        ]
        for name in names
    ]
    return [["mean ± sd over folders", *(words_of(direction) for direction in found)], *rows]


def spread_cell(value: float, deviation: float | None, count: int) -> str:
    """A mean over runs for people."""
    more = "" if deviation is None else f" ± {digits(deviation, value)}"
    return f"{digits(value)}{more}  (n = {count})"
