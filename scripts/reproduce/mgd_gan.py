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
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.reproduce import mgd_gan_tables
from scripts.reproduce.ablation import test_data, training_data
from scripts.reproduce.drawn import draw, parse, slug
from scripts.reproduce.runs import Laboratory, Row, Training
from util.errors import command

TESTS = (2, 6)  # instances in test pictures
SIZE = "--load_size 48 --crop_size 48 --ngf 12 --ndf 12 --ins_max 2"
BATCH, PAPERS = 4, 1  # pictures of each domain: of InstaGAN here, and of MGD-GAN's paper
QUIET = "--print_freq 400 --display_id 0 --no_html --save_epoch_freq 1"


def epochs(count: int) -> str:
    """Half of them at the full rate, half while it falls, as in the paper's stages."""
    return f"--niter {count - count // 2} --niter_decay {count // 2}"


class Rival(NamedTuple):
    """Options of train.py, its epochs, and options of a test."""

    train: str
    epochs: int
    test: str = ""


class Share(NamedTuple):
    """About which part of a training, the exact share of its epochs, and which one is taken."""

    part: float = 1.0
    done: float = 1.0
    epoch: int = 0


WHOLE = Share()


class Stages(NamedTuple):
    """Options of MGD-GAN's stages, and the epochs of the fine-tuning; `once`: with one seed."""

    mask: str = ""
    image: str = ""
    finetune: str = ""
    last: int = 1
    once: bool = False


INSTA = "--n_blocks 2"
PASTE = "--paste 0 --paste_on fill"
RIVALS = {
    "CycleGAN": Rival(f"--model cycle_gan --double_params {INSTA}", 13),
    "CycleGAN+Seg": Rival(f"--model cycle_gan_seg --double_params {INSTA}", 12),
    "InstaGAN, one step": Rival(f"--ins_per 2 {INSTA}", 5, "--ins_per 6"),
    "InstaGAN, sequential": Rival(f"--ins_per 1 {INSTA}", 4, "--ins_per 1"),
    "InstaGAN, one step, pasted": Rival(f"--ins_per 2 {PASTE} {INSTA}", 5, "--ins_per 6"),
    "InstaGAN, sequential, pasted": Rival(f"--ins_per 1 {PASTE} {INSTA}", 4, "--ins_per 1"),
}
MGD = "--model mgd_gan --n_blocks 3 --halvings 4"
EPOCHS = {"mask": 5, "image": 3, "e2e": 6}
JOINED = "D: without fine-tuning"
ROWS = {  # of Table 2, and our own
    "A: MGD-GAN": Stages(),
    "B: without L_reg": Stages(mask="--lambda_reg 0", finetune="--lambda_reg 0"),
    "C: without L_const": Stages(mask="--lambda_const 0", finetune="--lambda_const 0"),
    JOINED: Stages(last=0),
    "A with --lambda_com 10": Stages(mask="--lambda_com 10", finetune="--lambda_com 10"),
    "A with --lambda_rev 1": Stages(finetune="--lambda_rev 1"),
    "A with --lr 0.0002": Stages(mask="--lr 0.0002", image="--lr 0.0002"),
    "A with --hole_aug 0.5": Stages(image="--hole_aug 0.5", once=True),
}
END_TO_END = "E: end to end"
PARTS = (1 / 3, 2 / 3)  # of a training, after which some methods are looked at as well
WATCHED = ("InstaGAN, one step", "InstaGAN, one step, pasted", JOINED)


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
        mgd_gan_tables.write(laboratory, rows, args)


# ---- what is trained and scored


def rows_of(seed: int, args: argparse.Namespace) -> Iterator[Row]:
    """All rows of one seed."""
    for name, rival in RIVALS.items():
        training = training_of(slug(name), f"{rival.train} {epochs(rival.epochs)}", seed, args)
        yield from tests_of(name, training, rival.test, args)
        for part in PARTS if name in WATCHED else ():
            epoch = round(part * rival.epochs)
            share = Share(part, epoch / rival.epochs, epoch)
            yield test_of(name, training, TESTS[0], rival.test, args, share)
    for name, stages in ROWS.items():
        if seed == 0 or not stages.once:
            yield from tests_of(name, whole(name, stages, seed, args), "", args)
    for part in PARTS if JOINED in WATCHED else ():
        counts = [EPOCHS["mask"], EPOCHS["image"]]
        taken = [round(part * count) for count in counts]
        name = f"{JOINED} at {'_'.join(map(str, taken))}"
        training = whole(name, ROWS[JOINED], seed, args, tuple(map(str, taken)))
        share = Share(part, sum(taken) / sum(counts))
        yield test_of(JOINED, training, TESTS[0], "", args, share)
    options = f"{MGD} --stage e2e {epochs(EPOCHS['e2e'])}"
    training = training_of(slug(END_TO_END), options, seed, args, PAPERS)
    yield from tests_of(END_TO_END, training, "", args)


def whole(
    name: str, stages: Stages, seed: int, args, labels: tuple[str, ...] = ("latest", "latest")
) -> Training:
    """The last stage of MGD-GAN, after the first two, which rows share where they are the same."""
    before = []
    for kind, options in (("mask", stages.mask), ("image", stages.image)):
        own = "_".join(["stage", kind, *([slug(options)] if options else [])])
        words = f"{MGD} --stage {kind} {options} {epochs(EPOCHS[kind])}"
        before.append(training_of(own, words, seed, args, PAPERS))
    words = f"{MGD} --stage finetune {stages.finetune} {epochs(stages.last)}"
    last = training_of(slug(name), words, seed, args, PAPERS)
    return replace(last, after=(*before,), labels=labels)


def training_of(name: str, options: str, seed: int, args, batch: int = BATCH) -> Training:
    words = f"--dataroot {args.data}/2 {options} {SIZE} --batch_size {batch} {QUIET} --seed {seed}"
    words = (*words.split(), *shlex.split(args.train_options))
    return Training(f"{name}_{seed}", words, training_data(2))


def tests_of(
    name: str, training: Training, options: str, args: argparse.Namespace
) -> Iterator[Row]:
    """Translations of pictures with each number of instances."""
    for count in TESTS:
        yield test_of(name, training, count, options, args)


def test_of(
    name: str,
    training: Training,
    count: int,
    options: str,
    args: argparse.Namespace,
    share: Share = WHOLE,
) -> Row:
    """Translations of pictures with `count` instances, by the weights of an epoch or the last."""
    stem, seed = training.name.rsplit("_", 1)
    words = f"--dataroot {args.data}/exactly_{count} --ins_max {max(TESTS)} --batch_size 10"
    words += f" --metrics auto,detection {options}"
    facts = {"method": name, "instances": count, "seed": int(seed)}
    facts |= {"part": share.part, "done": share.done}
    if share.epoch:
        words += f" --epoch {share.epoch}"
        facts["epoch"] = str(share.epoch)
        stem += f"_at_{share.epoch}"
    row = f"{stem}_on{count}_{seed}"
    return Row(row, training, (*words.split(),), facts, title=name, data=test_data(count))


if __name__ == "__main__":
    main(sys.argv[1:])
