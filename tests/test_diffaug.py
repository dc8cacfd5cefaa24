"""Differentiable augmentation: one draw for a picture and its masks, real and fake, both players."""

from functools import partial

import pytest
import torch

import train
from conftest import double_model, random_scene, refused
from data.scene import Scene
from models.diffaug import KINDS, augmented

ALL = list(KINDS)


def marked(seed: int = 0) -> Scene:
    """Pictures that show where their masks are."""
    scene = random_scene([2, 1, 0, 2], size=32, seed=seed)
    union = scene.union() * 2 - 1
    return Scene(union.expand(-1, 3, -1, -1).clone(), scene.masks, scene.present)


@pytest.mark.parametrize("kind", ["translation", "cutout"])
def test_masks_move_with_their_picture(kind):
    torch.manual_seed(0)
    scene = marked()
    moved = augmented(scene, [kind])
    assert moved.image.shape == scene.image.shape and moved.masks.shape == scene.masks.shape
    shown = moved.image[:, :1] != 0  # what was cut out or came in is grey
    assert torch.equal((moved.union() * 2 - 1)[shown], moved.image[:, :1][shown])
    assert (moved.union()[~shown] == 0).all()
    assert not torch.equal(moved.image, scene.image)
    assert (moved.masks[~scene.present] == -1).all()


def test_colours_change_pictures_alone():
    torch.manual_seed(0)
    scene = random_scene([2, 1])
    other = augmented(scene, ["color"])
    assert torch.equal(other.masks, scene.masks) and not torch.equal(other.image, scene.image)


@pytest.mark.parametrize("kind", ALL)
def test_each_sample_has_its_own_draw_and_gradients_flow(kind):
    torch.manual_seed(1)
    scene = random_scene([1] * 6, size=32)
    same = Scene(
        *(t[:1].expand(6, *t.shape[1:]).clone() for t in (scene.image, scene.masks, scene.present))
    )
    same.image.requires_grad_()
    same.masks.requires_grad_()
    other = augmented(same, [kind])
    assert len({tuple(one.flatten().tolist()) for one in other.image.detach()}) > 3
    (other.image.sum() + other.masks.sum()).backward()
    for tensor in (same.image, same.masks):
        assert (tensor.grad.flatten(1).abs().sum(1) > 0).all()


def test_moves_are_whole_pixels_within_an_eighth():
    torch.manual_seed(0)
    image = torch.zeros(200, 1, 32, 32)
    image[:, :, 16, 16] = 1
    scene = Scene(image, torch.full((200, 1, 32, 32), -1.0), torch.ones(200, 1, dtype=torch.bool))
    places = augmented(scene, ["translation"]).image.nonzero()
    assert len(places) == 200
    assert {*places[:, 2].tolist()} == {*places[:, 3].tolist()} == set(range(12, 21))


def test_reals_and_fakes_of_both_players(monkeypatch):
    """The discriminators of a step see nothing else; without the option they see it as it is."""
    seen = []
    monkeypatch.setitem(KINDS, "color", lambda scene: seen.append(scene) or scene)
    batch = {"A": random_scene([2], seed=1), "B": random_scene([1], seed=2)}
    for words, calls in (("--diffaug color", 6), ("", 0)):
        del seen[:]
        model = double_model(f"--ins_max 2 --ins_per 2 {words}")
        model.step(batch)
        assert len(seen) == calls  # of each direction: the fake for G, the real and the fake for D


@pytest.mark.parametrize("words", ["--accumulate 4", "--model cycle_gan", "--model cycle_gan_seg"])
def test_every_model_and_empty_parts_take_steps(words):
    """Pictures without instances, and parts of a batch without pictures that take part."""
    model = double_model(f"--batch_size 4 --diffaug {','.join(ALL)} {words}")
    batch = {"A": random_scene([3, 0, 1, 0], seed=1), "B": random_scene([1, 3, 0, 0], seed=2)}
    assert [model.step(batch, number) for number in (0, 4)] == [None, None]
    assert all(loss.isfinite() for loss in model.losses.values())


def test_mistakes_are_one_line(run, capsys):
    for words, said in (
        ("colour", "did you mean color?"),
        ("color,", "--diffaug"),
        ("color,color", "once"),
    ):
        refused(capsys, partial(run, train.main, f"--name r --diffaug {words}"), said)
