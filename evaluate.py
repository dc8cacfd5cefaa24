#!/usr/bin/env python3
"""Score translations: `python evaluate.py --dataroot datasets/shapes --name shapes`."""

import sys
from pathlib import Path

import torch

import test as translation
from metrics.pairs import PairFolder
from metrics.report import runs_table, score_folder, table_of, write_scores
from metrics.yardsticks import Yardsticks
from options import evaluate_options
from training.device import choose_device
from util.command_line import aligned
from util.errors import command
from util.memory import enough_memory

LESS_MEMORY = "lower --batch or --batch_size"


@command
def main(argv: list[str] | None = None) -> None:
    opt, to_translate = evaluate_options.parse(argv)
    with enough_memory(LESS_MEMORY):
        evaluate(opt, to_translate)


def evaluate(opt, to_translate) -> None:
    """Translate if that is asked for, and score every folder of results."""
    yardsticks = Yardsticks(opt, choose_device(opt.gpu_ids))
    paths: list[Path] = opt.results if to_translate is None else [translation.test(to_translate)]
    folders = [PairFolder(path) for path in paths]
    runs = []
    for folder in folders:
        runs.append(score_folder(folder, yardsticks, opt.batch))
        write_scores(folder, runs[-1], about(opt, yardsticks))
        print(f"\n{folder.folder}\n{aligned(table_of(runs[-1]))}")
    if len(runs) > 1:
        print(f"\n{aligned(runs_table(runs))}")
    print(f"\nscores: {', '.join(str(path / 'metrics.json') for path in paths)}")


def about(opt, yardsticks: Yardsticks) -> dict:
    """How the scores were made."""
    options = {name: value for name, value in vars(opt).items() if name not in ("results", "name")}
    return {"options": options, "notes": yardsticks.notes, "torch": str(torch.__version__)}


if __name__ == "__main__":
    main(sys.argv[1:])
