"""Pasting inside the loop: the equation, its gradients, and a background that stays to the bit."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import test as test_command
import train
from conftest import double_model, one_line_error, random_scene
from data.scene import Scene
from models.pasting import paste, paste_exactly, paste_weight
from options.test_options import TestOptions

EDGES = pytest.mark.parametrize("edge", ["soft", "hard"])


def soft_scene(seed: int, counts=(2, 1)) -> Scene:
    """Random pictures with masks as a generator makes them, nowhere quite -1 or 1."""
    scene = random_scene(list(counts), size=8, seed=seed)
    noise = torch.randn(scene.masks.shape, dtype=torch.float64)
    masks = torch.tanh(scene.masks + noise)
    return Scene(scene.image, masks.masked_fill(~scene.present[..., None, None], -1), scene.present)


def naive_weight(union: Tensor, radius: int, edge: str) -> Tensor:
    """w pixel by pixel, from the equation."""
    height, width = union.shape[-2:]

    def window(values: Tensor, y: int, x: int) -> list[Tensor]:
        """Values around a pixel; beyond the picture those of its nearest pixel."""
        ys = [min(max(y + d, 0), height - 1) for d in range(-radius, radius + 1)]
        xs = [min(max(x + d, 0), width - 1) for d in range(-radius, radius + 1)]
        return [values[..., i, j] for i in ys for j in xs]

    def each(function) -> Tensor:
        rows = [[function(y, x) for x in range(width)] for y in range(height)]
        return torch.stack([torch.stack(row, -1) for row in rows], -2)

    grown = each(lambda y, x: torch.stack(window(union, y, x)).amax(0))
    if edge == "hard":
        return grown
    mean = each(lambda y, x: torch.stack(window(grown, y, x)).mean(0))
    return torch.maximum(union, mean)


@EDGES
@pytest.mark.parametrize("radius", [0, 1, 2])
def test_the_equation(radius, edge):
    canvas, fake = soft_scene(1), soft_scene(2)
    total = (canvas.masks + 1).sum(1, True) / 2 + (fake.masks + 1).sum(1, True) / 2
    weight = naive_weight(total.clamp(max=1), radius, edge)
    expected = weight * fake.image + (1 - weight) * canvas.image
    pasted = paste(canvas, fake, radius, edge)
    assert torch.allclose(pasted.image, expected, atol=1e-12)
    assert torch.equal(pasted.masks, fake.masks) and torch.equal(pasted.present, fake.present)


@EDGES
def test_gradients_are_those_of_finite_differences(edge):
    """With respect to all that w and y' are made of; also through the masks of the canvas."""
    canvas, fake = soft_scene(1), soft_scene(2)
    tensors = [canvas.image, canvas.masks, fake.image, fake.masks]
    tensors = [tensor[:, :, :5, :5].clone().requires_grad_() for tensor in tensors]

    def pasted(x, a, y, b):
        return paste(Scene(x, a, canvas.present), Scene(y, b, fake.present), 1, edge).image

    assert torch.autograd.gradcheck(pasted, tensors, eps=1e-7, atol=1e-6)


@EDGES
@pytest.mark.parametrize("radius", [0, 1, 3])
def test_the_weight_is_one_inside_and_zero_far_away(radius, edge):
    union = torch.zeros(1, 1, 24, 24)
    union[..., 8:14, 9:15] = 1
    weight = paste_weight(union, radius, edge)
    reach = 2 * radius if edge == "soft" else radius
    far = torch.ones_like(union, dtype=torch.bool)
    far[..., 8 - reach : 14 + reach, 9 - reach : 15 + reach] = False
    assert (weight[union == 1] == 1).all() and (weight[far] == 0).all()
    assert weight.min() >= 0 and weight.max() <= 1
    assert (weight[~far] > 0).all()


def test_a_picture_without_instances_is_the_canvas():
    canvas, fake = random_scene([0, 1], seed=1), random_scene([0, 1], seed=2)
    for way in (paste, paste_exactly):
        pasted = way(canvas, fake, 1)
        assert torch.equal(pasted.image[0], canvas.image[0])
        assert not torch.equal(pasted.image[1], canvas.image[1])


WORDS = "--init_gain 0.3 --ins_max 4 --paste 1"


