"""INIT: its networks, objects, styles and losses; MUNIT as what is left of it without objects."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import avg_pool2d

from conftest import TINY
from data.direction import BOTH_WAYS
from data.scene import Scene
from models import create_model
from models.boxes import (
    boxes_of,
    cut_out,
    enlarged,
    large_enough,
    object_boxes,
    objects_in,
    outside,
    picked,
)
from models.init_codes import COINS, FOUND, FRESH, LEVELS, NOISE, OBJECTS, allowed, with_objects
from models.init_styles import random_styles
from models.networks.munit import (
    ContentEncoder,
    Decoder,
    MultiScaleDiscriminator,
    StyleEncoder,
    least_side,
    pooled,
)
from options.train_options import TrainOptions

INIT = "--model init --style_dim 3 --mlp_dim 5"


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scene_of(count: int, seed: int, side: int = 32) -> Scene:
    """Pictures with two rectangles each, the last one with none."""
    masks = torch.full((count, 2, side, side), -1.0).double()
    masks[:, 0, 4:16, 6:20] = 1
    masks[:, 1, 14:30, 10:30] = 1
    present = torch.ones(count, 2, dtype=torch.bool)
    present[-1] = False
    masks[-1] = -1
    image = drawn(count, 3, side, side, seed=seed) * 2 - 1
    names = [f"{seed}_{i}" for i in range(count)]
    return Scene(image, masks, present, names, [(0, 1)] * (count - 1) + [()])


def model_of(words: str = "", seed: int = 0):
    torch.manual_seed(seed)
    argv = ["--dataroot", ".", *TINY, *INIT.split(), *words.split()]
    model = create_model(TrainOptions().parse(argv), torch.device("cpu"))
    for network in model.networks.values():
        network.double()
    return model


def scenes_of(model, count: int = 3) -> dict[str, Scene]:
    torch.manual_seed(7)
    both = {d: with_objects(scene_of(count, 1 + i), model.opt) for i, d in enumerate("AB")}
    return {d: doubled(scene) for d, scene in both.items()}


def doubled(scene: Scene) -> Scene:
    return scene.map(lambda x: x.double() if x.is_floating_point() else x)


# ---- networks


@pytest.mark.parametrize("size", [(64, 64), (256, 256), (360, 572)])
def test_networks_have_the_papers_shapes(size):
    with torch.device("meta"):
        image = torch.rand(1, 3, *size)
        content = ContentEncoder()(image)
        assert content.shape == (1, 256, size[0] // 4, size[1] // 4)
        style = StyleEncoder()(image)
        assert style.shape == (1, 8)
        decoder = Decoder()
        assert decoder(content, style).shape == image.shape
        assert decoder.mlp[-1].out_features == 4096  # 4 blocks of 2 norms of 2 moments of 256
        scores = MultiScaleDiscriminator()(image)
    if size == (256, 256):
        assert [own.shape[-1] for own in scores] == [16, 8, 4]


@pytest.mark.parametrize(("scales", "least"), [(1, 16), (2, 31), (3, 61)])
def test_the_smallest_picture_of_a_discriminator(scales, least):
    assert least_side(scales) == least
    judge = MultiScaleDiscriminator(width=2, scales=scales)
    assert len(judge(torch.rand(1, 3, least, least))) == scales
    with pytest.raises(RuntimeError):
        judge(torch.rand(1, 3, least - 1, least - 1))


def test_a_decoder_takes_on_the_moments_of_its_style():
    """Each sample's own: what one is painted in says nothing of another."""
    torch.manual_seed(0)
    decoder = Decoder(width=4, styles=3, hidden=32, n_blocks=1).double()
    content, style = drawn(2, 16, 8, 8), drawn(2, 3, seed=1)
    both = decoder(content, style)
    single = decoder(content[1:], style[1:])
    torch.testing.assert_close(both[1:], single)
    assert not torch.allclose(decoder(content, style.flip(0)), both)


