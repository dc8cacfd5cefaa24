"""Pasting in whole runs: what they remember, what their pictures keep, what is refused."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import test as test_command
import train
from conftest import refused
from options.test_options import TestOptions


def test_a_run_remembers_it_and_typed_options_win(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0 --no_html --init_gain 0.3 --paste 2")
    options = json.loads(Path("checkpoints/r/options.json").read_text())
    assert (options["paste"], options["paste_edge"]) == (2, "soft")
    parse = partial(TestOptions().parse, "--dataroot . --name r".split())
    assert parse().paste == 2
    words = "--dataroot . --name r --paste 1 --paste_edge hard".split()
    assert vars(TestOptions().parse(words)).items() >= {"paste": 1, "paste_edge": "hard"}.items()
    assert TestOptions().parse("--dataroot . --name r --no_paste".split()).paste is None
    assert TestOptions().parse("--dataroot . --name other".split()).paste is None


def test_a_run_that_goes_on_keeps_its_recipe(run):
    """Or the second half would be trained by another method, and older weights tested by it."""
    words = "--niter_decay 0 --no_html --niter"
    recipe = {"paste": 2, "paste_on": "fill", "ema": 4.0, "diffaug": ["color", "translation"]}
    run(
        train.main,
        f"--name r {words} 1 --paste 2 --paste_on fill --ema 4 --diffaug color,translation",
    )

    def trained_with(more: str) -> dict:
        run(train.main, f"--name r {words} {more}")
        options = json.loads(Path("checkpoints/r/options.json").read_text())
        return {name: options[name] for name in recipe}

    assert trained_with("2 --continue_train") == recipe
    assert trained_with("3 --resume auto") == recipe
    off = recipe | {"paste": None, "ema": 0, "diffaug": []}
    assert trained_with("4 --continue_train --no_paste --ema 0 --diffaug none") == off
    assert trained_with("5 --continue_train --paste") == off | {"paste": 1}
    assert trained_with("1 --overwrite") == off | {"paste_on": "source"}


def changed(folder: str) -> float:
    """The share of all pixels that differ between sources and translations."""
    images = Path(folder) / "r/test_latest/images"
    pairs = [
        (images / f"{path.name.replace('real_A_img', 'fake_B_img')}", path)
        for path in sorted(images.glob("*_real_A_img.png"))
    ]
    assert pairs
    return float(
        np.mean(
            [np.any(np.asarray(Image.open(a)) != np.asarray(Image.open(b)), -1) for a, b in pairs]
        )
    )


@pytest.mark.parametrize("words", ["", "--ins_per 1 --keep_size", "--instances 0", "--composite 2"])
def test_only_objects_change_in_the_pictures_of_a_test(run, words):
    run(train.main, "--name r --niter 1 --niter_decay 0 --no_html --init_gain 0.02 --paste 1")
    run(test_command.main, f"--name r --results_dir pasted {words}")
    run(
        test_command.main,
        f"--name r --results_dir whole --no_paste {words.replace('--composite 2', '')}",
    )
    assert 0 < changed("pasted") < 0.9 < changed("whole")


def test_mistakes_are_one_line(run, capsys):
    for words, said in (
        ("--paste -1", "--paste -1: from 0"),
        ("--paste 101", "--paste 101"),
        ("--paste x", "--paste"),
        ("--paste_on fill", "--paste_on fill needs --paste"),
        ("--paste_edge hard", "--paste_edge hard needs --paste"),
        ("--no_paste --paste_on fill", "--paste_on fill and --no_paste"),
        ("--paste --model cycle_gan", "cycle_gan sees no masks"),
        ("--paste --paste_edge blurred", "--paste_edge"),
    ):
        refused(capsys, partial(run, train.main, f"--name r {words}"), said)
    refused(capsys, partial(run, test_command.main, "--name r --composite 101"), "--composite 101")
