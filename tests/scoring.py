"""Folders of results to be scored, and what the scores were."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate
from datasets import generate_shapes_dataset
from metrics.classifier import KINDS

SIDE = 24  # of hand-made pictures


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


def block(top: int, left: int, side: int = 6) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def write_pair(folder: Path, name: str, real: dict, fake: dict, change: int = 0) -> None:
    """A picture and its translation, `change` levels brighter, with masks by their numbers."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    picture = np.full((SIDE, SIDE, 3), 100, np.uint8)
    for role, masks, pixels in (("real_A", real, picture), ("fake_B", fake, picture + change)):
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"images/{name}_{role}_img.png")
        for number, mask in masks.items():
            path = folder / f"images/{name}_{role}_mask_{number}.png"
            Image.fromarray(mask).save(path)


def scores(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def call(words: str) -> None:
    evaluate.main([*words.split(), "--gpu_ids", "-1"])