def test_a_style_of_a_part_is_the_mean_of_its_features():
    features, weights = drawn(2, 5, 4, 4), torch.zeros(2, 1, 16, 16).double()
    weights[0, :, :8] = 1
    weights[1, :, :6, :2] = 1  # less than a cell
    found = pooled(features, weights)
    torch.testing.assert_close(found[0], features[0, :, :2].mean((1, 2)))
    torch.testing.assert_close(found[1], features[1].mean((1, 2)))
    torch.testing.assert_close(pooled(features, torch.ones_like(weights)), pooled(features, None))


# ---- which style goes onto which content


def test_coarse_styles_go_onto_finer_contents():
    table = {(c, s): allowed(c, s, "objects") for c in LEVELS for s in LEVELS}
    assert {pair for pair, fine in table.items() if fine} == {
        ("object", "object"),
        ("object", "background"),
        ("object", "whole"),
        ("background", "background"),
        ("background", "whole"),
        ("whole", "whole"),
    }
    assert all(allowed(c, s, "half_scale") for c in LEVELS for s in LEVELS)
    model = model_of()
    with pytest.raises(AssertionError, match="style of object"):
        model.paint("A", torch.zeros(1, 16, 8, 8), "whole", (torch.zeros(1, 3), "object"))


# ---- boxes and objects


def test_boxes_are_those_of_the_masks():
    masks = drawn(3, 4, 20, 24) > 0.99
    masks[0, 0] = False
    for found, mask in zip(boxes_of(masks).flatten(0, 1), masks.flatten(0, 1), strict=True):
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        if len(rows) == 0:
            assert found.tolist() == [0, 0, 0, 0]
            continue
        expected = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        assert found.tolist() == [int(x) for x in expected]


def test_boxes_that_are_small_or_narrow_are_no_objects():
    boxes = torch.tensor([[0, 0, 5, 5], [0, 0, 4, 6], [0, 0, 3, 20], [0, 0, 0, 0]])
    assert large_enough(boxes, 25).tolist() == [True, False, False, False]


def test_boxes_are_enlarged_within_the_picture():
    boxes = torch.tensor([[10, 0, 30, 10], [0, 0, 40, 32]])
    assert enlarged(boxes, (32, 40)).tolist() == [[8, 0, 32, 11], [0, 0, 40, 32]]


def test_what_is_outside_all_boxes():
    boxes = torch.tensor([[[1, 0, 3, 2], [2, 1, 4, 4], [0, 0, 4, 4]]])
    there = torch.tensor([[True, True, False]])
    assert outside(boxes, there, (4, 4))[0, 0].tolist() == [
        [1, 0, 0, 1],
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [1, 1, 0, 0],
    ]


def test_objects_are_drawn_evenly_among_those_that_are_there():
    there = torch.tensor([[False, True, False, True], [False] * 4])
    draws = torch.rand(2, 4000, generator=torch.Generator().manual_seed(0))
    found = torch.cat([picked(there, draw) for draw in draws.split(1, dim=1)], 1)
    assert set(found[0].tolist()) == {1, 3}
    assert 0.45 < (found[0] == 1).double().mean() < 0.55
    for start in range(0, 40, 2):  # and none twice, as long as there are others
        assert set(picked(there, draws[:, start : start + 2])[0].tolist()) == {1, 3}
    assert sorted(picked(there, draws[:, :4])[0].tolist()) == [1, 1, 3, 3]
    assert picked(there[:, :0], draws[:, :2]).tolist() == [[0, 0], [0, 0]]


