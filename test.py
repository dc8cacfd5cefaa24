#!/usr/bin/env python3
"""Translate pictures: `python test.py --dataroot datasets/shapes --name shapes`. See `--help`."""

import sys
from dataclasses import asdict
from pathlib import Path

from data import create_dataset
from data.loader import batches_of_one_size
from models.translator import Translator
from options.base_options import run_folder
from options.test_options import TestOptions
from pages.results import Results
from util.errors import command
from util.memory import enough_memory
from util.stamp import now, typed_command, versions

LESS_MEMORY = "lower --batch_size or --ins_per, or try --precision bf16"
DOMAINS = {"AtoB": "A", "BtoA": "B", "both": "AB"}


@command
def main(argv: list[str] | None = None) -> None:
    opt = TestOptions().parse(argv)
    with enough_memory(LESS_MEMORY):
        test(opt)


def test(opt) -> Path:
    """Translate what the options ask for; returns the folder of the results."""
    folder = Path(opt.results_dir) / opt.name / f"{opt.phase}_{opt.label}"
    translate = Translator(opt, run_folder(opt))
    if opt.verbose:
        print(*translate.model.networks.values(), sep="\n")
    dataset = create_dataset(opt)
    domains = {letter: dataset.domain(letter) for letter in DOMAINS[opt.direction]}
    if opt.dry_run:
        counts = ", ".join(f"{len(scenes)} of {letter}" for letter, scenes in domains.items())
        print(f"dry run: {opt.label} fits, {counts} to translate, nothing written")
        return folder

    about = {
        "model": opt.model,
        "epoch": translate.model.loaded,
        "data": opt.dataroot,
        "date": now(),
    }
    about |= {
        "command": typed_command(),
        "options": {name: vars(opt)[name] for name in opt.typed if name in vars(opt)},
        "versions": versions(),
    }
    results = Results(folder, opt, asdict(dataset.how) if dataset.how else None, about)
    for letter, scenes in domains.items():
        target = "B" if letter == "A" else "A"
        count = min(len(scenes), opt.num_test or len(scenes))
        masks = None
        if translate.model.needs_masks:
            masks = sum(map(scenes.masks_of, range(len(scenes))))
        done = 0
        for places, batch in batches_of_one_size(scenes, count, opt.batch_size):
            results.add(places, batch, translate(batch, letter), target)
            done += len(batch)
            results.report(letter, done, count, len(scenes), masks)
    results.write()
    return folder


if __name__ == "__main__":
    main(sys.argv[1:])
