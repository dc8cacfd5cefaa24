"""Scores of a run while it is trained: evaluate.py on its validation pictures, now and then."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import DEVNULL, PIPE

from tqdm import tqdm

from metrics.base import Better
from training.progress import Progress
from util.errors import UserError
from util.files import write_text

FILE = "val_scores.jsonl"
COMMAND = Path(__file__).resolve().parents[1] / "evaluate.py"
OF_PROCESSES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")

Scores = Mapping[str, Mapping[str, float | None]]  # by direction and name


class Validation:
    """Has the saved weights `latest` scored in a process of its own, which cannot disturb the run.

    The scores of an epoch are a line of `val_scores.jsonl`; the page of the translations is in
    `val`. Which one is best is known from `progress`, so that a run that goes on knows it too.
    """

    def __init__(
        self, opt, folder: Path, progress: Progress, asked_to_end: Callable[[], bool] = bool
    ):
        self.every = opt.eval_epoch_freq
        self.metric = opt.eval_metric
        self.folder = folder
        self.progress = progress
        self.asked_to_end = asked_to_end
        self.measured = f"{self.metric} of {opt.eval_phase}"
        self.unreported: Scores = {}
        self.less_is_better, metrics = how_to_rank(opt.eval_metric)
        self.words = ["--dataroot", opt.dataroot, "--name", opt.name, "--phase", opt.eval_phase]
        self.words += ["--checkpoints_dir", opt.checkpoints_dir, "--metrics", metrics]
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
        self.unreported = scores
        self.write_down(epoch, scores)
        if not self.metric:
            return False
        value = mean_of(scores, self.metric)
        if value is None:
            known = ", ".join(sorted({name for own in scores.values() for name in own}))
            self.fail(f"--eval_metric {self.metric}: no such number; there are {known}", epoch)
            return False
        better = self.is_best(epoch, value)
        if better:
            self.progress.best, self.progress.best_epoch = value, epoch
            self.progress.best_of = self.measured
        until = f"the best is {self.progress.best:.5g} of epoch {self.progress.best_epoch}"
        tqdm.write(f"validation after epoch {epoch}: {self.metric} {value:.5g}, {until}")
        return better

    def is_best(self, epoch: int, value: float) -> bool:
        """Whether no other epoch had a better value, by the same metric of the same pictures."""
        best = self.progress.best
        if best is None or self.progress.best_of != self.measured:
            return True
        again = epoch == self.progress.best_epoch  # of a run that was killed before it was saved
        return again or (value < best if self.less_is_better else value > best)

    def forget_best(self) -> None:
        """The best weights could not be written: the next ones are."""
        self.progress.best = None

    def news(self) -> dict[str, Scores]:
        """The scores since this was last asked, for a report."""
        scores, self.unreported = self.unreported, {}
        return {"scores": scores} if scores else {}

    def write_down(self, epoch: int, scores: Scores) -> None:
        """Add a line to `val_scores.jsonl`; of a run that went back, in the place of later ones."""
        path = self.folder / FILE
        own = json.dumps({"epoch": epoch, "total": self.progress.total, "scores": scores})
        try:
            text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
            kept = [line for line in text.splitlines() if epoch_of(line) < epoch]
            write_text(path, "\n".join([*kept, own, ""]))
        except OSError as error:
            self.fail(f"{path} cannot be kept ({error})", epoch)

    def measure(self, epoch: int) -> Scores:
        environment = {n: x for n, x in os.environ.items() if n not in OF_PROCESSES}
        command = [sys.executable, str(COMMAND), *self.words]
        process = subprocess.Popen(command, env=environment, stdout=DEVNULL, stderr=PIPE, text=True)
        try:
            said, status = self.wait(process), process.returncode
            if self.asked_to_end():
                return {}
            if status == 0:
                return json.loads((self.results / "metrics.json").read_text())
            reason = next(iter(said.strip().splitlines()[-1:]), f"status {status}")
        except (OSError, ValueError) as error:
            reason = str(error)
        self.fail(
            f"{self.results.name} could not be scored: {reason.removeprefix('error: ')}", epoch
        )
        return {}

    def wait(self, process: subprocess.Popen) -> str:
        """Its complaints when it has ended, which it is told to when the run is."""
        while True:
            try:
                return process.communicate(timeout=0.5)[1]
            except subprocess.TimeoutExpired:
                if self.asked_to_end():
                    process.terminate()

    def fail(self, text: str, epoch: int) -> None:
        if epoch == 0:
            raise UserError(text)
        tqdm.write(f"warning: {text}; the run goes on")


def how_to_rank(name: str | None) -> tuple[bool, str]:
    """Whether less of a score is better, and the --metrics of which it is one."""
    if not name:
        return False, "auto"
    from metrics.scores import AUTO, find_score  # not above: it imports torchvision, which is slow

    score = find_score(name)
    metrics = "auto" if score.metric in AUTO else f"auto,{score.metric}"
    return score.better is Better.LESS, metrics


def gpu_of(opt) -> str:
    """The run's first GPU, or the CPU."""
    return str(opt.gpu_ids[0]) if opt.gpu_ids else "-1"


def epoch_of(line: str) -> float:
    """The epoch of a line of scores; after all others of one that is torn."""
    try:
        epoch = json.loads(line)["epoch"]
    except (ValueError, TypeError, KeyError):
        return math.inf
    return epoch if isinstance(epoch, int) else math.inf


def mean_of(scores: Scores, name: str) -> float | None:
    """The mean over the directions that have such a score."""
    found = [own[name] for own in scores.values() if own.get(name) is not None]
    found = [value for value in found if math.isfinite(value)]
    return sum(found) / len(found) if found else None
