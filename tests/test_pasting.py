"""Pasting inside the loop: the equation, its gradients, and a background that stays to the bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from conftest import double_model, random_scene
from data.scene import Scene
from data.unaligned_seg_dataset import UnalignedSegDataset
from models.pasting import LEFT_OUT, Pasting, colours_around, paste_weight
from models.sequential import divided
from options.test_options import TestOptions

EDGES = pytest.mark.parametrize("edge", ["soft", "hard"])
BASES = pytest.mark.parametrize("on", ["source", "fill"])


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
    pasted = Pasting(radius, edge)(canvas, fake)
    assert torch.allclose(pasted.image, expected, atol=1e-12)
    assert torch.equal(pasted.masks, fake.masks) and torch.equal(pasted.present, fake.present)


@EDGES
@BASES
def test_gradients_are_those_of_finite_differences(edge, on):
    """With respect to all that w and y' are made of; also through the masks of the canvas."""
    canvas, fake = soft_scene(1), soft_scene(2)
    tensors = [canvas.image, canvas.masks, fake.image, fake.masks]
    tensors = [tensor[:, :, :6, :6].clone().requires_grad_() for tensor in tensors]

    def pasted(x, a, y, b):
        pasting = Pasting(1, edge, on)
        return pasting(Scene(x, a, canvas.present), Scene(y, b, fake.present)).image

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


@BASES
def test_a_picture_without_instances_is_the_canvas(on):
    canvas, fake = random_scene([0, 1], seed=1), random_scene([0, 1], seed=2)
    pasting = Pasting(1, on=on)
    for way in (pasting, pasting.exactly):
        pasted = way(canvas, fake)
        assert torch.equal(pasted.image[0], canvas.image[0])
        assert not torch.equal(pasted.image[1], canvas.image[1])


def test_what_is_filled_in_is_what_is_around():
    """A ramp goes on through a hole, one colour is itself in holes of any size, nothing is grey."""
    ramp = torch.linspace(-1, 1, 48).expand(1, 3, 40, 48)
    hole = torch.zeros(1, 1, 40, 48)
    hole[..., 10:30, 14:34] = 1
    inside = (hole > 0).expand_as(ramp)
    result = colours_around(torch.where(hole > 0, 5.0, ramp), hole)
    assert (result - ramp)[inside].abs().max() < 0.35
    assert colours_around(ramp, torch.ones_like(hole)).abs().max() == 0
    for height, width in ((24, 36), (300, 256)):
        one_colour = torch.full((1, 3, height, width), 0.3)
        hole = torch.ones(1, 1, height, width)
        hole[..., 0, :] = 0  # a single known row
        spoilt = torch.where(hole > 0, -9.0, one_colour)
        assert torch.allclose(colours_around(spoilt, hole), one_colour, atol=1e-5)


def test_of_an_object_that_shrank_nothing_is_left_on_a_filled_picture():
    image = torch.full((1, 3, 32, 32), -0.2, dtype=torch.float64)
    masks = torch.full((1, 1, 32, 32), -1.0, dtype=torch.float64)
    masks[..., 8:24, 8:24] = 1
    canvas = Scene(torch.where(masks > 0, 0.9, image), masks, torch.ones(1, 1, dtype=torch.bool))
    small = torch.full_like(masks, -1.0)
    small[..., 14:18, 14:18] = 1
    fake = Scene(torch.full_like(image, 0.5), small, canvas.present)
    for pasting in (Pasting(0, on="fill"), Pasting(0, on="fill").exactly):
        pasted = pasting(canvas, fake).image
        inside = (small > 0).expand_as(image)
        assert torch.equal(pasted[inside], fake.image[inside])
        assert torch.allclose(pasted[~inside], image[~inside])


@pytest.mark.parametrize("first", [0, 1])
def test_other_objects_stay_and_lend_no_colour(first):
    """Two that touch, in two groups: filling the place of one leaves the other, before and after."""
    ground, size = -0.2, 32
    masks = torch.full((1, 2, size, size), -1.0, dtype=torch.float64)
    masks[0, 0, 8:24, 6:16] = masks[0, 1, 8:24, 16:26] = 1
    image = torch.full((1, 3, size, size), ground, dtype=torch.float64)
    for n, colour in enumerate((0.9, -0.9)):
        image = torch.where(masks[:, n : n + 1] > 0, colour, image)
    canvas = Scene(image, masks, torch.ones(1, 2, dtype=torch.bool))
    source, others = divided(canvas, first, first + 1)
    gone = Scene(torch.zeros_like(image), torch.full_like(source.masks, -1.0), source.present)
    for pasting in (Pasting(0, on="fill"), Pasting(0, on="fill").exactly):
        pasted = pasting(source, gone, others).image
        other = (masks[:, 1 - first : 2 - first] > 0).expand_as(image)
        assert torch.equal(pasted[other], image[other])
        assert torch.allclose(pasted[~other], torch.full_like(image, ground)[~other])


