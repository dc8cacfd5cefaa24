"""Means, intervals, and what several runs have in common."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from metrics.base import Value

DRAWS = 1000


def values_of(values: Iterable[Value]) -> list[list[float]]:
    """What each picture that has a value adds to the mean: a number, or one per instance."""
    rows = [value if isinstance(value, list) else [value] for value in values]
    rows = [[float(x) for x in row if x is not None] for row in rows]
    return [row for row in rows if row]


def mean(rows: Sequence[Sequence[float]]) -> float | None:
    """The mean of all values of all pictures."""
    return float(np.mean([x for row in rows for x in row])) if rows else None


def bootstrap_interval(
    rows: Sequence[Sequence[float]], draws: int = DRAWS
) -> tuple[float, float] | None:
    """The 2.5 and 97.5 percentiles of the mean over resampled pictures, always the same.

    Pictures are drawn, not instances: those of a picture are not independent of one another.
    """
    if not rows:
        return None
    sums, counts = np.array([sum(row) for row in rows]), np.array([len(row) for row in rows])
    chosen = np.random.default_rng(0).integers(len(rows), size=(draws, len(rows)))
    low, high = np.percentile(sums[chosen].sum(1) / counts[chosen].sum(1), [2.5, 97.5])
    return float(low), float(high)


RunScores = dict[str, tuple[float, float | None, int]]


def over_runs(scores: Sequence[Mapping[str, float | None]]) -> RunScores:
    """Mean, standard deviation (n - 1; None of one) and number of the runs that have a score."""
    names = list(dict.fromkeys(name for run in scores for name in run))
    found = {name: [run[name] for run in scores if run.get(name) is not None] for name in names}
    return {
        name: (float(np.mean(x)), float(np.std(x, ddof=1)) if len(x) > 1 else None, len(x))
        for name, x in found.items()
        if x
    }
