#!/usr/bin/env python3
"""What one training step of InstaGAN runs through: files, lines, and the deepest stack of calls.

    python benchmarks/trace_step.py

Counted are this project's files alone: those of which a line is executed in the second step, all
their lines, the lines executed, and how many of the project's functions call one another at most.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.train_step import random_scenes
from models import create_model
from options.train_options import TrainOptions

WORDS = (
    "--dataroot . --ngf 4 --ndf 4 --n_blocks 1 --ins_max 2 --ins_per 1 --load_size 24 "
    "--crop_size 24 --gpu_ids -1"
)


def main() -> None:
    files, depth = trace()
    lines = {name: len((ROOT / name).read_text().splitlines()) for name in files}
    executed = sum(map(len, files.values()))
    print(
        f"{len(files)} files, {sum(lines.values())} lines in them, {executed} lines executed; "
        f"deepest stack {depth}"
    )
    for name, own in sorted(files.items(), key=lambda item: -len(item[1])):
        print(f"{len(own):4} of {lines[name]:4} lines  {name}")


def trace() -> tuple[dict[str, set[int]], int]:
    """The lines executed by file, and the depth of the deepest stack."""
    model = create_model(TrainOptions().parse(WORDS.split()), torch.device("cpu"))
    size = argparse.Namespace(size=24, instances=2)
    scenes = {domain: random_scenes(1, size, seed) for seed, domain in enumerate("AB")}
    model.step(scenes, 0)  # the optimisers make their states in the first step
    files: dict[str, set[int]] = defaultdict(set)
    deepest = 0

    def own_file(frame) -> str | None:
        path = Path(frame.f_code.co_filename)
        inside = path.is_relative_to(ROOT) and ".venv" not in path.parts
        return str(path.relative_to(ROOT)) if inside else None

    def watch(frame, event, _):
        nonlocal deepest
        if not (name := own_file(frame)):
            return None
        files[name].add(frame.f_lineno)
        if event == "call":
            stack = [frame]
            while stack[-1].f_back is not None:
                stack.append(stack[-1].f_back)
            names = [own_file(one) for one in stack]
            callers = names.index(str(Path(__file__).relative_to(ROOT)))
            deepest = max(deepest, sum(name is not None for name in names[:callers]))
        return watch

    sys.settrace(watch)
    try:
        model.step(scenes, 1)
    finally:
        sys.settrace(None)
    files.pop(str(Path(__file__).relative_to(ROOT)), None)
    return dict(files), deepest


if __name__ == "__main__":
    main()
