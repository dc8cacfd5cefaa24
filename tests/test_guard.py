"""An update that is not finite is not made, is written down, and can be made again."""

import json
from pathlib import Path

import pytest
import torch
from test_checkpoints import assert_same, state

import train
from conftest import double_model, one_line_error, random_scene
from loggers.records import read_records
from models.insta_gan_model import InstaGANModel
from models.unpaired import UnpairedModel
from scripts import replay_step
from training.guard import Guard

BATCH = {"A": random_scene([3, 1], seed=1), "B": random_scene([2, 3], seed=2)}
WORDS = "--batch_size 2 --ins_per 1 --ins_max 3 --pool_size 3 --accumulate 2"


def everything(model) -> dict:
    """A copy of what an update changes."""
    own = {name: pool.state_dict() for name, pool in model.pools.items()}
    return torch.utils._pytree.tree_map_only(
        torch.Tensor, torch.clone, {"model": model.state_dict(), "pools": own}
    )


def spoil(monkeypatch, method: str, call: int, how) -> None:
    """Let the losses of one call of a method be spoilt."""
    honest, calls = getattr(UnpairedModel, method), []

    def spoilt(self, *arguments):
        losses, result = honest(self, *arguments)
        calls.append(1)
        return ({n: how(x) for n, x in losses.items()} if len(calls) == call else losses), result

    spoilt.__name__ = method
    monkeypatch.setattr(UnpairedModel, method, spoilt)


class InfiniteGradient(torch.autograd.Function):
    @staticmethod
    def forward(_, x):
        return x.clone()

    @staticmethod
    def backward(_, gradient):
        return gradient * float("inf")


