"""Every model there is: it trains and translates, and what it declares is so."""

import json
from argparse import Namespace
from pathlib import Path

import pytest

import test as test_command
import train
from loggers.records import Curves, panels, read_records
from models import find_model, names


@pytest.mark.parametrize("name", names())
def test_every_model_does_what_it_declares(run, name):
    kind = find_model(name)
    words = f"--name r --model {name} --niter 1 --niter_decay 0 --no_html --print_freq 2"
    run(train.main, words)
    record = read_records(Path("checkpoints/r/metrics.jsonl"))[-1]
    assert list(record["losses"]) == [loss for loss in kind.loss_names if loss in record["losses"]]
    drawn = panels(record, Curves.of(kind))
    told = {
        (title, words): place for title, own in kind.panels.items() for words, place in own.items()
    }
    shown = {
        told[title, words]
        for title, own in drawn.items()
        for words in own
        if (title, words) in told
    }
    assert {f"losses.{loss}" for loss in record["losses"]} <= shown
    assert {loss for own in kind.loss_summary.values() for loss in own} <= {*kind.loss_names}
    options = json.loads(Path("checkpoints/r/options.json").read_text())
    assert {*kind.architecture_options} <= options.keys()
    run(test_command.main, "--name r")
    listing = json.loads(Path("results/r/test_latest/results.json").read_text())
    ways = kind.ways(Namespace(**options))
    assert list(listing["directions"]) == [way.name for way in ways]
    for picture in listing["pictures"]:
        source, target = next(way for way in kind.directions if way.source == picture["source"])
        assert {f"real_{source}_img", f"fake_{target}_img"} <= picture["files"].keys()