@EDGES
@pytest.mark.parametrize("words", ["--ins_per 1", "--ins_per 4", "--model cycle_gan_seg"])
def test_the_background_stays_to_the_bit_at_inference(words, edge):
    """Translation and translation back, also after several groups, whose canvases are pasted on."""
    wide = WORDS.replace("--ins_max 4 ", "") if "seg" in words else WORDS
    model = double_model(f"{wide} {words} --paste_edge {edge}")
    scene = random_scene([3, 1], size=48, seed=3)
    model.set_input({"A": scene})
    model.test()
    real, fake, back = model.real["A"], model.fake["B"], model.reconstruction["A"]
    reach = 2 if edge == "soft" else 1
    there = (torch.cat([real.masks, fake.masks], 1) > 0).any(1, keepdim=True).double()
    outside = (paste_weight(there, reach, "hard") == 0).expand_as(real.image)
    assert outside.any() and not outside.all()
    assert torch.equal(fake.image[outside], real.image[outside])
    assert not torch.equal(fake.image, real.image)
    there = (torch.cat([fake.masks, back.masks], 1) > 0).any(1, keepdim=True).double()
    outside = (paste_weight(there, reach, "hard") == 0).expand_as(real.image)
    assert torch.equal(back.image[outside], fake.image[outside])


def test_the_order_of_instances_does_not_matter_in_one_step():
    model = double_model(f"{WORDS} --ins_per 4")
    scene = random_scene([4], size=48, seed=3)
    order = [2, 0, 3, 1]
    other = Scene(scene.image, scene.masks[:, order], scene.present[:, order])
    found = []
    for one in (scene, other):
        model.set_input({"A": one})
        model.test()
        found.append(model.fake["B"])
    assert torch.allclose(found[0].image, found[1].image, atol=1e-12)
    assert torch.allclose(found[0].masks[:, order], found[1].masks, atol=1e-12)


def test_fakes_and_reconstructions_are_pasted_and_identities_are_not():
    """What the losses see: the cycle's background is the fake's, which is the picture's."""
    model = double_model(f"{WORDS} --ins_per 2")
    model.set_input({"A": random_scene([4], seed=1), "B": random_scene([2], seed=2)})
    seen = []
    direct = model.direction_losses
    model.direction_losses = lambda direction, step: (
        seen.append(step.translations[direction.source]) or direct(direction, step)
    )
    model.optimize_parameters()
    assert len(seen) == 3  # two groups of A, one of B
    for moved in seen:
        letter = "A" if moved is seen[0] else None
        for canvas, made in ((moved.source, moved.fake), (moved.fake, moved.reconstruction)):
            weight = paste_weight((canvas.union() + made.union()).clamp(max=1), 1, "soft")
            changed = (made.image - canvas.image).abs()
            assert (changed <= 2 * weight + 1e-12).all()
        if letter and moved.identity is not None:
            weight = paste_weight(moved.source.union(), 1, "soft")
            far = (moved.identity.image - moved.source.image).abs()[
                (weight == 0).expand_as(moved.source.image)
            ]
            assert far.max() > 0.1


def test_a_run_remembers_it_and_typed_options_win(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0 --no_html --init_gain 0.3 --paste 2")
    options = json.loads(Path("checkpoints/r/options.json").read_text())
    assert (options["paste"], options["paste_edge"]) == (2, "soft")
    parse = partial(TestOptions().parse, "--dataroot . --name r".split())
    assert parse().paste == 2
    words = "--dataroot . --name r --paste 1 --paste_edge hard".split()
    assert vars(TestOptions().parse(words)).items() >= {"paste": 1, "paste_edge": "hard"}.items()
    assert TestOptions().parse("--dataroot . --name r --no_paste".split()).paste is None
    assert TestOptions().parse("--dataroot . --name other".split()).paste is None


def changed(folder: str) -> float:
    """The share of all pixels that differ between sources and translations."""
    images = Path(folder) / "r/test_latest/images"
    pairs = [
        (images / f"{path.name.replace('real_A_img', 'fake_B_img')}", path)
        for path in sorted(images.glob("*_real_A_img.png"))
    ]
    assert pairs
    return float(
        np.mean(
            [np.any(np.asarray(Image.open(a)) != np.asarray(Image.open(b)), -1) for a, b in pairs]
        )
    )


@pytest.mark.parametrize("words", ["", "--ins_per 1 --keep_size", "--instances 0", "--composite 2"])
def test_only_objects_change_in_the_pictures_of_a_test(run, words):
    run(train.main, "--name r --niter 1 --niter_decay 0 --no_html --init_gain 0.02 --paste 1")
    run(test_command.main, f"--name r --results_dir pasted {words}")
    run(
        test_command.main,
        f"--name r --results_dir whole --no_paste {words.replace('--composite 2', '')}",
    )
    assert 0 < changed("pasted") < 0.9 < changed("whole")


def test_mistakes_are_one_line(run, capsys):
    for words, said in (
        ("--paste -1", "--paste -1: from 0"),
        ("--paste 101", "--paste 101"),
        ("--paste x", "--paste"),
        ("--paste --model cycle_gan", "cycle_gan sees no masks"),
        ("--paste --paste_edge blurred", "--paste_edge"),
    ):
        with pytest.raises(SystemExit) as stop:
            run(train.main, f"--name r {words}")
        assert stop.value.code == 2
        one_line_error(capsys, said)
