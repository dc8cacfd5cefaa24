#!/usr/bin/env python3
"""Breaks small trainings in every way we know, and prints what became of them.

    python tests/chaos/run.py                        # an hour: the table of docs/reliability.md
    python tests/chaos/run.py --kills 4 --others 1   # three minutes

Every run is the same command, begun again until it ends well. Its weights, optimisers, pools and
random states are then compared, bit for bit, with those of a run that nothing happened to.
"""

import argparse
import contextlib
import io
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[2])]

from harness import HEADER, Outcome, Run, durations, moments
from sabotage import free_port, jumping_clock, slow_disk, small_disk, spoil

from datasets import generate_shapes_dataset
from util.command_line import OneLineParser

BLOWS = 5  # to one run, before it is let go on
FAULTS = (
    *("kills", "kills_while_saving", "sigterm", "full_disk", "torn_state", "lost_files"),
    *("spoilt_files", "dead_visdom", "hung_visdom", "not_finite", "clock"),
)
VARIANTS = ("", "--num_threads 2", "--precision bf16", "--save_latest_freq 2")


def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    with tempfile.TemporaryDirectory() as folder:
        laboratory = Laboratory(Path(folder), args.seed)
        good = True
        print("  ".join(HEADER), flush=True)
        for fault in args.only:
            count = {"kills": args.kills, "kills_while_saving": args.kills // 4}.get(
                fault, args.others
            )
            outcome = getattr(laboratory, fault)(count)
            good &= outcome.good
            print("  ".join(map(str.ljust, outcome.row(), map(len, HEADER))), flush=True)
    if not good:
        raise SystemExit(1)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200, help="kill -9 at random moments")
    parser.add_argument("--others", type=int, default=10, help="times of every other fault")
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=FAULTS, help="these faults")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    return parser.parse_args(argv)