def test_an_object_is_what_the_picture_shows_in_its_box():
    scene = scene_of(2, 0)
    draws = torch.tensor([[0.0, 0.9], [0.0, 0.9]])
    objects, found = objects_in(scene.image, *object_boxes(scene, 16), draws, 16)
    assert found.tolist() == [[True, True], [False, False]]
    assert (objects[1] == 0).all()
    box = enlarged(boxes_of(scene.masks > 0), (32, 32))[0]
    for number in range(2):
        torch.testing.assert_close(objects[0, number], cut_out(scene.image[0], box[number], 16))
    half = cut_out(scene.image[0].bfloat16(), box[0], 16)
    torch.testing.assert_close(half.double(), objects[0, 0], rtol=0, atol=0.02)
    whole = torch.tensor([0, 0, 32, 32])
    assert torch.equal(cut_out(scene.image[0], whole, 32), scene.image[0])


# ---- losses

GRANULARITIES = ("--granularity objects", "--granularity half_scale", "--granularity none")
KINDS = (*GRANULARITIES, "--n_obj 2 --use_bg_style", "--objects_own enc dec D")


@pytest.mark.parametrize("words", KINDS)
def test_a_batch_is_the_mean_of_its_pictures(words):
    model = model_of(words)
    both = scenes_of(model)

    def losses_of(scenes):
        return model.generator_losses(scenes)[0] | model.discriminator_losses(scenes)[0]

    singles = [losses_of({d: x.select([i]) for d, x in both.items()}) for i in range(3)]
    for name, value in losses_of(both).items():
        torch.testing.assert_close(value, torch.cat([own[name] for own in singles]), msg=name)
        if name.startswith("object") and "half" not in words:
            assert value[-1] == 0  # no object in the last pictures


@pytest.mark.parametrize("words", KINDS)
def test_swapped_domains_have_the_same_losses(words):
    model = model_of(words)
    both = scenes_of(model)
    losses = model.generator_losses(both)[0]
    swapped = {
        name.replace("_A", "_x").replace("_B", "_A").replace("_x", "_B"): x
        for name, x in model.executions.items()
    }
    model.executions = swapped
    mirrored = model.generator_losses({"A": both["B"], "B": both["A"]})[0]
    for name, value in losses.items():
        torch.testing.assert_close(value, mirrored[name], msg=name)


def test_without_objects_a_step_is_munits():
    """Huang et al., ECCV 2018, section 5 with its public weights; written out once more."""
    model = model_of("--granularity none")
    both, net = scenes_of(model), model.networks
    found = model.generator_losses(both)[0]
    total = {}

    def add(name, value):
        total[name] = total.get(name, 0) + value.mean((1, 2, 3) if value.dim() == 4 else 1)

    for d, e in BOTH_WAYS:
        image, z = both[d].image, both[d].extras[NOISE]
        content, style = net[f"content_{d}"](image), net[f"style_{d}"](image)
        fake = net[f"decoder_{e}"](content, z)
        content_again = net[f"content_{e}"](fake)
        add("whole_self", 10 * (net[f"decoder_{d}"](content, style) - image).abs())
        add("whole_cycle", 10 * (net[f"decoder_{d}"](content_again, style) - image).abs())
        add("whole_content", (content_again - content).abs())
        add("whole_style", (net[f"style_{e}"](fake) - z).abs())
        for scores in net[f"D_{e}"](fake):
            add("whole_adv", (scores - 1) ** 2)
    assert found.keys() == total.keys()
    for name, value in total.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=0, msg=name)


