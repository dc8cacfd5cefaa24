"""Scores of a run while it is trained: evaluate.py on its validation pictures, now and then."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from metrics.base import LESS
from util.errors import UserError
from util.progress import Progress

COMMAND = Path(__file__).resolve().parents[1] / "evaluate.py"
OF_PROCESSES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
FAMILIES = ("fid", "kid", "lpips", "classification", "masked_classification", "detection")

Scores = Mapping[str, Mapping[str, float | None]]  # by direction and name


class Validation:
    """Has the saved weights `latest` scored in a process of its own, which cannot disturb the run.

    The scores of an epoch are a line of `val_scores.jsonl`; the page of the translations is in
    `val`. Which one is best is known from `progress`, so that a run that goes on knows it too.
    """

    def __init__(self, opt, folder: Path, progress: Progress):
        self.every = opt.eval_epoch_freq
        self.metric = opt.eval_metric
        self.folder = folder
        self.progress = progress
        families = ["auto", *(f for f in FAMILIES if (self.metric or "").startswith(f))]
        self.words = ["--dataroot", opt.dataroot, "--name", opt.name, "--phase", opt.eval_phase]
        self.words += ["--checkpoints_dir", opt.checkpoints_dir, "--metrics", ",".join(families)]
        self.words += ["--results_dir", str(folder / "val"), "--gpu_ids", gpu_of(opt)]
        self.results = folder / "val" / opt.name / f"{opt.eval_phase}_latest"

    def due(self, epoch: int) -> bool:
        return self.every > 0 and epoch % self.every == 0

    def score(self, epoch: int) -> bool:
        """Score the weights, tell it, and say whether they are the best so far.

        A failure is told and does not end the run; before the first epoch it raises UserError.
        """
        scores = self.measure(epoch)
        if not scores:
            return False
        line = {"epoch": epoch, "total": self.progress.total, "scores": scores}
        with open(self.folder / "val_scores.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if not self.metric:
            return False
        value = mean_of(scores, self.metric)
        if value is None:
            known = ", ".join(sorted({name for own in scores.values() for name in own}))
            self.fail(f"--eval_metric {self.metric}: no such number; there are {known}", epoch)
            return False
        best = self.progress.best
        better = best is None or (value < best if self.metric in LESS else value > best)
        if better:
            self.progress.best, self.progress.best_epoch = value, epoch
        until = f"the best is {self.progress.best:.5g} of epoch {self.progress.best_epoch}"
        tqdm.write(f"validation after epoch {epoch}: {self.metric} {value:.5g}, {until}")
        return better

    def measure(self, epoch: int) -> Scores:
        environment = {n: x for n, x in os.environ.items() if n not in OF_PROCESSES}
        done = subprocess.run(
            [sys.executable, str(COMMAND), *self.words],
            env=environment,
            capture_output=True,
            text=True,
        )
        try:
            if done.returncode == 0:
                return json.loads((self.results / "metrics.json").read_text())
            reason = next(iter(done.stderr.strip().splitlines()[-1:]), f"status {done.returncode}")
        except (OSError, ValueError) as error:
            reason = str(error)
        self.fail(
            f"{self.results.name} could not be scored: {reason.removeprefix('error: ')}", epoch
        )
        return {}

    def fail(self, text: str, epoch: int) -> None:
        if epoch == 0:
            raise UserError(text)
        tqdm.write(f"warning: {text}; the run goes on")


def gpu_of(opt) -> str:
    """The run's first GPU, or the CPU."""
    return str(opt.gpu_ids[0]) if opt.gpu_ids else "-1"


def mean_of(scores: Scores, name: str) -> float | None:
    """The mean over the directions that have such a score."""
    found = [own[name] for own in scores.values() if own.get(name) is not None]
    return sum(found) / len(found) if found else None
