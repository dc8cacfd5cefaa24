"""Losses against numbers worked out by hand."""

import math

import pytest
import torch

from conftest import random_scene
from data.scene import Scene
from models.losses import adversarial_loss, context_loss, set_l1_loss


def scene(image: float, masks: list[float]) -> Scene:
    """One 2x2 picture of a constant, with constant masks."""
    tensor = torch.tensor(masks).view(1, -1, 1, 1).expand(1, len(masks), 2, 2)
    return Scene(torch.full((1, 3, 2, 2), image), tensor, torch.ones(1, len(masks)).bool())


def test_lsgan():
    scores = torch.tensor([[[[0.0, 1.0]]], [[[3.0, 1.0]]]])
    assert adversarial_loss(scores, True).tolist() == [0.5, 2.0]
    assert adversarial_loss(scores, False).tolist() == [0.5, 5.0]


def test_vanilla_is_cross_entropy_of_the_sigmoid():
    loss = adversarial_loss(torch.full((1, 1, 2, 2), 2.0), True, "vanilla")
    assert loss.item() == pytest.approx(-math.log(1 / (1 + math.exp(-2.0))))


def test_set_l1_counts_slots_of_the_options_not_of_the_data():
    one = set_l1_loss(scene(0.5, [1.0]), scene(0.0, [-1.0]), slots=2)
    assert one.item() == pytest.approx((3 * 0.5 + 2.0) / 5)
    padded = set_l1_loss(scene(0.5, [1.0]).padded(2), scene(0.0, [-1.0]).padded(2), slots=2)
    assert padded.item() == pytest.approx(one.item())


def test_context_weight_is_one_minus_the_union():
    source, fake = scene(0.5, [-0.5, -0.5]), scene(-0.5, [-0.5])
    assert context_loss(source, fake).item() == pytest.approx(1.0 * (1 - 3 * 0.25))
    assert context_loss(scene(0.5, [1.0]), fake).item() == 0.0


def test_context_gradient_flows_through_the_weight():
    masks = torch.full((1, 1, 2, 2), -0.5, requires_grad=True)
    fake = Scene(torch.zeros(1, 3, 2, 2), masks, torch.ones(1, 1).bool())
    context_loss(scene(0.5, [-1.0]), fake).sum().backward()
    assert torch.allclose(masks.grad, torch.full_like(masks, -0.5 * 0.5 / 4))


def test_losses_are_per_sample():
    a, b = random_scene([2, 1, 0], seed=1), random_scene([2, 1, 0], seed=2)
    for loss in (lambda x, y: set_l1_loss(x, y, 2), context_loss):
        whole = loss(a, b)
        parts = torch.cat([loss(x, y) for x, y in zip(a.split(), b.split(), strict=True)])
        assert torch.allclose(whole, parts)