def test_an_objects_terms_are_those_of_the_paper():
    """Section 3 and Eq. 4, written out once more; every picture has an object, K = 1."""
    model = model_of()
    both, net = scenes_of(model), model.networks
    both = {d: x.select([0, 1]) for d, x in both.items()}
    found, total = model.generator_losses(both)[0], {}
    objects = {d: x.extras[OBJECTS][:, 0] for d, x in both.items()}
    content = {d: net[f"content_{d}"](x) for d, x in objects.items()}
    style = {d: net[f"style_{d}"](x) for d, x in objects.items()}
    whole = {d: net[f"style_{d}"](x.image) for d, x in both.items()}

    def add(name, value):
        total[name] = total.get(name, 0) + value.flatten(1).mean(1)

    def codes_made_again(domain, painted, of, wanted, share):
        again = net[f"content_{domain}"](painted), net[f"style_{domain}"](painted)
        add("object_content", share * (again[0] - of).abs())
        add("object_style", share * (again[1] - wanted.detach()).abs())
        return again

    for d, e in BOTH_WAYS:
        extras = both[d].extras
        back = net[f"decoder_{d}"]
        add("object_self", 10 * (back(content[d], style[d]) - objects[d]).abs())
        at_random = extras[COINS] < 0.5
        for wanted in (torch.where(at_random, extras[NOISE], whole[e]), style[e]):
            painted = net[f"decoder_{e}"](content[d], wanted.detach())
            again, _ = codes_made_again(e, painted, content[d], wanted, 1 / 3)
            add("object_cycle", 10 / 2 * (back(again, style[d]) - objects[d]).abs())
            for scores in net[f"D_{e}"](painted):
                add("object_adv", 1 / 2 * (scores - 1) ** 2)
        painted = back(content[d], whole[d].detach())
        again, read = codes_made_again(d, painted, content[d], whole[d], 1 / 3)
        add("object_swap", 10 * (back(again, style[d]) - objects[d]).abs())
        swapped = back(net[f"content_{d}"](both[d].image), read)
        add("whole_swap", 10 * (swapped - both[d].image).abs())
    assert len(total) == 7
    for name, value in total.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-9, msg=name)


def test_discriminators_tell_real_pictures_and_objects_from_painted_ones():
    model = model_of()
    both, net, total = scenes_of(model, 2), model.networks, {"whole_D": 0, "object_D": 0}
    both = {d: x.select([0]) for d, x in both.items()}
    found = model.discriminator_losses(both)[0]
    codes = model.codes_of(both)
    for way in BOTH_WAYS:
        judge, paint = net[f"D_{way.target}"], net[f"decoder_{way.target}"]
        fake = paint(codes.wholes[way.source].content, both[way.source].extras[NOISE])
        for a, b in zip(judge(fake), judge(both[way.target].image), strict=True):
            total["whole_D"] += a.square().mean() + (b - 1).square().mean()
        for value, _ in codes.foreign_styles(way):
            for scores in judge(paint(codes.parts[way.source].content, value)):
                total["object_D"] += scores.square().mean() / 2
        for scores in judge(codes.parts[way.target].pictures):
            total["object_D"] += (scores - 1).square().mean()
    for name, value in total.items():
        torch.testing.assert_close(found[name][0], value, rtol=1e-6, atol=0, msg=name)


def test_styles_that_are_put_in_are_no_way_for_gradients():
    model = model_of("--use_bg_style")
    both = scenes_of(model, 2)
    codes = model.codes_of(both)
    styles = codes.foreign_styles(BOTH_WAYS[0]) + model.near_styles("A", codes, both["A"])
    assert len(styles) == 4 and not any(value.requires_grad for value, _ in styles)
    assert codes.wholes["A"].style.requires_grad


def test_objects_teach_the_encoders_that_pictures_use():
    model = model_of("--lambda_g 0 --lambda_c 0 --lambda_s 0")
    losses = model.generator_losses(scenes_of(model))[0]
    losses["object_self"].sum().backward()
    for name in ("content_A", "style_A", "decoder_B"):
        assert any(
            w.grad is not None and w.grad.abs().sum() > 0 for w in model.networks[name].parameters()
        ), name


def test_objects_with_networks_of_their_own_leave_those_of_pictures_alone():
    model = model_of("--objects_own enc dec D")
    model.generator_losses(scenes_of(model))[0]["object_self"].sum().backward()
    for name, network in model.networks.items():
        taught = any(w.grad is not None for w in network.parameters())
        assert taught == (name.startswith("object_") and "_D_" not in name), name


