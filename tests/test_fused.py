"""Fused layers: the kernels, run by Triton's interpreter, against their definition in float64."""

import pytest
import torch
from test_execution import trained
from torch import nn
from torch.nn.functional import instance_norm

from conftest import random_scene
from models.networks import fused, layers
from models.networks.blocks import (
    patch_classifier,
    patch_features,
    resnet_decoder,
    resnet_encoder,
)
from models.networks.fused import definition, flat, run
from models.networks.layers import Stage

INNERMOST = torch.channels_last


@pytest.fixture(scope="module")
def interpreted():
    """`finish`, by Triton's interpreter, see conftest.py; where there is a GPU test_gpu.py runs it."""
    pytest.importorskip("triton")
    if torch.cuda.is_available():
        pytest.skip("kernels are compiled here")
    return fused.finish


def drawn(*shape: int, seed: int = 0, mean: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    layout = INNERMOST if len(shape) == 4 else torch.contiguous_format
    return (torch.randn(*shape, generator=generator) + mean).contiguous(memory_format=layout)


def both_ways(function, inputs, upstream, **how) -> list[torch.Tensor]:
    """The result, and the gradients of all inputs, which have the names of `definition`."""
    leaves = {name: x.detach().clone().requires_grad_() for name, x in inputs.items()}
    result = function(**leaves, **how)
    upstream = upstream.to(result.dtype)
    return [result.detach(), *torch.autograd.grad(result, [*leaves.values()], upstream)]


def doubles(inputs) -> dict[str, torch.Tensor]:
    return {name: x.double() for name, x in inputs.items()}


def gains(of: str, n: int, c: int, h: int, w: int) -> dict[str, torch.Tensor]:
    """A gain and a shift of nothing, of channels or of pixels."""
    shape = {"nothing": None, "channels": (n, c), "pixels": (n, c, h, w)}[of]
    if shape is None:
        return {}
    return {name: drawn(*shape, seed=seed) for name, seed in (("gain", 3), ("shift", 4))}


CASES = {  # shape; slope, padding, padding of skip or none
    "an odd size": ((1, 3, 5, 7), 1.0, 0, None),
    "a ReLU, and channels that fill no block": ((2, 70, 9, 6), 0.0, 3, None),
    "a leaky ReLU": ((1, 8, 8, 8), 0.2, 1, None),
    "a residual block inside others": ((2, 16, 10, 13), 1.0, 1, 1),
    "the last residual block": ((1, 5, 6, 4), 1.0, 0, 1),
    "the first residual block": ((1, 5, 6, 4), 1.0, 2, 0),
    "borders that mirror every pixel": ((1, 5, 4, 4), 1.0, 3, 3),
    "two pixels": ((2, 3, 1, 2), 0.0, 0, None),
    "a line of 200 pixels": ((1, 2, 1, 200), 0.2, 0, None),
    "programs without an edge, chunks of several tiles": ((1, 2, 30, 150), 0.2, 1, 1),
}


OF = ("nothing", "channels", "pixels")  # what gains and shifts are of


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("case", CASES)
def test_kernels_do_what_their_definition_says(interpreted, case, of):
    same_as_the_definition(interpreted, CASES[case], of)


def same_as_the_definition(function, case, of, device=None) -> None:
    """Value and gradients of a case in float32, against the definition's in float64."""
    (n, c, h, w), slope, padding, skip_padding = case
    how = {"slope": slope, "padding": padding, "skip_padding": skip_padding or 0}
    inputs = {"x": drawn(n, c, h, w, mean=3)} | gains(of, n, c, h, w)
    if skip_padding is not None:
        inputs["skip"] = drawn(n, c, h + 2 * skip_padding, w + 2 * skip_padding, seed=1)
    inputs = {name: x.to(device) for name, x in inputs.items()}
    upstream = drawn(n, c, h + 2 * padding, w + 2 * padding, seed=2).to(device)
    exact = both_ways(definition, doubles(inputs), upstream, **how)
    for found, wanted in zip(both_ways(function, inputs, upstream, **how), exact, strict=True):
        assert found.dtype == torch.float32
        assert found.dim() == 2 or found.is_contiguous(memory_format=INNERMOST)
        assert (found - wanted).abs().max() < 1e-5 * max(1, wanted.abs().max())


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_are_summed_up_in_full_precision(interpreted, dtype, of):
    """A mean a hundred times the deviation: in eight bits hardly anything would be left.

    Gradients have the types of their inputs, which need not be the same.
    """
    inputs = {"x": drawn(1, 8, 6, 6, mean=100), "skip": drawn(1, 8, 8, 8, seed=1)}
    inputs = {name: x.to(dtype) for name, x in (inputs | gains(of, 1, 8, 6, 6)).items()}
    if of == "channels":
        inputs["gain"] = inputs["gain"].float()
    upstream = drawn(1, 8, 8, 8, seed=2).to(dtype)
    how = {"padding": 1, "skip_padding": 1}
    exact = both_ways(definition, doubles(inputs), upstream, **how)
    types = [dtype, *(x.dtype for x in inputs.values())]
    results = both_ways(interpreted, inputs, upstream, **how)
    for found, wanted, own in zip(results, exact, types, strict=True):
        assert found.dtype == own
        assert (found - wanted).norm() < 0.01 * wanted.norm()


# ---- stages


def encoder(**how) -> Stage:
    return resnet_encoder(3, 4, **{"n_blocks": 2, "norm": "instance", "dropout": False} | how)


STAGES = {  # stage, how many layers `finish` stands for
    "encoder": (encoder, 3 + 2 * 2),
    "without blocks": (lambda: encoder(n_blocks=0), 3),
    "with dropout": (lambda: encoder(dropout=True), 3 + 2 * 2),
    "part of an encoder": (lambda: encoder()[10:], 2 * 2),
    "no norm": (lambda: encoder(norm="none"), 0),
    "batch norm": (lambda: encoder(norm="batch"), 0),
    "decoder": (lambda: resnet_decoder(3, 4, norm="instance"), 2),
    "whole": (lambda: Stage(*encoder(), *resnet_decoder(3, 4, norm="instance")), 9),
    "discriminator": (lambda: patch_features(3, 4, n_layers=3, norm="instance"), 2),
    "classifier": (lambda: patch_classifier(8, norm="instance"), 1),
}


@pytest.mark.parametrize("name", STAGES)
def test_fused_stages_give_the_same(name, monkeypatch):
    make, wanted = STAGES[name]
    monkeypatch.setattr(fused, "suits", lambda x: True)  # float64 as well
    monkeypatch.setattr(nn.Dropout, "forward", lambda layer, x: 0.5 * x)  # draws lie as x does
    torch.manual_seed(0)
    stage = make().double().to(memory_format=INNERMOST)
    first = next(
        layer for layer in flat(stage) if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    )
    x = drawn(2, first.in_channels, 32, 32).double().contiguous(memory_format=INNERMOST)
    count = 0

    def counted(*inputs, **how):
        nonlocal count
        count += 1
        return definition(*inputs, **how).contiguous(memory_format=INNERMOST)

    results = []
    for function in (stage, lambda x: run(stage, x, finish=counted)):
        stage.zero_grad()
        result = function(x)
        result.square().sum().backward()
        results.append([result, *(w.grad for w in stage.parameters() if w.grad is not None)])
    assert count == wanted
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


def test_three_training_steps_are_those_without(interpreted, monkeypatch):
    """With one generator and one discriminator fused. Adam makes much of the last bit."""
    scene = random_scene([1], size=24).map(lambda x: x.float() if x.is_floating_point() else x)
    batch = {"A": scene, "B": scene.map(lambda x: x.flip(-1))}
    words = "--channels_last --ins_max 1 --ins_per 1 --load_size 24 --crop_size 24"
    plain, other = trained(words), trained(words)
    own = {*other.networks["G_A"].modules(), *other.networks["D_A"].modules()}
    before, calls = Stage.forward, []

    def finish(*inputs, **how):
        calls.append(how)
        return interpreted(*inputs, **how)

    def forward(stage, x, recompute=False, begin=0):
        if stage not in own:
            return before(stage, x, recompute, begin)
        return run(list(stage)[begin:], x, finish=finish)

    monkeypatch.setattr(Stage, "forward", forward)
    for near in (1e-5, 1e-5, 1e-4):
        for model in (plain, other):
            model.step(batch)
        losses = other.get_current_losses()
        assert losses == pytest.approx(plain.get_current_losses(), rel=near, abs=1e-6)
    assert any(how["skip_padding"] for how in calls)


def test_on_a_cpu_nothing_is_fused():
    stage = encoder()
    fused.fuse(stage, torch.device("cpu"), torch.float32)
    assert not stage.fused


def test_recomputed_segments_are_fused_as_well(monkeypatch):
    """A slice of a stage is a stage of its own."""
    seen = []
    stage, before = encoder(), Stage.forward
    stage.fused = True

    def forward(part, x, *how, **named):
        if part is stage:
            return before(part, x, *how, **named)
        seen.append(part.fused)
        return x

    monkeypatch.setattr(Stage, "forward", forward)
    stage(drawn(1, 3, 8, 8).requires_grad_(), recompute=True)
    assert len(seen) > 1 and all(seen)


def test_what_kernels_cannot_take_is_left_to_pytorch(interpreted):
    norm = [layers.InstanceNorm2d(3)]
    for x in (drawn(1, 3, 4, 4).double(), drawn(1, 3, 4, 4).contiguous(), drawn(0, 3, 4, 4)):
        assert not fused.suits(x)
    assert fused.suits(drawn(1, 3, 4, 4))
    with pytest.raises(ValueError, match="reflection padding of 3"):
        interpreted(drawn(1, 3, 3, 4), padding=3)
    other = [nn.InstanceNorm2d(3, eps=0.1)]
    x = drawn(1, 3, 4, 4)
    assert torch.equal(run(other, x), other[0](x))
    assert not torch.equal(run(norm, x, finish=lambda x, *_, **__: 0 * x), norm[0](x))


def test_kernels_are_tried_before_they_are_used(interpreted, monkeypatch, capsys):
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        assert fused.tried(torch.device("cpu"), dtype)
    gpu, ask = (torch.device("cuda"), torch.bfloat16), fused.works.__wrapped__
    monkeypatch.setattr(fused, "tried", lambda *_: False)
    assert not ask(*gpu) and "other numbers" in capsys.readouterr().out

    def broken(*_):
        raise RuntimeError("no compiler\nand a long story")

    monkeypatch.setattr(fused, "tried", broken)
    assert not ask(*gpu) and capsys.readouterr().out.endswith("here: no compiler\n")


# ---- biases that a norm takes away


@pytest.mark.parametrize(
    "kind", [layers.Conv2d, layers.ConvTranspose2d, layers.SpectralConv2d], ids=lambda x: x.__name__
)
def test_a_bias_before_a_norm_counts_for_nothing(kind):
    torch.manual_seed(0)
    plain = kind(3, 5, 3).double()
    unbiased = layers.conv_before("instance", kind)(3, 5, 3).double()
    unbiased.load_state_dict(plain.state_dict())  # with the bias, as official weights have it
    x = drawn(2, 3, 8, 8).double()
    results = [instance_norm(layer(x)) for layer in (plain, unbiased)]
    assert torch.allclose(*results, atol=1e-12)
    assert not torch.equal(plain(x), unbiased(x))
    results[1].pow(3).sum().backward()
    assert unbiased.bias.grad is None and unbiased.weight.grad.any()
    for norm in ("none", "batch"):
        assert layers.conv_before(norm, kind) is kind
