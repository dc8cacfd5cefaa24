"""Averaged generators: what they are, that they are kept with a run, and who translates with them."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from test_checkpoints import assert_same, state
from torch import nn

import test as test_command
import train
from conftest import double_model, random_scene, refused
from scripts import export
from training import averages
from training.averages import RAMP_UP, Averages
from training.state_file import load_file, write_state

WORDS = "--niter 1 --niter_decay 0 --no_html --init_gain 0.3"


def test_a_half_life_ago_weighs_half():
    """Also of running statistics, and whatever the size of the steps."""
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    late = 1000 / RAMP_UP  # pictures after which the half-life is the one that was asked for
    for pictures in (1, 4, 50):
        kept = Averages({"G": network}, half_life=100)
        before = {k: v.clone() for k, v in network.state_dict().items()}
        with torch.no_grad():
            for tensor in network.parameters():
                tensor.add_(1)
            network[1].running_mean.add_(1)
        for step in range(100 // pictures):
            kept.update(late + step * pictures, pictures)
        for key, value in kept.networks["G"].state_dict().items():
            if value.is_floating_point():
                expected = (before[key] + network.state_dict()[key]) / 2
                assert torch.allclose(value, expected, atol=1e-5), key


def test_early_on_untrained_weights_are_forgotten():
    network = nn.Linear(2, 2)
    kept = Averages({"G": network}, half_life=1e6)
    with torch.no_grad():
        network.weight.fill_(5)
    kept.update(4, 4)
    assert torch.allclose(kept.networks["G"].weight, network.weight, atol=1e-5)
    assert not any(weight.requires_grad for weight in kept.networks["G"].parameters())


def test_a_model_averages_its_generators_once_a_step():
    model = double_model("--ema 1 --ins_max 3 --ins_per 1")
    assert set(model.averages.networks) == {"G_A", "G_B"}
    batch = {"A": random_scene([3, 1], seed=1), "B": random_scene([2, 3], seed=2)}
    kept = {k: v.clone() for k, v in model.averages.networks["G_A"].state_dict().items()}
    model.step(batch, 1000)
    for key, value in model.networks["G_A"].state_dict().items():
        expected = kept[key] + 0.75 * (value - kept[key])  # two pictures, two half-lives
        assert torch.allclose(model.averages.networks["G_A"].state_dict()[key], expected)
    assert double_model("").averages is None


def test_files_of_a_run_and_those_of_a_run_without(run):
    run(train.main, f"--name r --ema 4 {WORDS}")
    files = {path.name for path in Path("checkpoints/r").glob("latest_net_*")}
    raw = {f"latest_net_{name}.pth" for name in ("G_A", "G_B", "D_A", "D_B")}
    assert files == raw | {"latest_net_G_A_ema.pth", "latest_net_G_B_ema.pth"}
    one, other = (load_file(Path(f"checkpoints/r/latest_net_G_A{x}.pth")) for x in ("", "_ema"))
    assert one.keys() == other.keys()
    assert any(not torch.equal(one[key], other[key]) for key in one)
    foreign = Path("checkpoints/r/latest_net_of_another_tool.pth")
    foreign.write_bytes(b"kept")
    run(train.main, f"--name r --continue_train {WORDS} --niter 2")
    assert files < {path.name for path in Path("checkpoints/r").glob("latest_net_*")}
    assert state("r")["model"]["averages"]
    run(train.main, f"--name r --continue_train {WORDS} --niter 3 --ema 0")
    assert foreign.read_bytes() == b"kept"
    foreign.unlink()
    files = {path.name for path in Path("checkpoints/r").glob("latest_net_*")}
    assert files == raw and state("r")["model"]["averages"] == {}


def distance(one: dict, other: dict) -> float:
    """The largest difference of two networks' weights."""
    return max((value - other[key]).abs().max().item() for key, value in one.items())


@pytest.mark.parametrize("words", ["", "--epoch 1"])
def test_averages_begin_where_a_run_goes_on(run, monkeypatch, words):
    """From a state without any, and from weights alone; an endless half-life keeps that beginning."""
    run(train.main, f"--name r --save_epoch_freq 1 {WORDS}")
    before = state("r")["model"]["networks"]["G_A"]
    monkeypatch.setattr(averages, "RAMP_UP", 1e9)
    run(train.main, f"--name r --continue_train {words} {WORDS} --niter 2 --ema 1e9")
    found = state("r")["model"]
    assert distance(found["averages"]["G_A"], before) < 1e-6
    assert distance(found["networks"]["G_A"], before) > 1e-4