@pytest.mark.parametrize("words", ["--ins_max 1", "--instances 0", "--ins_per 1"])
def test_objects_that_are_left_out_stay(tmp_path, monkeypatch, words):
    """As other objects do, though no mask of theirs comes to the model; B has none left out."""
    monkeypatch.chdir(tmp_path)
    image, masks = np.full((32, 32, 3), 100, np.uint8), np.zeros((2, 32, 32), bool)
    masks[0, 8:24, 6:12] = masks[1, 8:24, 12:24] = True  # the second is larger and comes first
    image[masks[0]], image[masks[1]] = 230, 10
    for domain in "AB":
        write_scene(Path(f"data/test{domain}"), image, masks[: 2 if domain == "A" else 1])
    opt = TestOptions().parse(
        f"--dataroot data --crop_size 32 --paste 0 --paste_on fill --gpu_ids -1 {words}".split()
    )
    dataset = UnalignedSegDataset(opt)
    scene = dataset.domain("A")[0]
    there = scene.masks.amax(1, keepdim=True)
    if "ins_per" in words:
        assert scene.masks.shape[1] == 2 and (scene.extras[LEFT_OUT] == -1).all()
        return
    assert torch.equal(
        torch.maximum(there, scene.extras[LEFT_OUT])[0, 0] > 0, torch.tensor(masks.any(0))
    )
    gone = replace(scene, image=torch.zeros_like(scene.image), masks=-torch.ones_like(scene.masks))
    pasted = Pasting(0, on="fill").exactly(scene, gone).image
    other = (scene.extras[LEFT_OUT] > 0).expand_as(pasted)
    assert torch.equal(pasted[other], scene.image[other])
    assert torch.allclose(pasted[~other], torch.tensor(100 / 127.5 - 1))
    both = Scene.cat([scene, scene])
    assert torch.equal(both.extras[LEFT_OUT][1], scene.extras[LEFT_OUT][0])
    assert (dataset.domain("B")[0].extras[LEFT_OUT] == -1).all()


def write_scene(folder: Path, image: np.ndarray, masks: np.ndarray) -> None:
    for path in (folder, Path(f"{folder}_seg")):
        path.mkdir(parents=True)
    Image.fromarray(image).save(folder / "a.png")
    for number, mask in enumerate(masks):
        Image.fromarray(mask).save(f"{folder}_seg/a_{number}.png")


WORDS = "--init_gain 0.3 --ins_max 4 --paste 1"


@EDGES
@pytest.mark.parametrize(
    "words", ["--ins_per 1", "--ins_per 4", "--model cycle_gan_seg", "--ins_per 1 --paste_on fill"]
)
def test_the_background_stays_to_the_bit_at_inference(words, edge):
    """Translation and translation back, also after several groups, whose canvases are pasted on."""
    wide = WORDS.replace("--ins_max 4 ", "") if "seg" in words else WORDS
    model = double_model(f"{wide} {words} --paste_edge {edge}")
    scene = random_scene([3, 1], size=48, seed=3)
    moved = model.translate(scene, "A")
    real, fake, back = moved.real, moved.fakes[0], moved.back
    reach = 2 if edge == "soft" or "fill" in words else 1
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
        found.append(model.translate(one, "A").fakes[0])
    assert torch.allclose(found[0].image, found[1].image, atol=1e-12)
    assert torch.allclose(found[0].masks[:, order], found[1].masks, atol=1e-12)


def test_fakes_and_reconstructions_are_pasted_and_identities_are_not():
    """What the losses see: the cycle's background is the fake's, which is the picture's."""
    model = double_model(f"{WORDS} --ins_per 2")
    seen = []
    direct = model.direction_losses
    model.direction_losses = lambda cycle, moved, *place: (
        seen.append(moved) or direct(cycle, moved, *place)
    )
    model.step({"A": random_scene([4], seed=1), "B": random_scene([2], seed=2)})
    assert len(seen) == 3  # two groups of A, one of B
    for moved in seen:
        for canvas, made in ((moved.source, moved.fake), (moved.fake, moved.reconstruction)):
            weight = paste_weight((canvas.union() + made.union()).clamp(max=1), 1, "soft")
            changed = (made.image - canvas.image).abs()
            assert (changed <= 2 * weight + 1e-12).all()
    first = seen[0]
    far = (paste_weight(first.source.union(), 1, "soft") == 0).expand_as(first.source.image)
    assert (first.identity.image - first.source.image)[far].abs().max() > 0.1


@BASES
def test_sizes_that_no_halving_divides(on):
    model = double_model(f"{WORDS} --ins_per 2 --paste_on {on}")
    scene = random_scene([3], size=52, seed=3).map(lambda t: t[..., :36] if t.dim() == 4 else t)
    fake = model.translate(scene, "A").fakes[0]
    assert fake.image.shape == scene.image.shape
    assert fake.image.isfinite().all()
