#!/usr/bin/env python3
"""MGD-GAN beside InstaGAN and its baselines, on drawn shapes, at equal training time.

    bash scripts/reproduce_mgd_gan.sh --dry_run     # what would be run
    bash scripts/reproduce_mgd_gan.sh               # run what is left of it

Rows A to E are those of MGD-GAN's Table 2. The epochs of every method are such that it trained for
about as long as the others, two trainings at a time on two cores; how long each took is in the
table. Every finished row is kept in docs/results/mgd_gan and not made again (another --folder
measures anew); the table goes into docs/mgd_gan.md.
"""

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data.masks import read_mask
from data.pictures import read_image
from metrics.detection import Detection
from metrics.detectors import ShapeDetector
from metrics.pairs import Pair
from metrics.shapes import TARGETS
from scripts.reproduce.ablation import test_data, training_data
from scripts.reproduce.drawn import draw, parse, slug
from scripts.reproduce.runs import Laboratory, Row, Training
from scripts.reproduce.sheets import picture_line
from scripts.reproduce.tables import cell, commands_of, markdown, put
from util.errors import command

TESTS = (2, 6)  # instances in test pictures
SIZE = "--load_size 48 --crop_size 48 --ngf 12 --ndf 12 --ins_max 2 --batch_size 4"
QUIET = "--print_freq 400 --display_id 0 --no_html"
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


def epochs(count: int) -> str:
    """Half of them at the full rate, half while it falls, as in the paper's stages."""
    return f"--niter {count - count // 2} --niter_decay {count // 2}"


@dataclass(frozen=True)
class Method:
    """Options of one training, and how a test has to call it."""

    train: str
    test: str = ""


INSTA = f"--n_blocks 2 {SIZE}"
PASTE = "--paste 0 --paste_on fill"
RIVALS = {
    "CycleGAN": Method(f"--model cycle_gan --double_params {INSTA} {epochs(18)}"),
    "CycleGAN+Seg": Method(f"--model cycle_gan_seg --double_params {INSTA} {epochs(18)}"),
    "InstaGAN, one step": Method(f"--ins_per 2 {INSTA} {epochs(8)}", "--ins_per 6"),
    "InstaGAN, sequential": Method(f"--ins_per 1 {INSTA} {epochs(6)}", "--ins_per 1"),
    "InstaGAN, one step, pasted": Method(f"--ins_per 2 {PASTE} {INSTA} {epochs(8)}", "--ins_per 6"),
    "InstaGAN, sequential, pasted": Method(
        f"--ins_per 1 {PASTE} {INSTA} {epochs(6)}", "--ins_per 1"
    ),
}
MGD = f"--model mgd_gan --n_blocks 3 --halvings 4 {SIZE}"
STAGES = {"mask": 8, "image": 8, "finetune": 2}  # epochs
E2E = 8
ROWS = {  # of Table 2: options of the stages that train masks, and the epochs of the fine-tuning
    "A: MGD-GAN": ("", STAGES["finetune"]),
    "B: without L_reg": ("--lambda_reg 0", STAGES["finetune"]),
    "C: without L_const": ("--lambda_const 0", STAGES["finetune"]),
    "D: without fine-tuning": ("", 0),
}
END_TO_END = "E: end to end"
METHODS = (*RIVALS, *ROWS, END_TO_END)


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(__doc__, "datasets/ablation", argv)
    rows = [row for seed in range(args.seeds) for row in rows_of(seed, args)]
    laboratory = Laboratory(args.folder / "mgd_gan", args.jobs, args.device)
    if args.dry_run:
        print(laboratory.plan(rows))
        return
    draw(args.data / "2", training_data(2))
    for count in TESTS:
        draw(args.data / f"exactly_{count}", test_data(count))
    try:
        laboratory.run(rows)
    finally:
        write(laboratory, rows, args)


# ---- what is trained and scored


def rows_of(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """All rows of one seed."""
    for name, method in RIVALS.items():
        training = training_of(slug(name), method.train, seed, args)
        yield from tests_of(name, training, method.test, seed, args)
    image = stage("image", "", STAGES["image"], seed, args)
    for name, (options, last) in ROWS.items():
        masks = stage("mask", options, STAGES["mask"], seed, args)
        words = f"{MGD} --stage finetune {options} {epochs(last)}"
        training = training_of(slug(name), words, seed, args, (masks, image))
        yield from tests_of(name, training, "", seed, args)
    training = training_of(slug(END_TO_END), f"{MGD} --stage e2e {epochs(E2E)}", seed, args)
    yield from tests_of(END_TO_END, training, "", seed, args)


def stage(kind: str, options: str, count: int, seed: int, args) -> Training:
    """One of the first two stages, which rows share where their options are the same."""
    name = "_".join(["stage", kind, *([slug(options)] if options else [])])
    return training_of(name, f"{MGD} --stage {kind} {options} {epochs(count)}", seed, args)


def training_of(
    name: str, options: str, seed: int, args, after: tuple[Training, ...] = ()
) -> Training:
    words = f"--dataroot {args.data}/2 {options} {QUIET} --seed {seed}"
    words = (*words.split(), *shlex.split(args.train_options))
    return Training(f"{name}_{seed}", words, training_data(2), after)


def tests_of(
    name: str, training: Training, options: str, seed: int, args: argparse.Namespace
) -> Iterator[Row]:
    """Translations of pictures with each number of instances."""
    for count in TESTS:
        words = f"--dataroot {args.data}/exactly_{count} --ins_max {max(TESTS)} --batch_size 10"
        words += f" --metrics auto,detection {options}"
        facts = {"method": name, "instances": count, "seed": seed}
        stem = training.name.rsplit("_", 1)[0]
        yield Row(
            f"{stem}_on{count}_{seed}",
            training,
            tuple(words.split()),
            facts,
            title=name,
            data=test_data(count),
        )


# ---- what is written of it


def write(laboratory: Laboratory, rows: Sequence[Row], args: argparse.Namespace) -> None:
    """The tables and pictures of the rows that are done, into docs/mgd_gan.md."""
    done = laboratory.done(rows)
    if not done:
        return
    parts = ["Mean ± sd over the seeds, both directions averaged."]
    for count in TESTS:
        parts += [f"Pictures of {count} instances:", table(done, count, args.data)]
    for source, title in (("A", "disks to triangles"), ("B", "triangles to disks")):
        for count in TESTS:
            wanted = {"seed": 0, "instances": count}
            own = [row for row in rows if row.facts.items() >= wanted.items()]
            path = args.folder / f"mgd_gan_{source}_{count}.png"
            parts += picture_line(laboratory, own, path, f"{title}, {count} instances", source)
    text = "\n\n".join([*parts, commands_of(done)])
    text = text.replace("](results/", f"]({args.folder.name}/")
    put(args.folder.parent / PAGE, "mgd_gan", text)


def table(done: Sequence[dict], count: int, data: Path) -> str:
    """A line for each method, and two of real pictures, between which the others should lie."""
    lines = []
    for method in METHODS:
        own = [row for row in done if (row["method"], row["instances"]) == (method, count)]
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


if __name__ == "__main__":
    main(sys.argv[1:])
