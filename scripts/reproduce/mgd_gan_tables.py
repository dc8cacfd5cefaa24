"""What the study of MGD-GAN shows: its tables and pictures, for docs/mgd_gan.md."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data.masks import read_mask
from data.pictures import read_image
from metrics.detection import Detection
from metrics.detectors import ShapeDetector
from metrics.pair import Pair
from metrics.shapes import TARGETS
from scripts.reproduce.runs import Laboratory, Row
from scripts.reproduce.sheets import picture_line
from scripts.reproduce.tables import cell, commands_of, markdown, put

PAGE = "mgd_gan.md"
SCORES = {
    "image_shape_success": "shape success",
    "image_shape_success_85": "at 0.85",
    "mask_shape_success": "mask success",
    "mmr": "MMR",
    "mods": "MODS",
    "mvis": "MVIS",
    "mmr_pooled": "MMR, pooled",
    "background_l1": "background L1",
}


def write(laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace) -> None:
    """The tables and pictures of the rows that are done, into docs/mgd_gan.md."""
    done = laboratory.done(rows)
    if not done:
        return
    counts = sorted({row.facts["instances"] for row in rows})
    parts = ["Mean ± sd over the seeds, both directions averaged."]
    for count in counts:
        parts += [f"Pictures of {count} instances:", table(done, count, args.data)]
    parts += ["Shape success on 2 instances along the training:", progress_table(done)]
    drawn = drawn_rows(laboratory, rows)
    for source, title in (("A", "disks to triangles"), ("B", "triangles to disks")):
        for count in counts:
            own = [row for row in drawn if row.facts["instances"] == count]
            path = args.folder / f"mgd_gan_{source}_{count}.png"
            parts += picture_line(laboratory, own, path, f"{title}, {count} instances", source)
    put(args.folder.parent / PAGE, "mgd_gan", "\n\n".join([*parts, commands_of(done)]))


def drawn_rows(laboratory: Laboratory, rows: Sequence[Row]) -> list[Row]:
    """Whole trainings of one seed: the first one that is done, with all translations here."""
    by_seed: dict[int, list[Row]] = {}
    for row in rows:
        if row.facts["part"] == 1:
            by_seed.setdefault(row.facts["seed"], []).append(row)
    whole = (own for own in by_seed.values() if all(map(laboratory.record, own)))
    return next(filter(laboratory.at_hand, whole), by_seed[0])


def table(done: Sequence[dict], count: int, data: Path) -> str:
    """A line for each method, and two of real pictures, between which the others should lie."""
    lines = []
    for method in dict.fromkeys(row["method"] for row in done):
        own = pick(done, method, count)
        if own:
            minutes = np.mean([row["training_seconds"] for row in own]) / 60
            cells = [cell(own, name) for name in SCORES]
            lines.append([method, str(len(own)), f"{minutes:.1f}", *cells])
    for title, untouched in (
        ("real pictures of the target", False),
        ("the sources, untouched", True),
    ):
        found = reference(data / f"exactly_{count}", untouched)
        cells = [f"{found[name]:.1f}" if name in found else "–" for name in SCORES]
        lines.append([title, "–", "–", *cells])
    return markdown(["method", "seeds", "minutes", *SCORES.values()], lines)


def pick(done: Sequence[dict], method: str, count: int, part: float = 1.0) -> list[dict]:
    wanted = (method, count, part)
    return [row for row in done if (row["method"], row["instances"], row["part"]) == wanted]


def progress_table(done: Sequence[dict]) -> str:
    """How far some methods are after a part of their training, and how long that took."""
    parts = sorted({row["part"] for row in done})
    watched = [row for row in done if row["part"] < 1]
    lines = []
    for method, count in dict.fromkeys((row["method"], row["instances"]) for row in watched):
        cells = []
        for part in parts:
            own, whole_time = pick(done, method, count, part), pick(done, method, count)
            if not own or not whole_time:
                cells.append("–")
                continue
            minutes = np.mean([row["training_seconds"] for row in whole_time]) / 60
            minutes *= own[0]["done"]
            cells.append(f"{cell(own, 'image_shape_success')} ({minutes:.1f} min)")
        lines.append([method, *cells])
    return markdown(["method", *(f"{part:.0%}" for part in parts)], lines)


def reference(root: Path, untouched: bool) -> dict[str, float]:
    """MMR, MODS and MVIS of real pictures, taken for translations; the mean of both directions.

    The pictures of the target domain as they are, or those of the source, untouched.
    """
    found: dict[str, list[float]] = {}
    for source, target in (("A", "B"), ("B", "A")):
        domain = source if untouched else target
        detector = ShapeDetector(
            lambda pair, d=domain: picture(root / f"test{d}_background", pair.name)
        )
        metric = Detection(detector, TARGETS[source], "")
        for scores in metric.pictures(list(pairs_of(root, domain))):
            for name, value in scores.items():
                found.setdefault(name, []).append(value)
        for name, score in metric.whole().items():
            found.setdefault(name, []).append(score.value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def pairs_of(root: Path, domain: str) -> Iterator[Pair]:
    """Every test picture of a domain as its own translation."""
    for path in sorted((root / f"test{domain}").glob("*.png")):
        image = picture(path.parent, path.stem)
        files = sorted((root / f"test{domain}_seg").glob(f"{path.stem}_*.png"))
        masks = np.stack([read_mask(file) for file in files])
        union = masks.any(0)
        yield Pair(path.stem, domain, image, image, masks, masks, union, union)


def picture(folder: Path, stem: str) -> np.ndarray:
    return read_image(folder / f"{stem}.png", 3).transpose(1, 2, 0)
