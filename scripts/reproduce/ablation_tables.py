"""What the ablation shows: its tables and pictures, for docs/results.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.reproduce.by_step import shares
from scripts.reproduce.runs import Laboratory, Row
from scripts.reproduce.sheets import picture_line
from scripts.reproduce.tables import cell, commands_of, markdown, put, score_of

FIGURE_9 = (
    *("CycleGAN", "CycleGAN+Seg", "InstaGAN, architecture", "+ context loss", "+ sequential"),
    *("CycleGAN+Seg, pasted", "one step, pasted", "sequential, pasted"),
    "sequential, pasted on the source",
)
FIGURE_10 = {  # how it was trained, and the method of that
    "One": "+ context loss",
    "Seq": "+ sequential",
    "One, pasted": "one step, pasted",
    "Seq, pasted": "sequential, pasted",
}
GENERALISATION = (
    *("+ context loss", "+ sequential", "one step, pasted", "sequential, pasted"),
    "sequential, pasted on the source",
    *("one step, pasted, trained on 1 to 4", "sequential, pasted, trained on 1 to 4"),
)
FEW, ALL = (2, 6), (2, 6, 10)  # instances in test pictures
SCORES = {
    "image_shape_success": "shape success",
    "image_shape_success_85": "at 0.85",
    "mask_shape_success": "mask success",
    "background_l1": "background L1",
}


class Claim(NamedTuple):
    """One method is better than another in a score, of which more is better unless `less`."""

    text: str
    better: str
    worse: str
    score: str = "image_shape_success"
    less: bool = False


CLAIMS = (
    Claim("InstaGAN over CycleGAN+Seg", "+ sequential", "CycleGAN+Seg"),
    Claim("the same in one step", "+ context loss", "CycleGAN+Seg"),
    Claim("CycleGAN+Seg over CycleGAN", "CycleGAN+Seg", "CycleGAN"),
    Claim(
        "the context loss keeps the background",
        "+ context loss",
        "InstaGAN, architecture",
        "background_l1",
        less=True,
    ),
    Claim("sequential training over one step, picture", "+ sequential", "+ context loss"),
    Claim(
        "sequential training over one step, masks",
        "+ sequential",
        "+ context loss",
        "mask_shape_success",
    ),
    Claim("pasting helps CycleGAN+Seg", "CycleGAN+Seg, pasted", "CycleGAN+Seg"),
    Claim("pasting helps one step", "one step, pasted", "+ context loss"),
    Claim("pasting helps sequential training", "sequential, pasted", "+ sequential"),
    Claim("pasted: InstaGAN over CycleGAN+Seg", "sequential, pasted", "CycleGAN+Seg, pasted"),
    Claim("pasted: sequential over one step", "sequential, pasted", "one step, pasted"),
    Claim(
        "pasted: sequential over one step",
        "sequential, pasted",
        "one step, pasted",
        "image_shape_success_85",
    ),
    Claim(
        "pasted, trained on 1 to 4: sequential over one step",
        "sequential, pasted, trained on 1 to 4",
        "one step, pasted, trained on 1 to 4",
        "image_shape_success_85",
    ),
)


def write(laboratory: Laboratory, rows: Sequence[Row], folder: Path) -> None:
    """Put the tables of the rows that are done into results.md beside `folder`, and the sheets."""
    done = laboratory.done(rows)
    if not done:
        return
    parts = [method_table(done), one_and_sequential(done), step_table(done)]
    parts += [generalisation(done), averages(done), claims(done), cost_table(done)]
    for direction in ("AtoB", "BtoA"):
        for count in ALL:
            wanted = {"seed": 0, "instances": count, "inference": ""}
            own = [row for row in rows if row.facts.items() >= wanted.items()]
            path = folder / f"ablation_{direction}_{count}.png"
            title = f"{direction}, {count} instances"
            parts += picture_line(laboratory, own, path, title, direction[0])
    put(folder.parent / "results.md", "ablation", "\n\n".join([*parts, commands_of(done)]))


def pick(done: Sequence[dict], method: str, count: int, inference: str = "") -> list[dict]:
    wanted = (method, count, inference)
    return [r for r in done if (r["method"], r["instances"], r["inference"]) == wanted]


def titles(counts: Sequence[int], scores: Sequence[str]) -> list[str]:
    return [f"{SCORES[name]}, {count} instances" for count in counts for name in scores]


def method_table(done: Sequence[dict]) -> str:
    """Figure 9: what each part adds, and what pasting does."""
    lines = [
        [method, *(cell(pick(done, method, n), name) for n in FEW for name in SCORES)]
        for method in FIGURE_9
    ]
    seeds = len({row["seed"] for row in done})
    judged = [
        f"{total} of {judged_of(done, n, 'mask_shape_success')} in pictures of {n}"
        for n in FEW
        if (total := judged_of(done, n, "image_shape_success"))
    ]
    text = (
        f"Mean ± sd over {seeds} seeds, both directions averaged. Shape success is judged for "
        f"instances that overlap no other: {' and '.join(judged)}."
    )
    return f"{text}\n\n{markdown(['method', *titles(FEW, SCORES)], lines)}"


def judged_of(done: Sequence[dict], count: int, score: str) -> int:
    """How many instances a score is the mean of, both directions together."""
    rows = [row for row in done if row["instances"] == count and row["seed"] == 0]
    totals = [sum(own.get(score, 0) for own in row["counts"].values()) for row in rows]
    return max(totals, default=0)


def one_and_sequential(done: Sequence[dict]) -> str:
    """Figure 10: one-step and sequential at training and at inference."""
    lines = []
    for trained, method in FIGURE_10.items():
        for inference in ("One", "Seq"):
            suffix = "" if trained.startswith(inference) else f"_{inference.lower()}"
            cells = [cell(pick(done, method, n, suffix), s) for n in FEW for s in SCORES]
            lines.append([f"{trained} / {inference}", *cells])
    return markdown(["training / inference", *titles(FEW, SCORES)], lines)


def step_table(done: Sequence[dict]) -> str:
    """Shape success by the step in which an instance is translated, one after the other."""
    lines = []
    for count in FEW:
        for trained, method in FIGURE_10.items():
            own = pick(done, method, count, "" if trained.startswith("Seq") else "_seq")
            for direction, found in shares([row["steps"] for row in own if "steps" in row]).items():
                cells = ["–" if share is None else f"{share:.2f}" for share in found]
                cells += ["–"] * (max(FEW) - len(cells))
                lines.append([f"{trained} / Seq", direction, str(count), *cells])
    steps = [f"step {step + 1}" for step in range(max(FEW))]
    table = markdown(["training / inference", "direction", "instances", *steps], lines)
    return f"Shape success by the step in which an instance was translated:\n\n{table}"


def generalisation(done: Sequence[dict]) -> str:
    """How methods fare with more instances than they were trained on."""
    scores = ("image_shape_success", "image_shape_success_85", "mask_shape_success")
    lines = [
        [method, *(cell(pick(done, method, n), name) for n in ALL for name in scores)]
        for method in GENERALISATION
        if any(pick(done, method, n) for n in ALL)
    ]
    text = (
        "More instances than in training, each method's own way of inference; trained on 1 or 2 "
        "where nothing else is said, and 10 are smaller ones:"
    )
    return f"{text}\n\n{markdown(['method', *titles(ALL, scores)], lines)}"


def averages(done: Sequence[dict]) -> str:
    """The last weights against their averages, `--ema`."""
    lines = [
        [
            f"{method}, {weights}",
            *(cell(pick(done, method, n, way), s) for n in FEW for s in SCORES),
        ]
        for method in ("one step, pasted", "sequential, pasted")
        for weights, way in (("the last weights", ""), ("averaged", "_ema"))
    ]
    return markdown(["weights", *titles(FEW, SCORES)], lines)


def claims(done: Sequence[dict]) -> str:
    """The claims, seed by seed, on all tests of both methods."""
    lines = []
    for claim in CLAIMS:
        for count in ALL:
            if gains := gains_by_seed(done, claim, count):
                right = sum(gain < 0 if claim.less else gain > 0 for gain in gains)
                shown = ", ".join(f"{gain:+.3f}" for gain in gains)
                holds = f"{right} of {len(gains)} seeds"
                lines.append([claim.text, SCORES[claim.score], str(count), shown, holds])
    return markdown(["claim", "score", "instances", "difference by seed", "holds in"], lines)


def gains_by_seed(done: Sequence[dict], claim: Claim, count: int) -> list[float]:
    """Better minus worse, for each seed of which both are done."""
    values = [
        {row["seed"]: score_of(row, claim.score) for row in pick(done, method, count)}
        for method in (claim.better, claim.worse)
    ]
    both = [[own.get(seed) for own in values] for seed in sorted(values[0])]
    return [first - second for first, second in both if None not in (first, second)]


def cost_table(done: Sequence[dict]) -> str:
    lines = []
    for method in dict.fromkeys(row["method"] for row in done):
        minutes = [row["training_seconds"] / 60 for row in pick(done, method, 2)]
        lines.append([method, ", ".join(f"{value:.1f}" for value in minutes) or "–"])
    return markdown(["method", "minutes of training, by seed"], lines)
