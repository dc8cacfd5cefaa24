#!/usr/bin/env python3
"""Translate pictures: `python test.py --dataroot datasets/shapes --name shapes`. See `--help`."""

import sys
from dataclasses import asdict
from pathlib import Path

from data import create_dataset
from data.loader import batches_of_one_size
from models.showcase import shown
from models.trained_run import TrainedRun
from options.base_options import run_folder
from options.test_options import TestOptions
from pages.results import Results
from util.errors import command
from util.memory import enough_memory
from util.stamp import now, typed_command, versions

LESS_MEMORY = "lower --batch_size, or try --precision bf16"


@command
def main(argv: list[str] | None = None) -> None:
    opt = TestOptions().parse(argv)
    with enough_memory(LESS_MEMORY):
        test(opt)


def test(opt) -> Path:
    """Translate what the options ask for; returns the folder of the results."""
    folder = Path(opt.results_dir) / opt.name / f"{opt.phase}_{opt.label}"
    translate = TrainedRun(opt, run_folder(opt))
    if opt.verbose:
        print(*translate.model.networks.values(), sep="\n")
    dataset = create_dataset(opt)
    ways = [way for way in translate.model.directions if opt.direction in (way.name, "both")]
    domains = {way: dataset.domain(way.source) for way in ways}
    if opt.dry_run:
        counts = ", ".join(f"{len(scenes)} of {way.source}" for way, scenes in domains.items())
        print(f"dry run: {opt.label} fits, {counts} to translate, nothing written")
        return folder

    about = {
        "model": opt.model,
        "epoch": translate.model.loaded,
        "data": opt.dataroot,
        "date": now(),
    }
    about |= {
        **translate.model.remarks(opt),
        "command": typed_command(),
        "options": {name: vars(opt)[name] for name in opt.typed if name in vars(opt)},
        "versions": versions(),
    }
    how = asdict(dataset.how) if dataset.how else None
    results = Results(folder, opt, how, about, translate.model.scored_by)
    for way, scenes in domains.items():
        count = min(len(scenes), opt.num_test or len(scenes))
        masks = None
        if "masks" in translate.model.needs:
            masks = sum(map(scenes.masks_of, range(len(scenes))))
        done = 0
        for places, batch in batches_of_one_size(scenes, count, opt.batch_size):
            moved = translate(batch, way)
            columns = shown(way, moved)
            results.add(places, batch, columns, way, steps=moved.steps, numbers=moved.numbers)
            done += len(batch)
            results.report(way.source, done, count, len(scenes), masks)
    results.write()
    return folder


if __name__ == "__main__":
    main(sys.argv[1:])
