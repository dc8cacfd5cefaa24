"""Trainings and scores that are made once: a command for each, and a JSON file when it is done."""

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from util.errors import UserError
from util.files import write_text

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Training:
    """A run of train.py; options are those besides --name and --checkpoints_dir."""

    name: str
    options: str


@dataclass(frozen=True)
class Row:
    """A trained run's scores: one row of a table, for one seed.

    options are those of evaluate.py and test.py; facts are kept with the scores.
    """

    name: str
    training: Training
    options: str
    facts: dict


class Laboratory:
    """Runs commands, `jobs` at a time, and keeps each row in `FOLDER/ROW.json`.

    What is done is not done again; a training that was stopped goes on.
    """

    def __init__(self, folder: Path, jobs: int, device: str):
        self.folder = folder
        self.jobs = jobs
        self.device = device
        self.work = Path("checkpoints") / folder.name
        cores = os.cpu_count() or 1
        self.environment = os.environ | {"OMP_NUM_THREADS": str(max(1, cores // jobs))}

    # ---- commands

    def train_command(self, training: Training) -> list[str]:
        words = ["train.py", "--name", training.name, "--checkpoints_dir", str(self.work)]
        return [*words, *shlex.split(training.options), "--gpu_ids", self.device]

    def score_command(self, row: Row) -> list[str]:
        words = ["evaluate.py", "--name", row.training.name, "--checkpoints_dir", str(self.work)]
        words += ["--results_dir", str(self.results(row).parents[1])]
        return [*words, *shlex.split(row.options), "--gpu_ids", self.device]

    def results(self, row: Row) -> Path:
        """Where the row's translations are; the last parts are test.py's."""
        translated = f"{row.facts.get('phase', 'test')}_latest"
        return Path("results") / self.folder.name / row.name / row.training.name / translated

    def file(self, row: Row) -> Path:
        return self.folder / f"{row.name}.json"

    # ---- doing

    def plan(self, rows: Sequence[Row]) -> str:
        """What would be done, a line for each command."""
        lines = []
        for training in dict.fromkeys(row.training for row in rows):
            own = [row for row in rows if row.training == training]
            left = [row for row in own if not self.file(row).is_file()]
            state = "done" if not left else "trained" if self.seconds(training) else "to do"
            lines.append(f"[{state}] python {shlex.join(self.train_command(training))}")
            lines += [f"    [to do] python {shlex.join(self.score_command(row))}" for row in left]
        return "\n".join(lines)

    def run(self, rows: Sequence[Row]) -> None:
        """Do what is left. Raises UserError if a command fails, when the others have ended."""
        left: dict[Training, list[Row]] = {}
        for row in rows:
            if not self.file(row).is_file():
                left.setdefault(row.training, []).append(row)
        with ThreadPoolExecutor(self.jobs) as pool:
            for error in [f for f in pool.map(self.attempt, left.items()) if f]:
                raise error

    def attempt(self, work: tuple[Training, list[Row]]) -> UserError | None:
        training, rows = work
        try:
            self.train(training)
            for row in rows:
                self.score(row)
        except UserError as error:
            print(f"failed: {error}", flush=True)
            return error
        return None

    def train(self, training: Training) -> None:
        """Train, or go on where an earlier attempt stopped; remember how long it took."""
        if self.seconds(training):
            return
        folder = self.work / training.name
        again = ["--continue_train"] if (folder / "state.pt").is_file() else []
        begin = time.time()
        self.call([*self.train_command(training), *again], f"{training.name}.log")
        write_json(folder / "seconds.json", {"seconds": time.time() - begin, "whole": not again})

    def seconds(self, training: Training) -> float:
        """How long the training took, 0 if it is not done."""
        path = self.work / training.name / "seconds.json"
        return json.loads(path.read_text())["seconds"] if path.is_file() else 0

    def score(self, row: Row) -> None:
        self.call(self.score_command(row), f"{row.name}.log")
        record = {
            **row.facts,
            "commands": [
                f"python {shlex.join(command)}"
                for command in (self.train_command(row.training), self.score_command(row))
            ],
            "training_seconds": round(self.seconds(row.training)),
            "at_a_time": self.jobs,
            "machine": machine(),
            "date": date.today().isoformat(),
            "scores": json.loads((self.results(row) / "metrics.json").read_text()),
        }
        write_json(self.file(row), record)
        print(f"done: {row.name}", flush=True)

    def call(self, command: list[str], log: str) -> None:
        """Run a command of this repository; what it prints goes to a log."""
        path = self.work / "logs" / log
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"python {shlex.join(command)}", flush=True)
        with open(path, "w") as file:
            words = [sys.executable, str(ROOT / command[0]), *command[1:]]
            code = subprocess.run(words, stdout=file, stderr=file, env=self.environment).returncode
        if code:
            last = path.read_text().strip().splitlines()[-1:]
            raise UserError(f"{command[0]} ended with {code}: {' '.join(last)} (see {path})")


def read_rows(folder: Path) -> list[dict]:
    """All rows that are done."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def write_json(path: Path, content: dict) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")


def machine() -> str:
    """The processor, the cores that may be used, and PyTorch's version."""
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.machine()
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(0)
    return f"{name}, {os.cpu_count()} cores, PyTorch {torch.__version__}"
