"""Trainings and scores that are made once: a command for each, and a JSON file when it is done."""

import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import torch

from scripts.reproduce.by_step import counts_by_step
from util.errors import UserError
from util.files import sole_owner, write_json

ROOT = Path(__file__).resolve().parents[2]
Words = tuple[str, ...]


@dataclass(frozen=True)
class Training:
    """A run of train.py; options are those besides --name and --checkpoints_dir.

    data says how its pictures were drawn, if they were drawn for it. It starts from the runs
    `after`, if there are any, from their weights of these labels.
    """

    name: str
    options: Words
    data: str = ""
    after: tuple["Training", ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def chain(self) -> tuple["Training", ...]:
        """All that has to be trained for it, in order, and itself."""
        earlier = [one for training in self.after for one in training.chain]
        return (*dict.fromkeys(earlier), self)


@dataclass(frozen=True)
class Row:
    """A trained run's scores: one row of a table, for one seed.

    options are those of evaluate.py and test.py; facts are kept with the scores. title says what
    was tried, data how the test pictures were drawn.
    """

    name: str
    training: Training
    options: Words
    facts: dict
    title: str = ""
    data: str = ""


class Laboratory:
    """Runs commands, `jobs` at a time, and keeps each row in `FOLDER/ROW.json`.

    What was done by the same commands is not done again, and a training that was stopped goes on.
    """

    def __init__(self, folder: Path, jobs: int, device: str):
        self.folder = folder
        self.jobs = jobs
        self.device = device
        self.work = Path("checkpoints") / folder.name
        cores = os.cpu_count() or 1
        self.environment = os.environ | {"OMP_NUM_THREADS": str(max(1, cores // jobs))}
        self.children: set[subprocess.Popen] = set()

    # ---- commands

    def train_command(self, training: Training) -> list[str]:
        words = ["train.py", "--name", training.name, "--checkpoints_dir", str(self.work)]
        labelled = zip(training.after, training.labels, strict=True)
        begin = [f"{one.name}:{label}" for one, label in labelled]
        begin = ["--start_from", *begin] if begin else []
        return [*words, *training.options, *begin, "--gpu_ids", self.device]

    def score_command(self, row: Row) -> list[str]:
        words = ["evaluate.py", "--name", row.training.name, "--checkpoints_dir", str(self.work)]
        words += ["--results_dir", str(self.results(row).parents[1])]
        return [*words, *row.options, "--gpu_ids", self.device]

    def commands(self, row: Row) -> list[str]:
        """All as they are typed, the scoring last."""
        trained = [self.train_command(training) for training in row.training.chain]
        return [self.command_line(words) for words in (*trained, self.score_command(row))]

    @staticmethod
    def command_line(words: Sequence[str]) -> str:
        return f"python {shlex.join(words)}"

    def results(self, row: Row) -> Path:
        """Where the row's translations are; the last parts are test.py's."""
        translated = f"{row.facts.get('phase', 'test')}_{row.facts.get('epoch', 'latest')}"
        return Path("results") / self.folder.name / row.name / row.training.name / translated

    # ---- what is done

    def record(self, row: Row) -> dict | None:
        """A row that was made by today's commands of the same pictures, or None."""
        path = self.folder / f"{row.name}.json"
        record = json.loads(path.read_text()) if path.is_file() else None
        if not record or record["commands"] != self.commands(row):
            return None
        return record if record.get("data") == [row.training.data, row.data] else None

    def done(self, rows: Sequence[Row]) -> list[dict]:
        """The rows that are done, in order."""
        return [record for row in rows if (record := self.record(row))]

    def at_hand(self, rows: Sequence[Row]) -> bool:
        """Whether the translations of all rows that are done are on this machine.

        Rows travel with the repository and translations do not: pictures made of them stay then.
        """
        folders = [self.results(row) / "images" for row in rows if self.record(row)]
        missing = [folder for folder in folders if not folder.is_dir()]
        if missing:
            print(f"the pictures of the results stay as they are: {missing[0]} is not here")
        return not missing

    def trained(self, training: Training) -> dict | None:
        """What is known of a training's attempts; a UserError if it was another one's."""
        path = self.work / training.name / "training.json"
        if not path.is_file():
            return None
        known = json.loads(path.read_text())
        if known["command"] != self.train_command(training):
            raise UserError(
                f"{path.parent} was trained with other options ({shlex.join(known['command'])}): "
                "remove that folder, or give these options again"
            )
        if (drawn := known.get("data")) != training.data:
            raise UserError(
                f"{path.parent} was trained on other pictures ({drawn}): remove that folder"
            )
        return known

    def plan(self, rows: Sequence[Row]) -> str:
        """What would be done, a line for each command."""
        lines = []
        for training in dict.fromkeys(one for row in rows for one in row.training.chain):
            needed = [row for row in rows if training in row.training.chain]
            known = self.trained(training)
            over = all(map(self.record, needed))
            state = "done" if over else "trained" if known and known["done"] else "to do"
            lines.append(f"[{state}] {self.command_line(self.train_command(training))}")
            left = [row for row in rows if row.training == training and not self.record(row)]
            lines += [f"    [to do] {self.commands(row)[-1]}" for row in left]
        return "\n".join(lines)

    # ---- doing

    def run(self, rows: Sequence[Row]) -> None:
        """Do what is left. Raises UserError if a command fails, when those beside it have ended."""
        left: dict[Training, list[Row]] = {}
        for row in rows:
            if not self.record(row):
                for training in row.training.chain:
                    left.setdefault(training, [])
                left[row.training].append(row)
        before = signal.signal(signal.SIGTERM, self.stop)
        try:
            with ThreadPoolExecutor(self.jobs) as pool:
                for work in by_rank(left):
                    for error in [found for found in pool.map(self.attempt, work) if found]:
                        raise error
        finally:
            signal.signal(signal.SIGTERM, before)

    def stop(self, *_) -> None:
        """End what was started, and this process with it."""
        for child in list(self.children):
            child.terminate()
        raise SystemExit(143)

    def attempt(self, work: tuple[Training, list[Row]]) -> UserError | None:
        training, rows = work
        folder = self.work / training.name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with sole_owner(folder, str(folder)):
                self.train(training)
                for row in rows:
                    self.score(row)
        except UserError as error:
            print(f"failed: {error}", flush=True)
            return error
        return None

    def train(self, training: Training) -> None:
        """Train, or go on where an earlier attempt stopped; remember how long it took in all."""
        known = self.trained(training) or {
            "command": self.train_command(training),
            "data": training.data,
            "seconds": 0.0,
            "since": None,
            "done": False,
        }
        if known["done"]:
            return
        folder = self.work / training.name
        state = folder / "state.pt"
        if known["since"] and state.is_file():  # killed: it worked until its last checkpoint
            known["seconds"] += max(0.0, state.stat().st_mtime - known["since"])
        known["since"] = time.time()
        write_json(folder / "training.json", known)
        again = ["--continue_train"] if state.is_file() else []
        try:
            self.call([*self.train_command(training), *again], f"{training.name}.log")
            known["done"] = True
        finally:
            known["seconds"] += time.time() - known["since"]
            known["since"] = None
            write_json(folder / "training.json", known)

    def score(self, row: Row) -> None:
        self.call(self.score_command(row), f"{row.name}.log")
        record = {
            **row.facts,
            "data": [row.training.data, row.data],
            "commands": self.commands(row),
            "training_seconds": round(
                sum(self.trained(one)["seconds"] for one in row.training.chain)
            ),
            "at_a_time": self.jobs,
            "machine": machine(),
            "date": date.today().isoformat(),
            "scores": json.loads((self.results(row) / "metrics.json").read_text()),
            "counts": counts(self.results(row) / "metrics_detail.json"),
            "steps": counts_by_step(self.results(row)),
        }
        write_json(self.folder / f"{row.name}.json", record)
        print(f"done: {row.name}", flush=True)

    def call(self, command: list[str], log: str) -> None:
        """Run a command of this repository; what it prints goes to a log."""
        path = self.work / "logs" / log
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"python {shlex.join(command)}", flush=True)
        with open(path, "w") as file:
            words = [sys.executable, str(ROOT / command[0]), *command[1:]]
            child = subprocess.Popen(words, stdout=file, stderr=file, env=self.environment)
            self.children.add(child)
            code = child.wait()
            self.children.discard(child)
        if code:
            last = path.read_text().strip().splitlines()[-1:]
            raise UserError(f"{command[0]} ended with {code}: {' '.join(last)} (see {path})")


def by_rank(left: Mapping[Training, list[Row]]) -> list[list[tuple[Training, list[Row]]]]:
    """The trainings with their rows, those first that start from no other."""
    ranks: dict[int, list[tuple[Training, list[Row]]]] = {}
    for training, rows in left.items():
        ranks.setdefault(rank(training), []).append((training, rows))
    return [work for _, work in sorted(ranks.items())]


def rank(training: Training) -> int:
    """How many runs it comes after, one from another."""
    return 1 + max((rank(one) for one in training.after), default=-1)


def counts(path: Path) -> dict[str, dict[str, int]]:
    """Of how many pictures or instances each score is the mean, by direction."""
    detail = json.loads(path.read_text())
    return {direction: own["counts"] for direction, own in detail.items() if "counts" in own}


def machine() -> str:
    """The processor, the cores that may be used, and PyTorch's version."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.machine()
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(0)
    return f"{name}, {os.cpu_count()} cores, PyTorch {torch.__version__}"
