"""Folders of results to be scored, and what the scores were."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import evaluate
from datasets import generate_shapes_dataset
from metrics.classifier import KINDS


@pytest.fixture
def short_trainings(monkeypatch):
    """Classifiers of a few steps, enough for red and blue."""
    monkeypatch.setitem(KINDS, "small", replace(KINDS["small"], steps=60))


@pytest.fixture(scope="session")
def many(tmp_path_factory) -> Path:
    """Enough pictures to tell the domains apart."""
    root = tmp_path_factory.mktemp("many")
    generate_shapes_dataset.main(f"--save_root {root} --size 32 --train 24 --test 12".split())
    return root


def copy_as_results(root: Path, folder: Path, phase: str = "test", foreign: bool = False) -> Path:
    """Pictures of each domain as their own translations; or random ones of the other domain."""
    images = folder / "images"
    images.mkdir(parents=True)
    for source, target in ("AB", "BA"):
        stems = sorted(path.stem for path in (root / f"{phase}{source}").glob("*.png"))
        for stem in stems:
            fake = root / f"{phase}{target if foreign else source}" / f"{stem}.png"
            shutil.copy(
                root / f"{phase}{source}" / f"{stem}.png", images / f"{stem}_real_{source}_img.png"
            )
            shutil.copy(fake, images / f"{stem}_fake_{target}_img.png")
            for path in (root / f"{phase}{source}_seg").glob(f"{stem}_*.png"):
                number = path.stem.rpartition("_")[2]
                for role in (f"real_{source}", f"fake_{target}"):
                    shutil.copy(path, images / f"{stem}_{role}_mask_{number}.png")
    return folder


def scores(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def call(words: str) -> None:
    evaluate.main([*words.split(), "--gpu_ids", "-1"])
