"""On a GPU: the numbers of the CPU, updates that break, checkpoints that travel. Skipped without one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_execution import gradient_difference, scenes
from test_fused import CASES, OF, same_as_the_definition
from test_guard import spoil

import test as test_command
import train
from conftest import train_options
from models import create_model
from models.networks.fused import finish, works
from models.networks.layers import Conv2d
from training.device import prepare_device

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU (CUDA) here"),
]
GPU, CPU = "0", "-1"


def model_on(gpu_ids: str, words: str):
    """A model with the same weights wherever it is, in true float32."""
    opt = train_options(f"--batch_size 2 --ins_max 2 --pool_size 0 --gpu_ids {gpu_ids} {words}")
    device = prepare_device(opt)
    torch.manual_seed(0)
    return create_model(opt, device)


def weights(model) -> dict[str, torch.Tensor]:
    """A copy of what optimisers change."""
    return {
        f"{name}.{key}": value.detach().clone()
        for name, network in model.networks.items()
        for key, value in network.named_parameters()
    }


def test_a_step_on_the_gpu_is_that_of_the_cpu():
    """Losses and gradients of the first step, in fp32 without TF32."""
    batch, models = scenes([2, 1], [1, 2]), []
    for gpu_ids in (CPU, GPU):
        models.append(model_on(gpu_ids, "--ins_per 2"))
        models[-1].step(batch, 0)
    here, there = models
    for name, loss in here.get_current_losses().items():
        assert there.get_current_losses()[name] == pytest.approx(loss, rel=1e-3), name
    for network in there.networks.values():
        assert {w.device.type for w in network.parameters()} == {there.device.type}
        network.to("cpu")  # and the gradients with it
    assert gradient_difference(here, there) < 1e-2


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_fused_layers_train_as_those_one_by_one(precision):
    """Losses of the second step, and the gradients of it."""
    batch, models = scenes([2, 1], [1, 2]), []
    for words in ("--no_fused", ""):
        models.append(model_on(GPU, f"--ins_per 2 --precision {precision} --channels_last {words}"))
        for number in (0, 2):
            models[-1].step(batch, number)
    plain, fused = models
    assert any(getattr(layer, "fused", False) for layer in fused.networks["G_A"].modules())
    for name, loss in plain.get_current_losses().items():
        assert fused.get_current_losses()[name] == pytest.approx(loss, rel=0.02), name
    assert gradient_difference(plain, fused) < (0.02 if precision == "tf32" else 0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_kernels_are_used_here(dtype):
    assert works(torch.device("cuda", 0), dtype)


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("case", CASES)
def test_compiled_kernels_do_what_their_definition_says(case, of):
    same_as_the_definition(finish, CASES[case], of, torch.device("cuda"))


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_steps_by_cuda_graphs_are_those_without(precision, capsys):
    """Losses of later steps, of two classes of shapes in turns, and the gradients of the last."""
    batches = scenes([2, 1], [1, 2]), scenes([2, 2], [1, 2], seed=3)
    words, models = f"--ins_per 1 --precision {precision} --deterministic", []
    for more in ("", "--cuda_graphs"):
        models.append(model_on(GPU, f"{words} {more}"))
        for number in range(8):
            models[-1].step(batches[number % 2], 2 * number)
    plain, other = models
    assert len(other.graphs.graphs) >= 4
    assert capsys.readouterr().out.count("CUDA graphs are used") == 1
    for name, loss in plain.get_current_losses().items():
        assert other.get_current_losses()[name] == pytest.approx(loss, rel=1e-3), name
    if precision != "fp16":  # whose gradients are scaled
        assert gradient_difference(plain, other) < 1e-2


def test_a_broken_update_of_a_cuda_graph_is_not_made():
    model, batch = model_on(GPU, "--ins_per 1 --cuda_graphs"), scenes([2, 1], [1, 2])
    for number in range(4):
        assert model.step(batch, 2 * number) is None
    before = weights(model)
    broken = scenes([2, 1], [1, 2], seed=3)
    broken["A"].image[0, 0, 0, 0] = float("nan")
    assert [model.step(own, number) for own, number in ((broken, 8), (batch, 10))] == [None, 8]
    assert all(torch.equal(value, before[name]) for name, value in weights(model).items())
    assert any(loss.isnan() for loss in model.recover().losses.values())


def test_a_broken_update_is_found_one_step_later_and_not_made(monkeypatch):
    model, batch = model_on(GPU, "--ins_per 1"), scenes([2, 1], [1, 2])
    assert model.step(batch, 0) is None
    before = weights(model)
    spoil(monkeypatch, "generator_losses", 1, lambda x: x * float("nan"))
    assert [model.step(batch, number) for number in (2, 4)] == [None, 2]
    after = weights(model)
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert any(loss.isnan() for loss in model.recover().losses.values())
    assert [model.step(batch, number) for number in (6, 8)] == [None, None]
    assert not all(torch.equal(value, before[name]) for name, value in weights(model).items())


def test_a_checkpoint_of_the_gpu_is_used_on_the_cpu(run, capsys):
    """It is continued there, and it translates as on the GPU to one of 255."""
    words = "--name r --niter_decay 0 --num_threads 0 --logger none"
    run(train.main, f"{words} --niter 1 --gpu_ids {GPU}")
    for path in Path("checkpoints/r").glob("latest_net_*.pth"):
        assert {x.device.type for x in torch.load(path, weights_only=True).values()} == {"cpu"}
    for gpu_ids in (CPU, GPU):
        words_there = f"--results_dir on{gpu_ids} --gpu_ids {gpu_ids}"
        run(test_command.main, f"--name r --num_threads 0 {words_there}")
    files = sorted(Path(f"on{CPU}/r/test_latest/images").glob("*fake*_img.png"))
    assert files
    for path in files:
        there = Path(f"on{GPU}/r/test_latest/images", path.name)
        pair = [np.asarray(Image.open(one)).astype(int) for one in (path, there)]
        assert np.abs(pair[0] - pair[1]).max() <= 1, path.name
    run(train.main, f"{words} --niter 2 --gpu_ids {CPU} --continue_train")
    assert "continuing at epoch 2" in capsys.readouterr().out


def test_a_run_by_cuda_graphs_stops_and_goes_on(run, capsys):
    words = "--name r --niter_decay 0 --num_threads 0 --logger none --gpu_ids 0 --cuda_graphs"
    run(train.main, f"{words} --niter 3")
    assert "CUDA graphs are used" in capsys.readouterr().out
    run(train.main, f"{words} --niter 4 --continue_train")
    assert "continuing at epoch 4" in capsys.readouterr().out


@pytest.mark.parametrize("before,after,side", [(3, 64, 7), (64, 3, 7), (1, 64, 4), (64, 1, 4)])
def test_channels_in_eights_give_the_same(before, after, side):
    torch.manual_seed(0)
    layer = Conv2d(before, after, side).cuda().to(memory_format=torch.channels_last)
    x = torch.randn(2, before, 20, 20, device="cuda").to(memory_format=torch.channels_last)
    results = []
    plain = torch.nn.functional.conv2d
    for convolve in (layer, lambda x: plain(x, layer.weight, layer.bias)):
        leaf = x.clone().requires_grad_()
        with torch.autocast("cuda", dtype=torch.bfloat16):
            result = convolve(leaf)
        leaves = [leaf, layer.weight]
        results.append([result, *torch.autograd.grad(result.float().square().sum(), leaves)])
    for one, other in zip(*results, strict=True):
        assert (one - other).float().norm() < 0.02 * other.float().norm()
