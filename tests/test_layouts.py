"""Convolutions get their channels as tensor cores want them: innermost in memory, and in eights."""

from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from test_execution import scenes
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from conftest import train_options
from models import create_model
from models.networks import insta_gan, layers
from models.networks.fused import definition, run
from models.networks.layers import Conv2d, SpectralConv2d, Stage, conv_before
from models.networks.spectral import spectral_norm

INNERMOST = torch.channels_last
THERE, BACK = torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default


class Seen(NamedTuple):
    """A tensor that a convolution was given; an empty one, or one with one channel, is both."""

    name: str
    shape: tuple[int, ...]
    innermost: bool
    outermost: bool


class Convolutions(TorchDispatchMode):
    """Inputs and weights of every convolution in the block, and gradients on the way back."""

    def __init__(self):
        super().__init__()
        self.seen: list[Seen] = []

    def __torch_dispatch__(self, function, types, inputs=(), named=None):
        if function is THERE:
            self.note(input=inputs[0], weight=inputs[1])
        elif function is BACK:
            self.note(gradient=inputs[0], input=inputs[1], weight=inputs[2])
        return function(*inputs, **named or {})

    def note(self, **tensors: Tensor) -> None:
        for name, x in tensors.items():
            innermost = not len(x) or x.is_contiguous(memory_format=INNERMOST)
            self.seen.append(Seen(name, tuple(x.shape), innermost, x.is_contiguous()))

    def of(self, name: str) -> list[Seen]:
        return [one for one in self.seen if one.name == name]


# ---- channels innermost


