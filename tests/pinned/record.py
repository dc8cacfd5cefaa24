#!/usr/bin/env python3
"""Record the pinned runs, see cases.py: `python tests/pinned/record.py [CASE …]`."""

import json
import lzma
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cases
from cases import (
    CASES,
    HALF_WAY,
    HERE,
    LOSSES,
    RESULTS,
    STEPS,
    batch_of,
    machine,
    train_case,
    translate_and_score,
)


def main(words: list[str]) -> None:
    if words[:1] == ["--one_of_several"]:
        keep_half_way()
        cases.train_here(*words[1:])
        return
    keep_half_way()
    recorded = json.loads(LOSSES.read_text()) if LOSSES.is_file() else {"machine": {}, "losses": {}}
    for case in words or CASES:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            half = ["--save_latest_freq", str(HALF_WAY * batch_of(case))]
            losses = train_case(case, folder, *half)
            assert len(losses) == STEPS, (case, len(losses))
            recorded["losses"][case] = losses
            kept = HERE / "runs" / case
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            run = folder / "checkpoints" / case
            (kept / "state.pt.xz").write_bytes(
                lzma.compress((run / "half_way.pt").read_bytes(), preset=9)
            )
            shutil.copy(run / "options.json", kept)
            if case == "sequential":
                translate_and_score(folder)
                keep_results(folder / "results/sequential/test_latest")
    recorded["machine"] = machine()
    write(recorded)


def keep_results(folder: Path) -> None:
    """Keep a folder of results but for its page."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    shutil.copytree(
        folder, RESULTS, ignore=shutil.ignore_patterns("index.html", "metrics_detail.json")
    )


def write(recorded: dict) -> None:
    """One line for each step of a run."""
    losses = ",\n".join(
        f"{json.dumps(case)}: [\n" + ",\n".join(map(json.dumps, steps)) + "\n]"
        for case, steps in recorded["losses"].items()
    )
    LOSSES.write_text(
        f'{{"machine": {json.dumps(recorded["machine"])},\n"losses": {{\n{losses}\n}}}}\n'
    )


def keep_half_way() -> None:
    """Have every run keep a copy of its first state."""
    from training.checkpoint import Checkpoints

    write = Checkpoints.write

    def write_and_copy(self, state, labels) -> None:
        write(self, state, labels)
        copy = self.folder / "half_way.pt"
        if not copy.exists() and state["progress"]["total"]:
            shutil.copy(self.folder / "state.pt", copy)

    Checkpoints.write = write_and_copy


if __name__ == "__main__":
    main(sys.argv[1:])
