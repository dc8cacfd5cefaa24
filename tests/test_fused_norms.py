"""Fused norms that are given their scale and shift, in MUNIT's and SPADE's blocks."""

import pytest
import torch
from test_fused import INNERMOST, drawn

from models.networks import apade, fused, munit
from models.networks.fused import Fusible, definition, finish
from models.networks.layers import Stage

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
BLOCKS = {  # block, shapes of its inputs, how many times it calls `finish`
    "AdaIN": (lambda: munit.AdainBlock(6), [(2, 6, 5, 7), (2, 2, 2, 6)], 2),
    "SPADE's norm": (lambda: apade.Spade(6, 5, 8), [(2, 6, 6, 4), (2, 5, 6, 4)], 1),
    "SPADE": (lambda: apade.SpadeBlock(6, 6, 5, 8), [(2, 6, 6, 4), (2, 5, 12, 8)], 2),
    "SPADE, narrower": (lambda: apade.SpadeBlock(6, 4, 5, 8), [(2, 6, 6, 4), (2, 5, 6, 4)], 3),
}


@pytest.fixture
def fuse_by(monkeypatch):
    """Fuse a block, whatever it runs on, by a function; returns what this was told at each call."""

    def fuse(block, function) -> list[dict]:
        calls = []

        def counted(*inputs, **how):
            calls.append(how)
            return function(*inputs, **how)

        for layer in block.modules():
            if isinstance(layer, Fusible):
                monkeypatch.setattr(layer, "runs_fused", lambda x: True)
        for module in (munit, apade):
            monkeypatch.setattr(module, "finish", counted)
        return calls

    return fuse


def made(name: str, dtype: torch.dtype):
    """A block with random weights, inputs for it, and how many times it calls `finish`."""
    make, shapes, count = BLOCKS[name]
    torch.manual_seed(0)
    block = make().to(DEVICE, dtype, memory_format=INNERMOST).eval()  # spectral norm stays
    inputs = [drawn(*shape, seed=seed).to(DEVICE, dtype) for seed, shape in enumerate(shapes)]
    return block, inputs, count


def outcome(block, inputs) -> list[torch.Tensor]:
    """The result of a block, and the gradients of its inputs and weights."""
    leaves = [x.detach().requires_grad_() for x in inputs]
    result = block(*leaves)
    upstream = drawn(*result.shape, seed=9).to(result)
    wanted = [*leaves, *block.parameters()]
    how = {"allow_unused": True, "materialize_grads": True}  # biases that a norm takes away
    return [result.detach(), *torch.autograd.grad(result, wanted, upstream, **how)]


@pytest.mark.parametrize("name", BLOCKS)
def test_fused_blocks_give_the_same(name, fuse_by):
    block, inputs, count = made(name, torch.float64)
    plain = outcome(block, inputs)
    calls = fuse_by(block, definition)
    for one, other in zip(plain, outcome(block, inputs), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-9)
    assert len(calls) == count


@pytest.mark.parametrize("name", BLOCKS)
def test_kernels_take_what_autocast_gives_them(name, fuse_by):
    """Some inputs are halves and some are not; weights and inputs get gradients of their types."""
    pytest.importorskip("triton")
    exact = outcome(*made(name, torch.float64)[:2])
    block, inputs, count = made(name, torch.float32)
    calls = fuse_by(block, finish)
    with torch.autocast(DEVICE.type, torch.bfloat16):
        result, *gradients = outcome(block, inputs)
    for found, wanted in zip((result, *gradients), exact, strict=True):
        if wanted.norm() > 1e-9:  # the norm after it leaves a bias without a gradient
            assert (found - wanted).norm() < 0.02 * wanted.norm()
    assert {x.dtype for x in gradients} == {torch.float32}
    assert len(calls) == count


def test_a_scale_near_0_keeps_its_digits_in_half_precision():
    moments = torch.tensor([0.5, 0.001234]).bfloat16()[None, :, None]
    gain, shift = munit.gain_and_shift(moments)
    assert (1 + gain - moments[:, 1]).abs().max() < 1e-7
    assert torch.equal(shift, moments[:, 0])


NETWORKS = {  # network, and how many of its layers can be fused
    "MUNIT's decoder": (lambda: munit.Decoder(width=4, hidden=8, n_blocks=3), 3),
    "MUNIT's encoder": (lambda: munit.ContentEncoder(width=4, n_blocks=1), 1),
    "APADE": (lambda: apade.ApadeGenerator(width=4, halvings=2), 1 + 3 * 2 + 3),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_fused_where_kernels_work(name, monkeypatch):
    make, count = NETWORKS[name]
    network = make()
    layers = [layer for layer in network.modules() if isinstance(layer, Fusible | Stage)]
    assert len(layers) == count
    fused.fuse(network, torch.device("cpu"), torch.float32)
    assert not any(layer.fused for layer in layers)
    monkeypatch.setattr(fused, "works", lambda device, dtype: True)
    fused.fuse(network, torch.device("cuda"), torch.float32)
    assert all(layer.fused for layer in layers)


class OnGPU(torch.Tensor):
    """A tensor that says it is on a GPU."""

    is_cuda = True

    def __new__(cls, data: torch.Tensor):
        return data.as_subclass(cls)


def test_fusible_layers_run_fused_on_a_gpu_alone(monkeypatch):
    layer, x = Fusible(), drawn(1, 3, 4, 4)
    there = OnGPU(x)
    assert not layer.runs_fused(there)
    layer.fused = True
    assert layer.runs_fused(there)
    for other in (x, OnGPU(x.double()), OnGPU(x.contiguous())):
        assert not layer.runs_fused(other)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert not layer.runs_fused(there)


def test_a_gain_of_another_shape_is_no_index_outside_of_it():
    pytest.importorskip("triton")
    x = drawn(2, 3, 4, 4)
    of_channels, of_pixels = drawn(2, 3), drawn(2, 3, 4, 4)
    pairs = [
        (of_channels, None),
        (None, of_pixels),
        (of_channels, of_pixels),
        (of_channels[:1], of_channels[:1]),
        (of_pixels[:, :1], of_pixels[:, :1]),
    ]
    for gain, shift in pairs:
        with pytest.raises(ValueError, match=r"gain and shift of \(2, 3, 4, 4\)"):
            finish(x, gain=gain, shift=shift)
