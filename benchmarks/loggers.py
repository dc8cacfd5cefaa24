#!/usr/bin/env python3
"""What a training step costs with a dashboard that is there, absent, killed or hanging.

    python benchmarks/loggers.py                    # 200 steps of each case
    python benchmarks/loggers.py --steps 50 --print_freq 1

The cases take turns in one process, a block of steps each; every one has loggers of its own:
console, log files, training page and, but for `none`, visdom. A report is made every --print_freq
steps and pictures every --picture_freq, far more often than by default. Between blocks the threads
have time to finish, so that no case pays for another. Needs visdom.
"""

import argparse
import contextlib
import io
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data import create_dataset
from data.loader import SceneLoader
from datasets import generate_shapes_dataset
from loggers import Loggers, RunCard, create_loggers, make_record
from loggers.records import read_records
from models import create_model
from models.showcase import Showcase
from options.train_options import TrainOptions
from training.progress import Progress, StepTimer
from training.trainer import facts_of
from util.command_line import OneLineParser, aligned
from util.errors import command

SERVER = "from visdom.server.run_server import main; main()"  # without fetching what a page needs
CASES = ("none", "running", "absent", "killed", "hanging", "late")
BLOCK = 10  # steps of a case at a time
REST = 0.5  # seconds between blocks


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        root = Path(folder)
        with contextlib.redirect_stdout(io.StringIO()):
            words = f"--save_root {root}/data --size {args.size} --train {4 * args.batch_size}"
            generate_shapes_dataset.main(words.split())
        times, counts = measure(args, root, Servers(root, stack), stack)
    median = {case: statistics.median(times[case]) for case in CASES}
    rows = [["dashboard", "median step", "to none", "reports in metrics.jsonl"]]
    for case in CASES:
        ratio = f"{median[case] / median['none']:.3f}"
        rows.append([case, f"{1000 * median[case]:.1f} ms", ratio, counts[case]])
    print(aligned(rows))


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200, help="of each case (default 200)")
    parser.add_argument("--size", type=int, default=48, help="of the pictures")
    parser.add_argument("--ngf", type=int, default=8)
    parser.add_argument("--batch_size", type=int, default=2)
    parser.add_argument("--print_freq", type=int, default=2, help="steps between reports")
    parser.add_argument("--picture_freq", type=int, default=20, help="steps between pictures")
    parser.add_argument("--gpu_ids", default="auto", help="as in train.py; -1: CPU")
    return parser.parse_args(argv)


class Servers:
    """A port for each case, and what listens there."""

    def __init__(self, root: Path, stack: contextlib.ExitStack):
        self.root, self.stack = root, stack
        self.ports = {case: free_port() for case in CASES}
        self.running: dict[str, subprocess.Popen] = {}
        for case in ("running", "killed"):
            self.start(case)
        hanging = stack.enter_context(socket.socket())
        hanging.bind(("127.0.0.1", self.ports["hanging"]))
        hanging.listen(1000)

    def start(self, case: str) -> None:
        folder = self.root / f"visdom_{case}"
        folder.mkdir()
        words = ["-port", str(self.ports[case]), "-bind_local", "-env_path", str(folder)]
        child = subprocess.Popen(
            [sys.executable, "-c", SERVER, *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.stack.callback(child.kill)
        self.running[case] = child
        for _ in range(600):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.ports[case]), 1).close()
                return
            time.sleep(0.1)
        raise RuntimeError("visdom's server does not start: bash scripts/install_visdom.sh")

    def at_half_time(self) -> None:
        self.running["killed"].kill()
        self.start("late")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def measure(
    args: argparse.Namespace, root: Path, servers: Servers, stack: contextlib.ExitStack
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Seconds of each step, and the reports that were written of those made, by case."""
    opt = options(args, root, servers)
    dataset = create_dataset(opt["none"])
    batches = forever(SceneLoader(dataset, opt["none"]))
    model = create_model(opt["none"], torch.device("cuda" if opt["none"].gpu_ids else "cpu"))
    showcase = Showcase(opt["none"], dataset, model)
    progress = {case: Progress() for case in CASES}
    loggers: dict[str, Loggers] = {}
    for case in CASES:
        folder = root / "runs" / case
        folder.mkdir(parents=True)
        card = RunCard(case, folder, 10**6, 1)
        with contextlib.redirect_stdout(sys.stderr):
            own = create_loggers(opt[case], card, progress[case], showcase.look)
        loggers[case] = stack.enter_context(own)
    times: dict[str, list[float]] = {case: [] for case in CASES}
    made = dict.fromkeys(CASES, 0)
    order = random.Random(0)
    blocks = -(-args.steps // BLOCK)
    for block in range(blocks + 1):  # the first one warms up
        if block == blocks // 2:
            servers.at_half_time()
        for case in order.sample(CASES, len(CASES)):
            time.sleep(REST)
            for _ in range(BLOCK):
                seconds, reported = step(model, next(batches), progress[case], loggers[case], args)
                made[case] += reported
                times[case] += [seconds] if block else []
    written = {case: len(read_records(root / "runs" / case / "metrics.jsonl")) for case in CASES}
    return times, {case: f"{written[case]} of {made[case]}" for case in CASES}


def step(model, batch, progress: Progress, loggers: Loggers, args) -> tuple[float, bool]:
    """One step as train.py takes it; the seconds it took, and whether it made a report."""
    timer = StepTimer()
    start = time.perf_counter()
    timer.data_ready()
    model.step(batch)
    progress.advance(args.batch_size)
    timer.step_done(progress.step)
    with contextlib.redirect_stdout(io.StringIO()):
        loggers.step(progress)
        if reported := progress.due(args.print_freq * args.batch_size):
            facts = facts_of(model, timer)
            record = make_record(progress, model.get_current_losses(), facts)
            loggers.report(progress, record)
    loggers.pictures(progress)
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, reported


def options(args: argparse.Namespace, root: Path, servers: Servers) -> dict[str, Namespace]:
    """Those of a small training, by case."""
    words = f"--dataroot {root}/data --checkpoints_dir {root} --load_size {args.size}"
    words += f" --crop_size {args.size} --ngf {args.ngf} --ndf {args.ngf} --n_blocks 2 --ins_max 2"
    words += f" --ins_per 1 --batch_size {args.batch_size} --gpu_ids {args.gpu_ids}"
    words += f" --display_freq {args.picture_freq * args.batch_size}"
    words += f" --update_html_freq {args.picture_freq * args.batch_size}"
    return {
        case: TrainOptions().parse(
            f"{words} --logger {'none' if case == 'none' else 'visdom'} "
            f"--display_server http://127.0.0.1 --display_port {servers.ports[case]} "
            f"--display_env {case}".split()
        )
        for case in CASES
    }


def forever(loader: SceneLoader) -> Iterator[dict]:
    epoch = 0
    while True:
        epoch += 1
        yield from loader.epoch(epoch)


if __name__ == "__main__":
    main(sys.argv[1:])