def test_averages_go_on_where_they_were(run, monkeypatch):
    run(train.main, f"--name r --ema 4 {WORDS}")
    before = state("r")["model"]
    assert distance(before["averages"]["G_A"], before["networks"]["G_A"]) > 1e-6
    monkeypatch.setattr(averages, "RAMP_UP", 1e9)
    run(train.main, f"--name r --continue_train {WORDS} --niter 2 --ema 1e9")
    after = state("r")["model"]["averages"]["G_A"]
    assert distance(after, before["averages"]["G_A"]) < 1e-7


def test_pictures_of_all_processes_count():
    """Of a last batch that is uneven, too: the trainer says how many they are."""
    model = double_model("--ema 2 --ins_max 1 --ins_per 1")
    kept = {k: v.clone() for k, v in model.averages.networks["G_A"].state_dict().items()}
    model.step({"A": random_scene([1], seed=1), "B": random_scene([1], seed=2)}, 1000, 4)
    for key, value in model.networks["G_A"].state_dict().items():
        expected = kept[key] + 0.75 * (value - kept[key])
        assert torch.allclose(model.averages.networks["G_A"].state_dict()[key], expected)


@pytest.mark.parametrize("content", [b"torn", {"whole": "and of another program"}])
def test_a_test_with_its_weights_needs_no_state(run, content):
    run(train.main, f"--name r {WORDS}")
    path = Path("checkpoints/r/state.pt")
    Path("checkpoints/r/state_before.pt").unlink(missing_ok=True)
    path.write_bytes(content) if isinstance(content, bytes) else write_state(path, content)
    run(test_command.main, "--name r")
    run(test_command.main, "--name r --weights raw")


def test_a_state_of_another_program_is_one_line(run, capsys):
    run(train.main, f"--name r {WORDS}")
    for path in Path("checkpoints/r").glob("*.p*t*"):
        path.unlink()
    write_state(Path("checkpoints/r/state.pt"), {"whole": "and of another program"})
    capsys.readouterr()
    refused(capsys, partial(run, test_command.main, "--name r"), "state.pt", "no state of ours")


def test_a_test_takes_averages_where_there_are_any(run, capsys):
    run(train.main, f"--name r --ema 1e9 {WORDS}")
    pictures = {}
    for words in ("", "--weights ema", "--weights raw"):
        capsys.readouterr()
        run(
            test_command.main,
            f"--name r --results_dir {words.split()[-1] if words else 'x'} {words}",
        )
        said = capsys.readouterr().out
        assert ("latest, averaged" in said) == (words != "--weights raw")
        folder = Path(words.split()[-1] if words else "x") / "r/test_latest"
        about = json.loads((folder / "results.json").read_text())["about"]["epoch"]
        assert about == ("latest" if "raw" in words else "latest, averaged")
        pictures[words] = (folder / "images/00000_fake_B_img.png").read_bytes()
    assert pictures[""] == pictures["--weights ema"] != pictures["--weights raw"]


def test_a_state_alone_has_its_averages(run, capsys):
    """As a run leaves it that is killed before the files of the weights are written."""
    run(train.main, f"--name r --ema 4 {WORDS}")
    for path in Path("checkpoints/r").glob("*.pth"):
        path.unlink()
    capsys.readouterr()
    run(test_command.main, "--name r")
    assert "latest, averaged" in capsys.readouterr().out


def test_exported_generators_are_averages(run):
    run(train.main, f"--name r --ema 1e9 {WORDS}")
    loaded = {}
    for words in ([], ["--weights", "raw"]):
        opt, checkpoints = export.options(export.parse(["--name", "r", *words]))
        loaded[len(words)] = export.load_model(opt, checkpoints).networks["G_A"].state_dict()
    for count, suffix in ((0, "_ema"), (2, "")):
        saved = load_file(Path(f"checkpoints/r/latest_net_G_A{suffix}.pth"))
        assert_same(
            sorted(map(torch.Tensor.sum, loaded[count].values())),
            sorted(map(torch.Tensor.sum, saved.values())),
        )


def test_mistakes_are_one_line(run, capsys):
    run(train.main, f"--name r {WORDS}")
    capsys.readouterr()
    for main, words, said in (
        (train.main, "--name x --ema -3", "--ema -3"),
        (train.main, "--name x --ema nan", "--ema: nan"),
        (test_command.main, "--name r --weights ema", "--weights ema: "),
        (test_command.main, "--name r --weights ema --epoch 77", "no such checkpoint"),
        (test_command.main, "--name r --weights best", "--weights"),
    ):
        refused(capsys, partial(run, main, words), said)