class AsKernelsDo(torch.autograd.Function):
    """A copy with channels innermost, there and back."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return torch.empty_like(x, memory_format=INNERMOST).copy_(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return AsKernelsDo.forward(ctx, gradient)


def finish(x: Tensor, skip: Tensor | None = None, **after) -> Tensor:
    inputs = [one if one is None else AsKernelsDo.apply(one) for one in (x, skip)]
    return AsKernelsDo.apply(definition(*inputs, **after))


@pytest.fixture
def fused(monkeypatch):

    def forward(stage, x, recompute=False, begin=0):
        return run(list(stage)[begin:], x, finish=finish)

    monkeypatch.setattr(Stage, "forward", forward)


@pytest.fixture
def on_tensor_cores(monkeypatch):
    monkeypatch.setattr(layers, "uses_tensor_cores", lambda x: True)


MODELS = {
    "InstaGAN": "--ins_max 2 --ins_per 1 --pool_size 0",
    "one instance": "--ins_max 1 --ins_per 1 --pool_size 0",
    "masks as channels": "--ins_max 2 --ins_per 2 --netG basic --netD basic --pool_size 0",
    "CycleGAN": "--model cycle_gan --pool_size 0",
    "CycleGAN+Seg": "--model cycle_gan_seg --pool_size 0",
    "MGD-GAN, masks": "--model mgd_gan --stage mask",
    "INIT": "--model init --granularity half_scale",
}


def step(words: str) -> Convolutions:
    """The convolutions of a training step."""
    torch.manual_seed(0)
    words = f"--batch_size 2 {words}"
    model = create_model(train_options(words), torch.device("cpu"))
    with Convolutions() as found:
        model.step(scenes([2, 0], [1, 2]))
    assert found.of("input") and found.of("gradient")
    return found


@pytest.mark.parametrize("absent_masks_too", [True, False])  # as a GPU does, as a CPU does
@pytest.mark.parametrize("model", MODELS)
def test_nothing_has_to_be_converted(model, absent_masks_too, fused, on_tensor_cores, monkeypatch):
    """Where layers are fused; and all channels of pictures, masks and scores are filled up."""
    if absent_masks_too:
        everything = lambda present: torch.arange(present.numel())  # noqa: E731
        monkeypatch.setattr(insta_gan, "instance_rows", everything)
    found = step(f"--channels_last {MODELS[model]}")
    assert not [one for one in found.seen if not one.innermost]
    assert min(min(one.shape[:2]) for one in found.of("weight")) >= 4  # --ngf and --ndf


@pytest.mark.parametrize("model", MODELS)
def test_the_default_layout_is_left_alone(model):
    assert not [one for one in step(MODELS[model]).of("input") if not one.outermost]


def test_sets_have_the_same_numbers_in_either_layout():
    torch.manual_seed(0)
    features = torch.randn(4, 3, 5, 6, dtype=torch.float64)
    present = torch.tensor([[True, False], [True, True]])
    for rows in (torch.arange(4), torch.tensor([0, 2, 3])):
        for function in (insta_gan.sum_over_set, insta_gan.of_pictures):
            own = features[:2] if function is insta_gan.of_pictures else features[rows]
            results = []
            for layout in (torch.contiguous_format, INNERMOST):
                x = own.contiguous(memory_format=layout).requires_grad_()
                y = function(x, rows, present)
                (gradient,) = torch.autograd.grad(y.pow(3).sum(), x)
                assert y.is_contiguous(memory_format=layout)
                assert gradient.is_contiguous(memory_format=layout)
                results.append((y, gradient))
            for one, other in zip(*results, strict=True):
                assert torch.equal(one, other)


def test_masks_are_stacked_as_the_picture_lies():
    image, masks, present = torch.randn(2, 3, 8, 8), torch.randn(2, 1, 8, 8), torch.ones(2, 1) > 0
    for layout in (torch.contiguous_format, INNERMOST):
        stacked = insta_gan.stack(image.contiguous(memory_format=layout), masks, present, 2)
        assert stacked.is_contiguous(memory_format=layout)


# ---- channels in eights


def spectral(*sizes: int, **named) -> nn.Module:
    return spectral_norm(SpectralConv2d(*sizes, **named)).eval()  # which keeps its vectors


def bare(*sizes: int, **named) -> nn.Module:
    return Conv2d(*sizes, bias=False, **named)


KINDS = (Conv2d, bare, conv_before("instance"), spectral)


def both_ways(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """The result, and the gradients of the input and of all weights that have one."""
    weights = list(layer.parameters())
    y = layer(x)
    gradients = torch.autograd.grad(y.pow(3).sum(), [x, *weights], allow_unused=True)
    return [y, *(one for one in gradients if one is not None)]


@pytest.mark.parametrize("channels", [(3, 8), (4, 5), (8, 3), (1, 16), (8, 1)])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_channels_that_are_filled_up_change_no_number(kind, channels, monkeypatch):
    torch.manual_seed(0)
    layer = kind(*channels, 4, stride=2, padding=1).double()
    layer = layer.to(memory_format=INNERMOST)
    x = torch.randn(2, channels[0], 9, 10, dtype=torch.float64).to(memory_format=INNERMOST)
    x.requires_grad_()
    plain = both_ways(layer, x)
    monkeypatch.setattr(layers, "uses_tensor_cores", lambda x: True)
    with Convolutions() as found:
        filled = both_ways(layer, x)
    for one, other in zip(plain, filled, strict=True):
        assert one.shape == other.shape and torch.allclose(one, other, rtol=1e-12, atol=1e-12)
    assert not [count for one in found.of("weight") for count in one.shape[:2] if count % 8]
    assert all(one.innermost for one in found.seen if one.name == "gradient")
    assert len(found.of("gradient")) == 1


def test_elsewhere_and_with_eights_it_is_pytorchs_convolution(on_tensor_cores, monkeypatch):
    torch.manual_seed(0)
    for channels, forced in (((8, 16), True), ((3, 5), False)):
        monkeypatch.setattr(layers, "uses_tensor_cores", lambda x, forced=forced: forced)
        layer, pytorchs = (kind(*channels, 3) for kind in (Conv2d, nn.Conv2d))
        pytorchs.load_state_dict(layer.state_dict())
        x = torch.randn(2, channels[0], 9, 10, requires_grad=True)
        for one, other in zip(both_ways(layer, x), both_ways(pytorchs, x), strict=True):
            assert torch.equal(one, other) and one.stride() == other.stride()


def test_channels_are_filled_up_in_half_precision_on_a_gpu_alone(monkeypatch):
    def asked(dtype: torch.dtype, is_cuda: bool = True) -> bool:
        return layers.uses_tensor_cores(SimpleNamespace(dtype=dtype, is_cuda=is_cuda))

    assert asked(torch.float16) and asked(torch.bfloat16)
    assert not asked(torch.float32) and not asked(torch.bfloat16, is_cuda=False)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: device == "cuda")
    for dtype in (torch.bfloat16, torch.float32):
        monkeypatch.setattr(torch, "get_autocast_dtype", lambda device, dtype=dtype: dtype)
        assert asked(torch.float32) == (dtype == torch.bfloat16)
    assert not asked(torch.float32, is_cuda=False)