def test_an_object_is_painted_like_one_of_the_other_picture_or_at_random():
    model = model_of()
    both = scenes_of(model, 2)
    codes = model.codes_of(both)
    (_, first), (fine, second) = codes.foreign_styles(BOTH_WAYS[0])
    assert (first, second) == ("whole", "object")
    torch.testing.assert_close(fine, codes.parts["B"].style)
    bare = replace(both["B"], extras={**both["B"].extras, FOUND: torch.zeros(2, 1).bool()})
    codes = model.codes_of({"A": both["A"], "B": bare})
    _, (fine, _) = codes.foreign_styles(BOTH_WAYS[0])
    torch.testing.assert_close(fine, both["A"].extras[FRESH][:1, 0])


def test_pictures_without_any_object_still_teach():
    model = model_of()
    both = scenes_of(model)
    bare = {
        d: replace(x, extras={**x.extras, FOUND: torch.zeros(3, 1).bool()}) for d, x in both.items()
    }
    losses = model.generator_losses(bare)[0]
    assert all(torch.isfinite(value).all() for value in losses.values())
    zero = {name for name, value in losses.items() if (value == 0).all()}
    assert zero == {"whole_swap", *(name for name in losses if name.startswith("object"))}
    assert COINS in both["A"].extras and OBJECTS in both["A"].extras


# ---- inference


@pytest.mark.parametrize("length", [3, 8, 16])
def test_a_style_depends_on_name_seed_and_its_number_alone(length):
    many = random_styles(["a", "b"], 0, (17, length))
    for count in (1, 2, 3, 10):
        assert torch.equal(random_styles(["b"], 0, (count, length))[0], many[1, :count])
    assert not torch.equal(random_styles(["b"], 1, (1, length))[0], many[1, :1])
    assert abs(float(random_styles(["a"], 0, (2000, length)).std()) - 1) < 0.05


def test_translations_do_not_look_at_boxes_and_differ_by_style():
    model = model_of()
    for network in model.networks.values():
        network.float()
    scene = scene_of(2, 0).map(lambda x: x.float() if x.is_floating_point() else x)
    moved = model.translate(scene, "A")
    bare = model.translate(scene.slots(0, 0), "A")
    for fake, other in zip(moved.fakes, bare.fakes, strict=True):
        assert torch.equal(fake.image, other.image)
    assert not torch.allclose(moved.fakes[0].image, moved.fakes[1].image)
    assert moved.styles == ["style 1", "style 2", "style 3"]
    single = model.translate(scene.select([1]), "A")
    torch.testing.assert_close(single.fakes[1].image, moved.fakes[1].image[1:])


# ---- what it learns


def test_pictures_and_objects_are_learnt_by_heart():
    """From their own codes alone (Eq. 1), four pictures."""
    model = model_of("--ngf 8 --mlp_dim 32 --n_obj 2")
    for network in model.networks.values():
        network.float()
    scenes = {}
    for seed, domain in enumerate("AB"):
        scene = scene_of(4, seed).map(as_float)
        smooth = replace(scene, image=avg_pool2d(scene.image, 9, 1, 4))
        scenes[domain] = with_objects(smooth, model.opt)
    weights = [w for n, x in model.networks.items() if "D_" not in n for w in x.parameters()]
    optimizer = torch.optim.Adam(weights, 0.002)
    for step in range(150):
        codes = model.codes_of(scenes)
        parts = [(d, part) for own in (codes.wholes, codes.parts) for d, part in own.items()]
        losses = [own_error(model, domain, part) for domain, part in parts]
        if step == 0:
            before = [loss.item() for loss in losses]
        optimizer.zero_grad()
        sum(losses).backward()
        optimizer.step()
    assert all(loss.item() < 0.3 * first for loss, first in zip(losses, before, strict=True))
    assert max(loss.item() for loss in losses) < 0.1


def own_error(model, domain, part):
    style = (part.style, part.level)
    return (model.paint(domain, part.content, part.level, style) - part.pictures).abs().mean()


def as_float(x):
    return x.float() if x.is_floating_point() else x
