"""How different the results of one picture are, and whether they look like the other domain.

Diversity is the mean distance of pairs of results of the same picture, by LPIPS (Zhang et al. 2018)
as in the papers, or in the features of a classifier that is trained here; then it has the name of
that. IS is the inception score (Salimans et al. 2016) and CIS the conditional one of MUNIT (Huang
et al. 2018), by a classifier that is trained here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from random import Random

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from metrics.base import Better, Metric, SetScore, Value, to_batch
from metrics.classifier import KINDS, Classifier
from metrics.pair import Pair

Distance = Callable[[Tensor, Tensor], Tensor]  # of uint8 [B, 3, H, W] twice -> [B]

PAIRS = 19  # of results of a picture, as in the papers
REAL_PAIRS = 190
TINY = 1e-12
RESAMPLED = 200  # sets that a deviation is taken over


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler divergence of distributions [..., C], in nats: [...]."""
    return (p * (p.clamp(min=TINY).log() - q.clamp(min=TINY).log())).sum(-1)


def inception_score(p: Tensor) -> float:
    """Mean divergence of p(y|x) from p(y), of results [N, M, C]: M each of N pictures; in nats."""
    everything = p.flatten(0, 1)
    return divergence(everything, everything.mean(0)).mean().item()


def conditional_inception_score(p: Tensor) -> float:
    """Mean divergence of p(y|x) from that of all results of the same picture; never above IS."""
    return divergence(p, p.mean(1, keepdim=True)).mean().item()


def pairs_of_results(count: int, seed: int, most: int = PAIRS) -> list[tuple[int, int]]:
    """Up to `most` different pairs of so many results, drawn by the seed."""
    everything = list(combinations(range(count), 2))
    return everything if len(everything) <= most else Random(seed).sample(everything, most)


class Diversity(Metric):
    """`diversity_NAME` of every picture: the mean distance of pairs of its results."""

    scores = {f"diversity_{name}": Better.MORE for name in ("lpips", *KINDS)}
    scores["real_diversity_*"] = Better.NEITHER

    def __init__(self, name: str, distance: Distance, reals: Iterable, device: torch.device):
        """reals are pictures of the target domain, uint8 [H, W, 3]: how far they are apart."""
        self.name = f"diversity_{name}"
        self.distance = distance
        self.reals = reals
        self.device = device
        self.seen = 0

    @torch.no_grad()
    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        rows: list[dict[str, Value]] = []
        for pair in pairs:
            results = to_batch(pair.results(), self.device)
            chosen = pairs_of_results(len(results), self.seen)
            self.seen += 1
            if not chosen:
                rows.append({})
                continue
            first, second = (results[list(own)] for own in zip(*chosen, strict=True))
            rows.append({self.name: self.distance(first, second).mean().item()})
        return rows

    @torch.no_grad()
    def whole(self) -> dict[str, SetScore]:
        """The same of pairs of real pictures that are as large as one another."""
        found = []
        for pictures in same_size(self.reals):
            chosen = pairs_of_results(len(pictures), 0, REAL_PAIRS)
            for first, second in chosen:
                pair = (to_batch([pictures[i]], self.device) for i in (first, second))
                found.append(self.distance(*pair).item())
        if not found:
            return {}
        protocol = f"{len(found)} pairs of real pictures of the target domain"
        return {f"real_{self.name}": SetScore(float(np.mean(found)), len(found), protocol)}


def same_size(pictures: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    found: dict[tuple, list[np.ndarray]] = {}
    for picture in pictures:
        found.setdefault(picture.shape, []).append(picture)
    yield from found.values()


def lpips_distance(network: nn.Module) -> Distance:
    """LPIPS, of a network that takes pictures in [-1, 1]."""

    def distance(first: Tensor, second: Tensor) -> Tensor:
        return network(*(x.float() / 127.5 - 1 for x in (first, second))).flatten()

    return distance


def classifier_distance(classifier: Classifier) -> Distance:
    """LPIPS' sum over stages, in a classifier's features and without weights of channels."""

    def distance(first: Tensor, second: Tensor) -> Tensor:
        both = zip(classifier.stages(first), classifier.stages(second), strict=True)
        return sum((normalize(x) - normalize(y)).square().sum(1).mean((1, 2)) for x, y in both)

    return distance


class InceptionScores(Metric):
    """`is` and `cis` of all results, in nats, and as MUNIT prints them, exp of that."""

    scores = dict.fromkeys(("is", "is_exp", "cis", "cis_exp"), Better.MORE)

    def __init__(self, classify: Callable[[Tensor], Tensor], name: str, device: torch.device):
        """classify pictures uint8 [B, 3, H, W] -> probabilities [B, C]."""
        self.classify = classify
        self.name = name
        self.device = device
        self.found: list[Tensor] = []

    @torch.no_grad()
    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        for pair in pairs:
            self.found.append(self.classify(to_batch(pair.results(), self.device)).cpu().double())
        return [{} for _ in pairs]

    def whole(self) -> dict[str, SetScore]:
        fewest = min(map(len, self.found))
        p = torch.stack([own[:fewest] for own in self.found])
        protocol = f"{fewest} results of each of {len(p)} pictures, by the classifier {self.name}"
        scores = {}
        for name, score in (("is", inception_score), ("cis", conditional_inception_score)):
            if name == "cis" and fewest < 2:
                continue
            values = resampled(p, score)
            scores[name] = SetScore(score(p), len(p), protocol, float(np.std(values)))
            spread = float(np.std(np.exp(values)))
            scores[f"{name}_exp"] = SetScore(float(np.exp(score(p))), len(p), protocol, spread)
        return scores


def resampled(p: Tensor, score: Callable[[Tensor], float]) -> np.ndarray:
    """A score of sets of pictures that are drawn from p with replacement."""
    rng = np.random.default_rng(0)
    draws = (torch.from_numpy(rng.integers(len(p), size=len(p))) for _ in range(RESAMPLED))
    return np.array([score(p[own]) for own in draws])
