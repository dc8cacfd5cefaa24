"""CUDA graphs of updates: they train as calls do, and calls that cannot have one go on without.

There is no GPU in most of these tests, see recorded.py; test_gpu.py has those that need one.
"""

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from recorded import Recorder, recorded
from test_execution import scenes

import train
from conftest import train_options
from models import create_model, init_codes, names
from models.estimate import estimate
from models.networks import insta_gan, mask_morph
from options.device_options import device_problems
from training.optimizers import Trainable
from util.errors import UserError

CPU = torch.device("cpu")
WORDS = "--ins_max 2 --ins_per 1 --batch_size 2 --pool_size 2"


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch):
    """Every mask is computed, present or not: a GPU is not asked which are."""

    def rows(present: torch.Tensor) -> torch.Tensor:
        return torch.arange(present.numel())

    for module in (insta_gan, init_codes, mask_morph):
        monkeypatch.setattr(module, "instance_rows", rows)


def model_of(words: str = ""):
    torch.manual_seed(0)
    return create_model(train_options(f"{WORDS} {words}"), CPU)


def pair_of(words: str = ""):
    """The same model twice; the second one with graphs."""
    plain, other = model_of(words), model_of(words)
    other.graphs = recorded(other)
    return plain, other


def assert_equal(one, other) -> None:
    """Networks, their vectors, optimisers and pools."""
    flat = torch.utils._pytree.tree_leaves
    states = [flat([model.state_dict(), model.own_state()]) for model in (one, other)]
    assert len(states[0]) == len(states[1])
    for here, there in zip(*states, strict=True):
        same = torch.equal(here, there) if isinstance(here, torch.Tensor) else here == there
        assert same


def batch(number: int, a: list[int] | None = None, b: list[int] | None = None) -> dict:
    return scenes(a or [2, 2], b or [2, 2], seed=number)


@pytest.mark.parametrize(
    "words", ["", "--accumulate 2 --paste 1", "--netG basic --netD basic", "--ema 8"]
)
def test_steps_by_graphs_are_those_without(words):
    models = pair_of(words)
    for number in range(6):
        for model in models:
            model.step(batch(number), 2 * number)
        assert models[0].get_current_losses() == models[1].get_current_losses()
    assert_equal(*models)
    assert models[1].graphs.recorder.launches >= 8


def test_classes_have_graphs_of_their_own():
    """Of samples, groups and numbers of instances, in any order; a finished D has no gradient."""
    kinds = [([2, 2], [2, 2]), ([1, 2], [1, 0]), ([2, 1], [1, 1])]
    models = pair_of("--pool_size 0")
    for number in range(12):
        for model in models:
            model.step(batch(number, *kinds[number % 3]), 2 * number)
    assert_equal(*models)
    graphs = models[1].graphs
    # Two groups, two updates each; generators see no difference in the second groups of the last
    # two kinds, where one sample is left.
    assert len(graphs.graphs) == 3 * 4 - 1
    both, one = (
        {len(graph.weights) for key, graph in graphs.graphs.items() if key[0][0] == method}
        for method in ("discriminator_losses", "generator_losses")
    )
    assert len(both) == 2 and len(one) == 1  # B of the second kind is finished after one group


def test_graphs_are_made_when_a_class_comes_again():
    model = model_of("--pool_size 0")
    model.graphs = recorded(model)
    for number, count in enumerate([0, 4, 4, 4]):
        model.step(batch(number), 2 * number)
        assert len(model.graphs.graphs) == count
    assert model.graphs.recorder.launches == 2 * 4
    assert not model.graphs.draw_on_cpu


