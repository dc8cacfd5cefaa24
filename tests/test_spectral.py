"""Spectral norm of all layers at once: the numbers of PyTorch's, in fewer operations."""

from contextlib import nullcontext
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm as pytorchs
from torch.utils._python_dispatch import TorchDispatchMode

from models.networks import build_discriminator
from models.networks.layers import SpectralConv2d
from models.networks.mask_morph import MaskDiscriminator
from models.networks.spectral import normed_weights, spectral_norm

SHAPES = ((3, 8, 4), (8, 5, 3), (5, 1, 1))  # channels before and after, kernel


def convolutions(norm, seed: int = 0, dtype=torch.float64) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [SpectralConv2d(before, after, side, padding=1) for before, after, side in SHAPES]
    return nn.Sequential(*(norm(layer) for layer in layers)).to(dtype)


def kept(network: nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in network.state_dict().values()]


def weights_of(network: nn.Module) -> list[torch.Tensor]:
    return [layer.weight for layer in network.modules() if isinstance(layer, SpectralConv2d)]


def same(one: list[torch.Tensor], other: list[torch.Tensor], tolerance: float = 1e-12) -> bool:
    return all(
        torch.allclose(a, b, rtol=tolerance, atol=tolerance)
        for a, b in zip(one, other, strict=True)
    )


def called(network: nn.Module, block, x: torch.Tensor) -> torch.Tensor:
    with block(network):
        return network(x)


