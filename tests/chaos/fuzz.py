#!/usr/bin/env python3
"""Options, datasets and files that nobody thought of: each works, or gets one clear line.

    python tests/chaos/fuzz.py --options 5000 --datasets 500 --files 2000

What else happens is printed with the smallest example that hypothesis finds.
"""

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2])]

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from odd import SMALL, datasets, option_sets, write_dataset
from PIL import Image

import test as test_command
import train
from data.masks import read_mask
from data.pictures import read_image
from datasets import generate_shapes_dataset
from loggers.records import read_records
from training.state_file import load_file, read_state
from training.trainer import Trainer
from util.command_line import OneLineParser
from util.errors import UserError


class OneStep(Exception):  # noqa: N818, the good end of an example
    """A step was taken."""


def main(argv: list[str] | None = None) -> None:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--options", type=int, default=5000, help="sets of options")
    parser.add_argument("--datasets", type=int, default=500)
    parser.add_argument("--files", type=int, default=2000, help="broken files")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        words = "--save_root data --size 32 --train 3 --test 2 --max_instances 3"
        quietly(lambda: generate_shapes_dataset.main(words.split()))
        print("options:", told(fuzz_options(args.options, args.seed)))
        print("datasets:", told(fuzz_datasets(args.datasets, args.seed)))
        print("broken files:", told(fuzz_files(args.files, args.seed)))


@contextlib.contextmanager
def one_step() -> Iterator[None]:
    """Within the block a training ends after its first step."""
    honest = Trainer.step

    def step(self, batch):
        honest(self, batch)
        raise OneStep

    Trainer.step = step
    try:
        yield
    finally:
        Trainer.step = honest


def told(counts: Counter) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def quietly(call) -> tuple[str, str]:
    """Call it; returns what went to stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        call()
    return out.getvalue(), err.getvalue()


def verdict(main, argv: list[str]) -> str:
    """`a step taken`, `refused` or `done`; raises AssertionError for anything else."""
    err = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
            main(argv)
    except OneStep:
        return "a step taken"
    except SystemExit as end:
        lines = [line for line in err.getvalue().splitlines() if not line.startswith("warning: ")]
        clear = lines and all(line.startswith("error: ") and len(line) > 20 for line in lines)
        assert end.code == 2 and clear, (argv, end.code, err.getvalue())
        return "refused"
    return "done"


def run_fuzz(strategy, check, count: int, seed: int) -> Counter:
    """`check` of so many examples, counted by what it returns."""
    counts: Counter = Counter()
    if not count:
        return counts

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(strategy)
    def examples(example):
        counts[check(example)] += 1

    seeded(seed)(examples)()
    return counts


# ---- options and datasets


def fuzz_options(count: int, seed: int) -> Counter:
    def check(words: list[str]) -> str:
        shutil.rmtree("checkpoints", ignore_errors=True)
        return verdict(train.main, ["--dataroot", "data", "--name", "r", *SMALL.split(), *words])

    with one_step():
        return run_fuzz(option_sets(), check, count, seed)


def fuzz_datasets(count: int, seed: int) -> Counter:
    def check(example: tuple) -> str:
        pictures, words = example
        write_dataset(Path("odd"), pictures)
        shutil.rmtree("checkpoints", ignore_errors=True)
        more = ["--data_patience", "0", *words.split()]
        return verdict(train.main, ["--dataroot", "odd", "--name", "r", *SMALL.split(), *more])

    words = st.sampled_from(
        (
            "",
            "--no_mask keep",
            "--preprocess crop",
            "--preprocess none",
            "--preprocess scale_width",
            "--cache",
            "--input_nc 1 --output_nc 1",
            "--batch_size 2",
            "--dry_run",
        )
    )
    with one_step():
        return run_fuzz(st.tuples(datasets(), words), check, count, seed)


# ---- broken files


def fuzz_files(count: int, seed: int) -> Counter:
    """Flipped bits and lost ends of every kind of file that is read."""
    verdict(train.main, f"--dataroot data --name r --niter 1 --niter_decay 0 {SMALL}".split())
    verdict(test_command.main, "--dataroot data --name r --gpu_ids -1".split())
    picture = next(Path("data/trainA").iterdir())
    Image.open(picture).save("a.jpg")
    Image.open(picture).save("a.webp")
    Image.open(picture).save("a.tif")
    run = Path("checkpoints/r")
    cached = f"--dataroot data --name c --cache --niter 1 --niter_decay 0 {SMALL}".split()
    verdict(train.main, cached)
    cache = next(Path("data/cache").glob("trainA*.scenes"))
    retrain = ["--overwrite", *cached]
    translate = "--dataroot data --name r --gpu_ids -1 --num_test 1".split()
    kinds = {
        picture: lambda path: read_image(path, 3),
        Path("a.jpg"): lambda path: read_image(path, 3),
        Path("a.webp"): lambda path: read_image(path, 1),
        Path("a.tif"): read_mask,
        run / "state.pt": read_state,
        run / "latest_net_G_A.pth": load_file,
        run / "metrics.jsonl": read_records,
        run / "options.json": lambda _: verdict(test_command.main, translate),
        cache: lambda _: verdict(train.main, retrain),
    }
    wholes = {path: path.read_bytes() for path in kinds}
    draw, counts = random.Random(seed), Counter()
    quick = [path for path in kinds if path not in (cache, run / "options.json")]
    for number in range(count):
        path = draw.choice(list(kinds) if number % 20 == 0 else quick)
        path.write_bytes(harmed(wholes[path], draw))
        try:
            kinds[path](path)
            counts["read all the same"] += 1
        except UserError as error:
            assert str(error) and "\n" not in str(error), error
            counts["refused"] += 1
        finally:
            path.write_bytes(wholes[path])
    return counts


def harmed(content: bytes, draw: random.Random) -> bytes:
    """With some bits flipped, or cut, or with bytes between."""
    content = bytearray(content)
    kind = draw.randrange(4)
    if kind == 0:
        return bytes(content[: draw.randrange(len(content))])
    if kind == 1:
        place = draw.randrange(len(content))
        content[place:place] = draw.randbytes(draw.randrange(1, 50))
    for _ in range(draw.choice((1, 1, 3, 30))):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


if __name__ == "__main__":
    main(sys.argv[1:])