@pytest.mark.parametrize("name", names())
def test_every_model_trains_by_graphs(run, monkeypatch, name):
    """To the bit, and with graphs of each of its updates: none does anything else on the side."""
    before, made = Trainable.__init__, []

    def with_graphs(model, *arguments):
        before(model, *arguments)
        model.graphs = recorded(model)
        made.append(model.graphs)

    words = f"--model {name} --niter 3 --niter_decay 0 --no_html --logger none --num_threads 0"
    run(train.main, f"--name plain {words}")
    monkeypatch.setattr(Trainable, "__init__", with_graphs)
    run(train.main, f"--name graphs {words}")
    graphs = made[-1]
    assert graphs.recorder.launches and not graphs.draw_on_cpu
    assert {key[0][0] for key in graphs.graphs} == {key[0][0] for key in graphs.calls}
    files = sorted(Path("checkpoints/plain").glob("latest_net_*.pth"))
    assert files
    for path in files:
        own, other = (
            torch.load(p, weights_only=True) for p in (path, f"checkpoints/graphs/{path.name}")
        )
        assert all(torch.equal(value, other[key]) for key, value in own.items()), path


def test_what_draws_on_the_cpu_has_no_graph(capsys):
    models = pair_of("--diffaug color,cutout --pool_size 0")
    for number in range(4):
        for model in models:
            torch.manual_seed(number)
            model.step(batch(number), 2 * number)
    assert_equal(*models)
    graphs = models[1].graphs
    assert not graphs.graphs
    said = capsys.readouterr().out
    assert said.count("no CUDA graph of generator_losses, which draws numbers on the CPU") == 1


def test_where_no_graph_can_be_made_a_line_says_why(monkeypatch):
    """The reason is what was wrong in the call, not that its graph came to no end."""

    def fail(*_):
        try:
            raise RuntimeError("operation not permitted when stream is capturing\nand so on")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    monkeypatch.setattr(Recorder, "record", fail)
    model = model_of()
    model.graphs = recorded(model)
    model.step(batch(0), 0)
    with pytest.raises(UserError, match=r"--cuda_graphs does not work here \(operation not perm"):
        model.step(batch(1), 2)


def test_without_room_there_are_no_graphs():
    models = pair_of()
    models[1].graphs.recorder.room = (9, 100)
    for number in range(4):
        for model in models:
            model.step(batch(number), 2 * number)
    assert_equal(*models)
    assert not models[1].graphs.graphs and models[1].graphs.calls


def test_a_broken_update_of_a_graph_is_not_made():
    model = model_of("--pool_size 0")
    model.graphs = recorded(model)
    for number in range(3):
        assert model.step(batch(number), 2 * number) is None
    launches = model.graphs.recorder.launches
    before = {name: w.clone() for name, w in model.networks["G_A"].named_parameters()}
    broken = batch(3)
    broken["A"].image[0, 0, 0, 0] = float("nan")
    assert model.step(broken, 6) == 6
    assert model.graphs.recorder.launches == launches + 4
    update = model.recover()
    assert update.method == "generator_losses" and update.bad_losses()
    after = dict(model.networks["G_A"].named_parameters())
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_cuda_graphs_are_for_gpus():
    with pytest.raises(UserError, match="--cuda_graphs is for GPUs: leave it out on a CPU"):
        train_options("--cuda_graphs --gpu_ids -1")


def test_graphs_are_of_one_gpu_and_not_compiled():
    opt = Namespace(precision="fp32", gpu_ids=[0, 1], compile=True, cuda_graphs=True)
    opt.checkpoint_activations, opt.diffaug = True, ["color"]
    said = "\n".join(device_problems(opt))
    assert "--gpu_ids [0, 1] are several" in said
    for flag in ("compile", "checkpoint_activations", "diffaug"):
        assert f"--cuda_graphs and --{flag} exclude each other" in said
        setattr(opt, flag, False)
    opt.gpu_ids = [0]
    assert not [*device_problems(opt)]


def test_the_memory_of_a_run_with_graphs_is_estimated():
    opt = train_options(WORDS)
    opt.cuda_graphs = True
    sample = {domain: scene.select([0]) for domain, scene in batch(0).items()}
    assert estimate(opt, sample) == estimate(train_options(WORDS), sample)