class Laboratory:
    """A dataset, and for each variant of the command the end of a run that nothing happened to."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed = folder, seed
        self.data = folder / "data"
        with contextlib.redirect_stdout(io.StringIO()):
            words = f"--save_root {self.data} --size 32 --train 8 --test 3 --max_instances 3"
            generate_shapes_dataset.main(words.split())
        self.ends: dict[str, tuple[dict, float]] = {}
        self.count = 0

    def unbroken(self, words: str) -> tuple[dict, float]:
        """Its state at the end, and the seconds that it took."""
        if words not in self.ends:
            run = self.new_run(words)
            seconds = durations(run)
            self.ends[words] = (run.state(), seconds)
        return self.ends[words]

    def new_run(self, words: str = "", sabotage: Callable = lambda: None, data=None) -> Run:
        self.count += 1
        return Run(data or self.data, self.folder / f"run{self.count}", words, sabotage)

    def blows(self, outcome: Outcome, number: int, count: int, words: str, sabotage=None) -> None:
        """Runs that get signals at random moments until so many have been sent."""
        whole, seconds = self.unbroken(words)
        while count > 0:
            run = self.new_run(words, sabotage or (lambda: None))
            for after in moments(min(BLOWS, count), seconds, self.seed + self.count):
                if run.hit(number, after) == 0:  # it was done before
                    break
                outcome.note(run)
                count -= 1
            outcome.end(run, whole)
            shutil.rmtree(run.folder)

    # ---- the faults

    def kills(self, count: int) -> Outcome:
        outcome = Outcome("kill -9")
        for i, words in enumerate(VARIANTS):
            if own := count // len(VARIANTS) + (i < count % len(VARIANTS)):
                self.blows(outcome, signal.SIGKILL, own, words)
        return outcome

    def kills_while_saving(self, count: int) -> Outcome:
        """Every write takes so long that most blows hit one."""
        outcome = Outcome("kill -9 while saving")
        self.blows(outcome, signal.SIGKILL, count, "--save_latest_freq 2", slow_disk)
        return outcome

    def sigterm(self, count: int) -> Outcome:
        outcome = Outcome("SIGTERM")
        self.blows(outcome, signal.SIGTERM, count, "")
        return outcome

    def full_disk(self, count: int) -> Outcome:
        """A disk that is full for a second in the middle of the run."""
        outcome = Outcome("disk full for a while")
        whole, seconds = self.unbroken("")
        for after in moments(count, seconds / 2, self.seed):
            run = self.new_run("")
            with small_disk(run.folder) as fill:
                child = run.start()
                time.sleep(after)
                fill()
                time.sleep(1)
                fill(False)
                run.finish(child)
                outcome.note(run)
                outcome.end(run, whole)
        return outcome

    def torn_state(self, count: int) -> Outcome:
        """A state file that lost its end, or a byte of it, after the run was killed."""
        outcome = Outcome("state file torn or altered")
        whole, seconds = self.unbroken("--save_latest_freq 2")
        for i in range(count):
            run = self.new_run("--save_latest_freq 2")
            run.hit(signal.SIGKILL, seconds * 0.8)
            outcome.tried += 1
            path = run.checkpoints / "state.pt"
            if path.is_file() and (run.checkpoints / "state_before.pt").is_file():
                content = bytearray(path.read_bytes())
                if i % 2:
                    content[len(content) // 2] ^= 1
                path.write_bytes(content if i % 2 else content[: len(content) // 3])
            outcome.end(run, whole)
        return outcome

    def lost_files(self, count: int) -> Outcome:
        """Pictures that are gone for a second, as on a network disk."""
        outcome = Outcome("pictures gone for a while")
        whole, seconds = self.unbroken("")
        for after in moments(count, seconds / 2, self.seed):
            own = self.folder / f"data{self.count}"
            shutil.copytree(self.data, own)
            run = self.new_run("", data=own)
            child = run.start()
            time.sleep(after)
            own.joinpath("trainA").rename(own / "away")
            time.sleep(1)
            own.joinpath("away").rename(own / "trainA")
            run.finish(child)
            outcome.note(run)
            outcome.end(run, whole)
        return outcome

    def spoilt_files(self, count: int) -> Outcome:
        """Pictures that are cut or replaced; whole again when the run has ended by it."""
        outcome = Outcome("pictures cut or replaced")
        whole, seconds = self.unbroken("")
        for i, after in enumerate(moments(count, seconds / 2, self.seed)):
            own = self.folder / f"data{self.count}"
            shutil.copytree(self.data, own)
            run = self.new_run("", data=own)
            child = run.start()
            time.sleep(after)
            for path in own.joinpath("trainB").iterdir():
                path.write_bytes(path.read_bytes()[:60] if i % 2 else b"something else")
            outcome.stuck += run.finish(child) not in (0, 2)
            outcome.note(run)
            shutil.rmtree(own)
            shutil.copytree(self.data, own)
            outcome.end(run, whole)
        return outcome

    def dead_visdom(self, count: int) -> Outcome:
        return self.with_visdom("visdom dead", count, free_port)

    def hung_visdom(self, count: int) -> Outcome:
        with socket.socket() as hung:
            hung.bind(("127.0.0.1", 0))
            hung.listen(1000)
            return self.with_visdom("visdom hung", count, lambda: hung.getsockname()[1])

    def with_visdom(self, fault: str, count: int, port: Callable[[], int]) -> Outcome:
        outcome, (whole, _) = Outcome(fault), self.unbroken("")
        for _ in range(count):
            words = f"--display_id 1 --display_server http://127.0.0.1 --display_port {port()}"
            run = self.new_run(words)
            outcome.tried += 1
            outcome.end(run, whole)
        return outcome

    def not_finite(self, count: int) -> Outcome:
        """Losses of one step that are not finite: back to the last save, and on without it."""
        outcome = Outcome("losses not finite")
        reference = None
        for _ in range(count):
            run = self.new_run("--on_nan rollback", lambda: spoil(9))
            outcome.tried += 1
            run.run()
            reference = reference or run.state()
            outcome.stuck += "back to epoch" not in run.told()
            outcome.end(run, reference)
        return outcome

    def clock(self, count: int) -> Outcome:
        """The wall clock jumps by years, back and forth; in the process, not the machine's."""
        outcome, (whole, _) = Outcome("clock jumps"), self.unbroken("--save_minutes 0.01")
        for _ in range(count):
            run = self.new_run("--save_minutes 0.01", jumping_clock)
            outcome.tried += 1
            outcome.end(run, whole)
        return outcome


if __name__ == "__main__":
    main(sys.argv[1:])