@pytest.mark.parametrize("how", [lambda x: x * float("nan"), InfiniteGradient.apply])
@pytest.mark.parametrize("method,call", [("generator_losses", 1), ("generator_losses", 4)])
def test_from_a_broken_update_on_nothing_changes(monkeypatch, method, call, how):
    """The first group's update, and the second's: networks stay as the updates before left them."""
    model, seen = double_model(WORDS), []
    model.step(BATCH, 10)  # Adam makes its state in the first
    update = InstaGANModel.update
    monkeypatch.setattr(
        InstaGANModel,
        "update",
        lambda self, *all: seen.append(everything(self)["model"]) or update(self, *all),
    )
    spoil(monkeypatch, method, call, how)
    assert model.step(BATCH, 12) == 12
    broken = 2 * ((call - 1) // 2)  # two parts, two updates a group
    assert_same(model.state_dict(), seen[broken])
    made = model.recover()
    assert (made.kind, made.inputs[-2]) == ("G", (call - 1) // 2)
    assert model.step(BATCH, 14) is None


@pytest.mark.parametrize("late", [False, True])
def test_pools_forget_the_fakes_that_broke_a_discriminator(monkeypatch, late):
    model = double_model(WORDS)
    model.guard.late = late
    model.step(BATCH, 0)
    before = everything(model)["pools"]
    spoil(monkeypatch, "discriminator_losses", 1, lambda x: x * float("nan"))
    for number in (2, 4) if late else (2,):
        model.step(BATCH, number)
    assert model.recover().method == "discriminator_losses"
    assert_same(everything(model)["pools"], before)


@pytest.mark.parametrize("late", [False, True])
def test_pools_forget_what_came_of_a_broken_update(monkeypatch, late):
    """And of the step after it, where the answer comes a step later as on a GPU."""
    model = double_model(WORDS)
    model.guard.late = late
    model.step(BATCH, 0)
    before = everything(model)
    spoil(monkeypatch, "generator_losses", 1, lambda x: x * float("nan"))
    told = [model.step(BATCH, number) for number in ((2, 4) if late else (2,))]
    assert told == ([None, 2] if late else [2])
    assert any(loss.isnan() for loss in model.recover().losses.values())
    assert_same(everything(model), before)
    assert [model.step(BATCH, number) for number in (6, 8)] == [None, None]


def test_an_update_can_be_made_again_to_the_bit(monkeypatch):
    """Of both kinds and of a later group, with dropout and a pool that draws."""
    words = f"{WORDS} --dropout --pool_size 1 --paste 1 --diffaug color,translation,cutout"
    for kind, call in (("generator_losses", 3), ("discriminator_losses", 3)):
        model = double_model(words)
        model.step(BATCH, 0)
        with monkeypatch.context() as patch:
            spoil(patch, kind, call, lambda x: x + float("nan"))
            model.step(BATCH, 2)
        update = model.guard.broken()[0]
        spoilt = [name for name, loss in update.losses.items() if loss.isnan()]
        assert spoilt
        again = []
        for _ in range(2):
            again.append(model.repeat(update))
        assert_same(*again)
        assert all(torch.isfinite(loss) for loss in again[0].values())


def poison(monkeypatch, at: int) -> None:
    """From a step on a generator has a weight that is not finite, as if it had diverged."""
    honest, calls = InstaGANModel.train_step, []

    def step(self, scenes):
        calls.append(1)
        if len(calls) == at:
            with torch.no_grad():
                next(self.networks["G_A"].parameters()).view(-1)[0] = float("inf")
        honest(self, scenes)

    monkeypatch.setattr(InstaGANModel, "train_step", step)


def test_the_run_stops_names_everything_and_the_dump_repeats_it(run, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(SystemExit) as stop:
        poison(patch, at=3)
        run(train.main, "--name r --niter 1 --niter_decay 0")
    assert stop.value.code == 2
    dump = "checkpoints/r/broken_2.pt"
    one_line_error(
        capsys, "epoch 1", "after picture 2", "loss G_A", "update of G", dump, "--on_nan"
    )
    assert state("r")["progress"]["total"] == 3
    replay_step.main([dump])
    out = capsys.readouterr().out
    assert "nan" in out and "first layer that gives what is not finite: G_A." in out
    assert "gradient of G_A" in out


def break_once(monkeypatch, at: int, times: int = 1) -> list:
    """Spoil the losses of a step of the run, and of as many as often as it is taken again."""
    honest, calls = InstaGANModel.train_step, []
    losses = UnpairedModel.generator_losses

    def train_step(self, scenes):
        calls.append(1)
        honest(self, scenes)

    def spoilt(self, *arguments):
        bad = at <= len(calls) < at + times
        found, moved = losses(self, *arguments)
        return {n: x * float("nan") if bad else x for n, x in found.items()}, moved

    spoilt.__name__ = losses.__name__
    monkeypatch.setattr(InstaGANModel, "train_step", train_step)
    monkeypatch.setattr(UnpairedModel, "generator_losses", spoilt)
    return calls


@pytest.fixture
def late(monkeypatch) -> None:
    """The guard's answers come one step later, as on a GPU."""
    clear = Guard.clear
    monkeypatch.setattr(Guard, "clear", lambda self: clear(self) or setattr(self, "late", True))


def test_a_late_answer_names_its_own_step(run, monkeypatch, capsys, late):
    break_once(monkeypatch, at=3)
    run(train.main, "--name r --niter 1 --niter_decay 0 --on_nan skip")
    out = capsys.readouterr().out
    assert out.count("is not finite") == 1 and "step after picture 2" in out
    assert [path.name for path in Path("checkpoints/r").glob("broken_*")] == ["broken_2.pt"]
    replay_step.main(["checkpoints/r/broken_2.pt"])


@pytest.mark.parametrize("words", ["--save_latest_freq 3", ""])
def test_nothing_of_a_late_answer_is_saved(run, monkeypatch, capsys, late, words):
    """A save, and the end of the run, ask about the step just taken, and wait for the answer."""
    break_once(monkeypatch, at=3 if words else 6)
    with pytest.raises(SystemExit):
        run(train.main, f"--name r --niter 1 --niter_decay 0 {words}")
    one_line_error(capsys, "epoch 1", f"after picture {2 if words else 5}", "--continue_train")
    saved = state("r")
    assert saved["progress"]["total"] == (3 if words else 6)
    for weights in saved["model"]["networks"].values():
        assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_skip_goes_on_with_the_next_batch(run, monkeypatch, capsys):
    calls = break_once(monkeypatch, at=3)
    run(train.main, "--name r --niter 1 --niter_decay 0 --on_nan skip --print_freq 1")
    assert capsys.readouterr().out.count("is not finite") == 1
    assert len(calls) == 6
    records = read_records(Path("checkpoints/r/metrics.jsonl"))
    assert [r["total"] for r in records] == [1, 2, 3, 4, 5, 6]
    assert records[2]["losses"]["G_A"] is None
    weights = state("r")["model"]["networks"]["G_A"]
    assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_rollback_goes_back_and_leaves_the_batch_out(run, monkeypatch, capsys):
    calls = break_once(monkeypatch, at=5)
    run(train.main, "--name r --niter 2 --niter_decay 0 --save_latest_freq 3 --on_nan rollback")
    out = capsys.readouterr().out
    assert "back to epoch 1, 3 pictures into it" in out
    assert state("r")["progress"]["total"] == 12
    assert len(calls) == 13  # of twelve steps the fourth is taken twice, and the fifth was tried


def test_too_many_broken_steps_end_a_run(run, monkeypatch, capsys):
    break_once(monkeypatch, at=2, times=1000)
    with pytest.raises(SystemExit) as stop:
        run(train.main, "--name r --niter 9 --niter_decay 0 --on_nan skip")
    assert stop.value.code == 2
    told = capsys.readouterr()
    assert "the last of 5 such steps" in told.err and told.out.count("replay_step.py") == 4


def test_collapse_is_warned_about_once(run, monkeypatch, capsys):
    monkeypatch.setattr(
        InstaGANModel,
        "get_current_facts",
        lambda self: {"masks": {"empty": {"A": 1.0}, "full": {"A": 0.0}}},
    )
    run(train.main, "--name r --niter 1 --niter_decay 0 --print_freq 1")
    out = capsys.readouterr().out
    assert out.count("masks are all empty since picture 1; ") == 1 and "--lr_D" in out
    assert json.loads(Path("checkpoints/r/starts.jsonl").read_text())["total"] == 0