class Operations(TorchDispatchMode):
    """Names of the operations that are carried out; a tensor's value must not be asked for."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, inputs=(), named=None):
        self.names.append(function.overloadpacket.__name__)
        assert self.names[-1] != "_local_scalar_dense"
        return function(*inputs, **named or {})


@pytest.mark.parametrize("block", [normed_weights, lambda network: nullcontext()])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_numbers_are_those_of_pytorch(block, training, layout):
    """Weights, vectors and gradients, of several calls before a backward pass and after it."""
    ours, theirs = convolutions(spectral_norm), convolutions(pytorchs)
    assert all(torch.equal(a, b) for a, b in zip(kept(ours), kept(theirs), strict=True))
    for network in (ours, theirs):
        network.train(training).to(memory_format=layout)
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    for _ in range(2):
        losses = []
        for network, its_block in ((ours, block), (theirs, lambda network: nullcontext())):
            results = [called(network, its_block, x * scale) for scale in (1, 2)]
            loss = results[0].square().sum() + results[1].sin().sum()
            loss.backward()
            losses.append(loss.detach())
        assert same(*zip(losses, strict=True)) and same(kept(ours), kept(theirs))
        gradients = [[w.grad for w in network.parameters()] for network in (ours, theirs)]
        assert same(*gradients)
        with torch.no_grad():
            for network in (ours, theirs):
                for weight in network.parameters():
                    weight -= 0.01 * weight.grad


def test_a_block_takes_one_iteration_and_computes_each_weight_once():
    network = convolutions(spectral_norm)
    alone = deepcopy(network)
    expected = weights_of(alone)
    with normed_weights(network):
        first, second = weights_of(network), weights_of(network)
        with torch.no_grad():
            assert weights_of(network)[0] is first[0]
    assert all(a is b for a, b in zip(first, second, strict=True))
    assert same(first, expected) and same(kept(network), kept(alone))
    assert weights_of(network)[0] is not first[0]  # outside of it a layer is by itself again


def test_a_block_ends_with_an_error():
    network = convolutions(spectral_norm)
    with pytest.raises(ZeroDivisionError), normed_weights(network):
        1 / 0  # noqa: B018
    with normed_weights(network):
        inside = weights_of(network)[0]
    assert weights_of(network)[0] is not inside


@pytest.mark.parametrize(
    "network",
    [
        lambda: build_discriminator("set", width=4),
        lambda: build_discriminator("basic", width=4, slots=3),
        lambda: build_discriminator("basic", width=4, slots=3, spectral=False),
    ],
)
@pytest.mark.parametrize("settled", [0, 1])
def test_a_call_of_a_discriminator_is_one_iteration(network, settled):
    network = network()
    before = deepcopy(network)
    network(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32), torch.ones(2, 3) > 0, settled)
    weights_of(before)  # PyTorch's way: one iteration each
    assert same(kept(network), kept(before), 1e-5)


def test_a_call_of_the_discriminator_of_masks_is_one_iteration():
    network = MaskDiscriminator(width=4)
    before = deepcopy(network)
    network(torch.rand(1, 2, 32, 32), torch.ones(1, 2) > 0, torch.eye(2)[:1])
    weights_of(before)
    assert same(kept(network), kept(before), 1e-5)


def test_checkpoints_are_pytorchs():
    ours, theirs = convolutions(spectral_norm, 1), convolutions(pytorchs, 2)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    assert same(weights_of(ours), weights_of(theirs))
    third = convolutions(pytorchs, 3)
    third.load_state_dict(ours.state_dict())
    assert same(weights_of(third), weights_of(theirs))


def test_frozen_weights_get_no_gradient_and_iterate_as_others():
    network = convolutions(spectral_norm)
    trained = deepcopy(network)
    network.requires_grad_(False)
    partly = deepcopy(network)
    partly[1].requires_grad_(True)
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    for one in (network, trained, partly):
        called(one, normed_weights, x).square().sum().backward()
    with normed_weights(network):
        assert not weights_of(network)[0].requires_grad
    with normed_weights(trained):
        weights_of(trained)
    assert same(kept(network), kept(trained))
    assert [w.grad is None for w in partly.parameters()] == [True, True, False, False, True, True]
    assert same([partly[1].bias.grad], [trained[1].bias.grad])
    original = [one[1].parametrizations.weight.original.grad for one in (partly, trained)]
    assert same(original[:1], original[1:])


def test_a_layer_without_a_part_in_the_loss_gets_no_gradient():
    network = convolutions(spectral_norm)
    with normed_weights(network):
        network[0](torch.randn(1, 3, 16, 16, dtype=torch.float64)).sum().backward()
    assert network[0].parametrizations.weight.original.grad is not None
    assert network[2].parametrizations.weight.original.grad is None


def test_replicas_and_copies_have_weights_of_their_own():
    """`_replicate_for_data_parallel` makes what a thread of DataParallel calls."""
    norm = convolutions(spectral_norm)[0].parametrizations.weight[0]
    replica = norm._replicate_for_data_parallel()
    replica.ready = torch.zeros(1)
    assert norm.ready is None and deepcopy(norm)._u is not norm._u
    assert replica._u is norm._u  # what the first GPU's replica changes in place


def test_weights_stay_in_full_precision_under_autocast():
    network = convolutions(spectral_norm, dtype=torch.float32)
    expected = weights_of(deepcopy(network))
    with torch.autocast("cpu", dtype=torch.bfloat16), normed_weights(network):
        weights = weights_of(network)
        assert network(torch.rand(1, 3, 16, 16)).dtype == torch.bfloat16
    assert same(weights, expected, 1e-6)


def test_nothing_waits_for_a_value_and_operations_are_fewer():
    """On a GPU each operation is a launch, and a value that is asked for a wait."""
    counts = []
    for norm in (spectral_norm, pytorchs):
        network = convolutions(norm)
        with Operations() as operations, normed_weights(network):
            loss = sum(weight.sin().sum() for weight in weights_of(network))
            loss.backward()
        views = {"view", "detach", "t", "transpose", "split_with_sizes", "unbind", "permute"}
        counts.append(sum(name not in views for name in operations.names))
    assert counts[0] < 0.7 * counts[1]


def test_a_network_in_evaluation_can_be_exported():
    network = build_discriminator("basic", width=4, slots=2).eval()
    inputs = torch.rand(1, 3, 32, 32), torch.rand(1, 2, 32, 32), torch.ones(1, 2) > 0
    exported = torch.export.export(network, inputs).module()
    assert torch.allclose(exported(*inputs), network(*inputs), atol=1e-5)
