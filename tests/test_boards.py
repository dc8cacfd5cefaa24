"""TensorBoard, Weights & Biases, curves as files; and the options that ask for them."""

import json
import os
import shutil

import pytest
from PIL import Image
from test_records import record
from test_training_page import look_of

import train
from conftest import one_line_error, train_options
from loggers.records import Curves
from loggers.run_card import RunCard
from loggers.tensorboard_board import TensorBoard
from loggers.wandb_board import WandbBoard
from loggers.worker import MissingError
from models.insta_gan_model import InstaGANModel
from scripts import plot_losses
from training.progress import Progress


def card(folder) -> RunCard:
    return RunCard("run", folder, 100, 4, {"niter": 3}, "python train.py", Curves.of(InstaGANModel))


def test_tensorboard_has_the_curves_of_a_continued_run_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    records = [record(total, masks={"area": {"A": 0.5}}) for total in (4, 8, 12)]
    first, second = TensorBoard(card(tmp_path), 6), TensorBoard(card(tmp_path), 6)
    first.open(records[:1])
    first.record(records[:2])
    first.record([*records[:2], record(99)])  # of a stretch that the run went back behind
    first.close()
    second.open(records[:2])
    second.record(records)
    second.pictures(Progress(total=12), look_of())
    second.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    album = EventAccumulator(str(tmp_path / "tensorboard/pictures"))
    album.Reload()
    steps = [e.step for e in events.Scalars("adversarial loss, generators/G_A")]
    assert steps == [4, 8, 12]
    assert events.Scalars("mask area, translated / real/A to B")[0].value == 0.5
    assert album.Images("pictures")[0].step == 12
    assert "cycle loss/cyc_A" not in events.Tags()["scalars"]  # never finite


def test_wandb_gets_the_same(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for count in (1, 2):
        board = WandbBoard(card(tmp_path), "project", 6)
        board.open([record(4)][: count - 1])
        board.record([record(4 * count)])
        board.pictures(Progress(total=4 * count), look_of())
        board.close()
        known = json.loads((tmp_path / "wandb.json").read_text())
    assert known["sent"] == 8
    folders = [name for name in os.listdir(tmp_path / "wandb") if name.startswith("offline-run")]
    # two that begin in one second get a number behind the id
    assert len(folders) == 2 and all(f"-{known['id']}" in name for name in folders)


@pytest.mark.parametrize(
    ("module", "board"),
    [
        ("torch.utils.tensorboard", lambda folder: TensorBoard(card(folder), 6)),
        ("wandb", lambda folder: WandbBoard(card(folder), "p", 6)),
    ],
)
def test_what_is_not_installed_says_how_to_have_it(tmp_path, monkeypatch, module, board):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingError, match=r"requirements-loggers.txt"):
        board(tmp_path).open([])


# ---- curves as files


def test_curves_of_several_runs(run, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    for name in ("one", "two"):
        run(train.main, f"--name {name} --niter 1 --niter_decay 0 --print_freq 2 --no_html")
    runs = "checkpoints/one checkpoints/two"
    plot_losses.main(f"curves.png {runs} --smooth 0.5".split())
    plot_losses.main(f"deep/curves.svg {runs} --panels cycle rate --log".split())
    assert min(Image.open(tmp_path / "curves.png").size) > 400
    drawn = (tmp_path / "deep/curves.svg").read_text()
    assert "cycle loss" in drawn and "learning rate" in drawn and "identity" not in drawn
    assert "two: cyc_B" in drawn
    shutil.copytree("checkpoints/two", "other/one")
    plot_losses.main("same.svg checkpoints/one other/one checkpoints/one".split())
    drawn = (tmp_path / "same.svg").read_text()
    assert "checkpoints/one: cyc_B" in drawn and "other/one: cyc_B" in drawn
    capsys.readouterr()
    for words, said in (
        (f"x.jpg {runs}", ".svg"),
        ("x.png nowhere", "nowhere"),
        (f"x.png {runs} --panels nothing", "cycle loss"),
        (f"x.png {runs} --smooth 1", "--smooth 1.0"),
    ):
        with pytest.raises(SystemExit) as stop:
            plot_losses.main(words.split())
        assert stop.value.code == 2
        one_line_error(capsys, said)


# ---- options


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--display_id 1", ["visdom"]),
        ("--display_id 1 --logger tensorboard,visdom,tensorboard", ["tensorboard", "visdom"]),
        ("--logger visdom,wandb", ["wandb"]),  # --display_id 0 of the tests takes visdom out
        ("--logger none", []),
    ],
)
def test_loggers_are_chosen(words, expected):
    assert train_options(words).logger == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--logger vizdom", "visdom, tensorboard, wandb"),
        ("--logger none,visdom", "none"),
        ("--display_samples 0", "--display_samples 0"),
        ("--display_port 70000", "--display_port 70000"),
        ("--display_ncols -1", "--display_ncols -1"),
    ],
)
def test_wrong_options_are_one_line(run, capsys, words, said):
    with pytest.raises(SystemExit) as stop:
        run(train.main, f"--name r {words}")
    assert stop.value.code == 2
    one_line_error(capsys, said)
