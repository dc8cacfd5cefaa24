"""Runs that were recorded before the code was rebuilt: the same losses, states, results and scores."""

import json
import lzma
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate
import test as test_command
import train
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tests" / "pinned"))

from cases import CASES, DATA, HALF_WAY, HERE, LOSSES, RESULTS, machine, score, train_case

RECORDED = json.loads(LOSSES.read_text())
EXACTLY = RECORDED["machine"] == machine()
NEAR = 1e-5  # of a loss, or of 1 where it is smaller: elsewhere, and by earlier code, bits differ


@pytest.fixture(autouse=True)
def no_estimate(monkeypatch):
    monkeypatch.setattr(train, "memory_line", lambda *_: "")


def assert_same(found: list[dict], recorded: list[dict], exactly: bool) -> None:
    """The same losses step by step: to the last bit, or but for rounding."""
    assert len(found) == len(recorded)
    for step, (own, wanted) in enumerate(zip(found, recorded, strict=True)):
        assert own.keys() == wanted.keys(), step
        slack = {name: 0 if exactly else NEAR * max(1, abs(wanted[name])) for name in wanted}
        off = {
            name: (own[name], wanted[name])
            for name in own
            if abs(own[name] - wanted[name]) > slack[name]
        }
        assert not off, (step, off)


@pytest.mark.parametrize("case", CASES)
def test_every_loss_of_forty_steps_is_the_recorded_one(case, tmp_path):
    """To the last bit on the machine that recorded them."""
    assert_same(train_case(case, tmp_path), RECORDED["losses"][case], EXACTLY)


def recorded_run(case: str, folder: Path) -> Path:
    """The folder of a recorded run, half-way through it."""
    run = folder / "checkpoints" / case
    run.mkdir(parents=True)
    shutil.copy(HERE / "runs" / case / "options.json", run)
    (run / "state.pt").write_bytes(
        lzma.decompress((HERE / "runs" / case / "state.pt.xz").read_bytes())
    )
    return run


@pytest.mark.parametrize("case", CASES)
def test_a_run_that_earlier_code_saved_goes_on_as_it_would_have(case, tmp_path):
    recorded_run(case, tmp_path)
    losses = train_case(case, tmp_path, "--continue_train")
    assert_same(losses, RECORDED["losses"][case][HALF_WAY:], exactly=False)


def test_earlier_results_have_the_same_scores(tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(RESULTS, folder)
    recorded = json.loads((RESULTS / "metrics.json").read_text())
    assert score(folder) == recorded
    assert json.loads((folder / "metrics.json").read_text()) == recorded
    assert (folder / "index.html").is_file()


def test_a_run_that_earlier_code_saved_is_tested_with_its_options(tmp_path, monkeypatch):
    """The pictures, masks, steps and list of the recorded results, and its scores."""
    train_case("sequential", tmp_path)
    monkeypatch.chdir(tmp_path)
    test_command.main(["--dataroot", "data", "--name", "sequential", "--gpu_ids", "-1"])
    folder = tmp_path / "results" / "sequential" / "test_latest"
    own, recorded = (json.loads((f / "results.json").read_text()) for f in (folder, RESULTS))
    assert own["pictures"] == recorded["pictures"]
    how, recorded_how = (listing["data"].pop("preprocessing") for listing in (own, recorded))
    assert own["data"] == recorded["data"] and recorded_how.items() <= how.items()
    for path in sorted((RESULTS / "images").iterdir()):
        pixels = [
            np.asarray(Image.open(f / "images" / path.name), dtype=int) for f in (folder, RESULTS)
        ]
        assert np.abs(pixels[0] - pixels[1]).max() <= 2, path.name
    evaluate.main(["--dataroot", str(DATA), "--gpu_ids", "-1", "--results", str(folder)])
    scores, wanted = (json.loads((f / "metrics.json").read_text()) for f in (folder, RESULTS))
    assert scores.keys() == wanted.keys()
