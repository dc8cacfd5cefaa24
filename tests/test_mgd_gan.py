"""MGD-GAN: the exact properties of its networks and losses, its stages, and what they train."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision.models.vgg import cfgs, make_layers

from conftest import TINY
from data.scene import Scene
from models import create_model
from models.mgd_gan_batch import batches_of
from models.mgd_gan_losses import (
    Binarised,
    area_penalty,
    blended,
    compactness_loss,
    consistency_loss,
    feature_loss,
    fusion_loss,
    hinge_discriminator,
    hinge_generator,
    mask_l1_loss,
    per_picture,
)
from models.networks.apade import ApadeGenerator, ImageDiscriminator, segmentation_map
from models.networks.mask_morph import (
    LEAST,
    MaskDiscriminator,
    MaskGenerator,
    RecoverableSigmoid,
    as_seen,
)
from models.perceptual import VGGLoss, pyramid_loss
from options.train_options import TrainOptions
from util.errors import UserError

MGD = "--model mgd_gan --halvings 4"


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def masks_of(pictures: int, count: int, side: int = 32) -> torch.Tensor:
    """Boxes of several sizes, [B, N, H, W] in {0, 1}."""
    masks = torch.zeros(pictures, count, side, side, dtype=torch.float64)
    for b in range(pictures):
        for n in range(count):
            top, left = 2 + 5 * n, 3 + 4 * b
            masks[b, n, top : top + 8 + b, left : left + 10 + n] = 1
    return masks


@pytest.fixture
def morph() -> MaskGenerator:
    torch.manual_seed(0)
    return MaskGenerator(width=4, n_blocks=1).double()


@pytest.fixture
def given():
    """A picture's image, masks, presence and both labels for two pictures."""
    image = drawn(2, 3, 32, 32) * 2 - 1
    present = torch.tensor([[True, True, True], [True, True, False]])
    return image, masks_of(2, 3), present, torch.eye(2).double().expand(2, 2, 2)


# ---- networks


def test_masks_have_three_levels_for_every_label(morph, given):
    levels = morph(*given)
    assert [tuple(level.shape) for level in levels] == [(2, 2, 3, s, s) for s in (8, 16, 32)]
    assert all(level.min() >= 0 and level.max() <= 1 for level in levels)
    assert not levels[-1][1, :, 2].any()  # an absent mask stays absent


def test_masks_come_in_any_order_and_do_not_know_of_one_another(morph, given):
    image, masks, present, labels = given
    whole = morph(image, masks, present, labels)[-1]
    order = [2, 0, 1]
    again = morph(image, masks[:, order], present[:, order], labels)[-1]
    assert torch.allclose(again, whole[:, :, order], atol=1e-12)
    without = present.clone()
    without[0, 1] = False
    fewer = morph(image, masks, without, labels)[-1]
    assert torch.allclose(fewer[0, :, [0, 2]], whole[0, :, [0, 2]], atol=1e-12)
    alone = morph(image[:1], masks[:1], present[:1], labels[:1])[-1]
    assert torch.allclose(alone, whole[:1], atol=1e-12)  # a batch is its pictures


def test_the_label_decides(morph, given):
    *rest, labels = given
    one, other = morph(*rest, labels)[-1].unbind(1)
    assert (one - other).abs().max() > 1e-4
    assert torch.equal(morph(*rest, labels.flip(1))[-1].unbind(1)[0], other)


def test_a_picture_without_instances_has_no_masks(morph, given):
    image, masks, present, labels = given
    levels = morph(image, masks, torch.zeros_like(present), labels)
    assert all(not level.any() for level in levels)


def test_a_tiny_instance_is_seen():
    tiny = torch.zeros(1, 1, 16, 16)
    tiny[..., 5, 5] = 1
    assert as_seen(tiny).max() == 1 and as_seen(tiny).sum() == 1
    large = torch.ones(1, 1, 16, 16)
    large[..., :2] = 0
    assert as_seen(large)[0, 0, 0].tolist() == [0.5, 1, 1, 1]  # of others the means


def test_every_mask_is_judged_by_itself_and_its_label():
    torch.manual_seed(0)
    judge = MaskDiscriminator(width=4).double().eval()
    masks, present = masks_of(2, 3), torch.ones(2, 3, dtype=torch.bool)
    label = torch.eye(2).double()
    fine, coarse = judge(masks, present, label)
    assert fine.shape == (2, 3, 4, 4) and coarse.shape == (2, 3, 2, 2)
    changed = masks.clone()
    changed[0, 1] = 1 - changed[0, 1]
    for before, after in zip((fine, coarse), judge(changed, present, label), strict=True):
        assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
        assert not torch.equal(before[0, 1], after[0, 1])
    assert not torch.equal(judge(masks, present, label.flip(1))[0], fine)


def test_the_map_has_masks_label_edges_and_hole_and_lets_gradients_through():
    masks = masks_of(1, 2).requires_grad_()
    present, label = torch.tensor([[True, True]]), torch.tensor([[0.0, 1.0]]).double()
    hole = torch.ones(1, 1, 32, 32).double()
    layout = segmentation_map(masks, present, label, hole)
    total, first, second, edges, there = layout[0]
    union = masks[0].detach().amax(0)
    assert torch.equal(total, union) and torch.equal(second, union)
    assert not first.any() and there.all()
    box = torch.zeros(32, 32)
    box[1:11, 2:14] = 1
    box[3:9, 4:12] = 0  # the rim of the first box, two pixels wide
    assert ((box > 0) <= (edges > 0)).all()
    (gradient,) = torch.autograd.grad(edges.sum(), masks)
    assert gradient.abs().sum() > 0
    none = segmentation_map(masks, torch.tensor([[False, False]]), label, hole)
    assert not none[0, :4].any()


def test_a_mask_at_the_border_has_no_edge_along_the_frame():
    mask = torch.ones(1, 1, 16, 16)
    layout = segmentation_map(mask, torch.tensor([[True]]), torch.eye(2)[:1], mask)
    assert not layout[0, 3].any()


def test_networks_of_pictures_take_any_multiple_of_their_halvings():
    paint, judge = ApadeGenerator(width=4, halvings=4), ImageDiscriminator(width=4)
    background, layout = torch.rand(2, 3, 48, 64), torch.rand(2, 5, 48, 64)
    foreground, fusion = paint(background, layout)
    assert foreground.shape == (2, 3, 48, 64) and fusion.shape == (2, 1, 48, 64)
    assert foreground.abs().max() <= 1 and fusion.min() >= 0 and fusion.max() <= 1
    outputs = judge(foreground, layout)
    assert [len(scale) for scale in outputs] == [5, 5]
    assert judge(torch.rand(1, 3, 256, 256), torch.rand(1, 5, 256, 256))[0][-1].shape[-1] == 35


def test_a_fusion_map_of_0_is_the_background_and_of_1_the_foreground():
    front, back = drawn(1, 3, 8, 8, seed=1), drawn(1, 3, 8, 8, seed=2)
    assert torch.equal(blended(front, torch.zeros(1, 1, 8, 8).double(), back), back)
    assert torch.equal(blended(front, torch.ones(1, 1, 8, 8).double(), back), front)


def test_a_recoverable_sigmoid_is_one_whose_gradient_lives_on_towards_one_half():
    x = torch.tensor([-20.0, -20.0, 20.0, 20.0, 0.5, -0.5]).double().requires_grad_()
    share = RecoverableSigmoid()(x)
    assert torch.equal(share, torch.sigmoid(x))
    back = torch.tensor([-1.0, 1.0, 1.0, -1.0, 1.0, 1.0]).double()
    (gradient,) = torch.autograd.grad(share, x, back)
    plain = back * (share * (1 - share)).detach()
    assert gradient[[0, 2]].tolist() == [-LEAST, LEAST]  # up from almost 0, down from almost 1
    torch.testing.assert_close(gradient[[1, 3, 4, 5]], plain[[1, 3, 4, 5]])


def test_masks_that_all_vanished_come_back():
    torch.manual_seed(0)
    generator = MaskGenerator(width=4, n_blocks=0)
    image, masks, present = torch.rand(1, 3, 32, 32), torch.zeros(1, 1, 32, 32), torch.ones(1, 1)
    masks[..., 8:24, 8:24] = 1
    labels = torch.eye(2)[None, :1]
    with torch.no_grad():
        for head in generator.heads:
            head.bias.fill_(-30)
    adam = torch.optim.Adam(generator.parameters(), lr=0.02)
    for _ in range(400):
        found = generator(image, masks, present.bool(), labels)[-1][:, 0]
        loss = mask_l1_loss(found, masks).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss < 0.02, loss  # an empty mask: 0.25


# ---- losses, on masks made by hand


def test_losses_of_masks_by_hand():
    square = torch.zeros(1, 1, 8, 8)
    square[..., :4, :4] = 1  # what shrinking by 4 keeps, but for the blur of enlarging
    dots = torch.zeros(1, 1, 8, 8)
    dots[..., ::4, ::4] = 1
    assert mask_l1_loss(square, dots).item() == pytest.approx((15 + 3) / 64)
    assert area_penalty(square).item() == pytest.approx(16 / 64)
    small = torch.tensor([[1.0, 0.0], [0.0, 0.0]])[None, None]
    up = torch.nn.functional.interpolate(small, (8, 8), mode="bilinear", align_corners=False)
    assert compactness_loss(square).item() == pytest.approx((square - up).abs().mean().item())
    assert compactness_loss(dots) > 0 and compactness_loss(torch.ones(1, 1, 8, 8)) == 0
    coarse = torch.full((1, 1, 2, 2), 0.5)
    finer = torch.zeros(1, 1, 4, 4)
    finer[..., 0, 0] = 1  # its means are 1/4 and three times 0
    expected = (0.25 + 3 * 0.5) / 4
    assert consistency_loss([coarse, finer]).item() == pytest.approx(expected)
    assert consistency_loss([coarse, finer, finer]).item() != pytest.approx(expected)


def test_losses_of_pictures_by_hand():
    foreground = torch.tensor([[[[1.0, 0.0]]]])
    assert fusion_loss(torch.full((1, 1, 1, 2), 0.5), foreground).item() == pytest.approx(0.693147)
    assert fusion_loss(foreground, foreground).item() < 1e-5
    assert torch.isfinite(fusion_loss(1 - foreground, foreground))
    real = [[torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 1, 1)]] * 2
    fake = [[torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 1, 1)]] * 2
    assert feature_loss(fake, real).item() == 1  # scores, the last of each, do not count
    scores = torch.tensor([-2.0, 0.0, 2.0])
    assert hinge_discriminator(scores, True).tolist() == [3, 1, 0]
    assert hinge_discriminator(scores, False).tolist() == [0, 1, 3]
    assert hinge_generator(scores).tolist() == [2, 0, -2]
    assert hinge_generator(scores, "literal").tolist() == [3, 1, 0]


def test_pictures_weigh_alike_however_many_instances_they_have():
    values = torch.tensor([[1.0, 3.0], [5.0, 100.0], [7.0, 7.0]])
    present = torch.tensor([[True, True], [True, False], [False, False]])
    assert per_picture(values, present).tolist() == [2, 5, 0]


def test_masks_are_cut_and_gradients_are_not():
    masks = torch.tensor([0.2, 0.5, 0.9], requires_grad=True)
    sharp = Binarised.apply(masks)
    assert sharp.tolist() == [0, 0, 1]
    sharp.backward(torch.tensor([1.0, 2.0, 3.0]))
    assert masks.grad.tolist() == [1, 2, 3]


def test_perceptual_losses(tmp_path):
    image, other = drawn(2, 3, 32, 32, seed=1).float(), drawn(2, 3, 32, 32, seed=2).float()
    assert pyramid_loss(image, image).tolist() == [0, 0]
    flat = torch.zeros(1, 3, 16, 16)
    assert pyramid_loss(flat, flat + 0.5).item() == pytest.approx(0.5)
    save_vgg(tmp_path / "vgg.pth")
    loss = VGGLoss(tmp_path / "vgg.pth")
    assert loss(image, image).tolist() == [0, 0] and (loss(image, other) > 0).all()
    assert torch.allclose(loss(image, other)[:1], loss(image[:1], other[:1]), rtol=1e-4)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "bad.pth")
    with pytest.raises(UserError, match="--vgg_weights"):
        VGGLoss(tmp_path / "bad.pth")


def save_vgg(path: Path) -> None:
    """Random weights under the keys of torchvision's file, to try the reading of it."""
    torch.manual_seed(0)
    weights = make_layers(cfgs["E"]).state_dict()
    weights = {f"features.{key}": value for key, value in weights.items()}
    torch.save(weights | {"classifier.0.weight": torch.zeros(1)}, path)


# ---- the model


def scenes(count: int = 2, size: int = 32, seed: int = 0) -> dict[str, Scene]:
    """Drawn scenes of both domains with holes and backgrounds, on float64."""
    found = {}
    for i, domain in enumerate("AB"):
        masks = masks_of(count, 2 + i, size)
        present = torch.ones(count, 2 + i, dtype=torch.bool)
        present[-1, 1:] = False
        masks = masks * present[:, :, None, None]
        hole = torch.nn.functional.max_pool2d(masks.amax(1, keepdim=True), 3, 1, 1)
        image = drawn(count, 3, size, size, seed=seed + i) * 2 - 1
        filled = torch.where(hole > 0, torch.zeros_like(image), image)
        extras = {"inpainted": filled, "hole": hole * 2 - 1}
        names = [f"{domain}{n}" for n in range(count)]
        numbers = [tuple(range(int(row.sum()))) for row in present]
        found[domain] = Scene(image, masks * 2 - 1, present, names, numbers, extras)
    return found


def model_of(words: str, seed: int = 0):
    torch.manual_seed(seed)
    argv = ["--dataroot", ".", *TINY, *MGD.split(), *words.split()]
    model = create_model(TrainOptions().parse(argv), torch.device("cpu"))
    for name, network in model.networks.items():
        network.double()
        if name.startswith("D"):
            network.eval()
    return model


STAGES = ("mask", "image", "finetune", "e2e")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("sizes", ["one size", "two sizes"])
def test_a_batch_is_the_mean_of_its_pictures(stage, sizes):
    model = model_of(f"--stage {stage}")
    for network in model.networks.values():
        network.eval()
    both = scenes()
    if sizes == "two sizes":
        both["B"] = scenes(size=48)["B"]
    whole, made = model.generator_losses(both)
    judged, _ = model.discriminator_losses(both, made)
    singles = []
    for i in range(2):
        one = {d: x.select([i]) for d, x in both.items()}
        losses, own = model.generator_losses(one)
        singles.append(losses | model.discriminator_losses(one, own)[0])
    for name, value in (whole | judged).items():
        parts = sum(single[name] for single in singles)
        assert torch.allclose(value, parts, rtol=1e-9), name


@pytest.mark.parametrize("stage", STAGES)
def test_swapped_domains_have_swapped_results(stage):
    """The label is all that tells them apart: with the label's weights swapped, all is mirrored."""
    model = model_of(f"--stage {stage}")
    for network in model.networks.values():
        network.eval()
    both = scenes()
    losses, made = model.generator_losses(both)
    swapped = {"A": both["B"], "B": both["A"]}
    with torch.no_grad():
        swap_labels(model)
    again, other = model.generator_losses(swapped)
    for name, value in losses.items():
        assert torch.allclose(value, again[name], rtol=1e-9), name
    for kind in made:
        for domain, mirrored in (("A", "B"), ("B", "A")):
            if domain in made[kind]:
                assert torch.allclose(made[kind][domain], other[kind][mirrored], atol=1e-9)


def swap_labels(model) -> None:
    """Exchange the weights of both label channels in every network that is told a label."""
    for network in model.networks.values():
        if isinstance(network, MaskGenerator):
            network.label.weight.copy_(network.label.weight.flip(1))
        elif isinstance(network, MaskDiscriminator):
            swap(network.layers[0], (1, 2))
        elif isinstance(network, ImageDiscriminator):
            for layers in network.scales:
                swap(layers[0][0], (1, 2))
        else:
            swap(network.map, (1, 2))
            for layer in network.modules():
                if type(layer).__name__ == "Spade":
                    swap(layer.read, (1, 2))


def swap(layer, channels) -> None:
    first, second = channels
    weights = [layer.weight]
    if hasattr(layer, "parametrizations"):
        norm = layer.parametrizations.weight
        v = norm[0]._v.view(-1, *layer.kernel_size)  # one entry for each of the weight's columns
        v[[first, second]] = v[[second, first]]
        weights = [norm.original]
    for weight in weights:
        weight[:, [first, second]] = weight[:, [second, first]].clone()


def test_pictures_without_an_instance_take_no_part():
    for stage in STAGES:
        model = model_of(f"--stage {stage}")
        both = scenes()
        none = {
            d: replace(x, present=torch.zeros_like(x.present), masks=-torch.ones_like(x.masks))
            for d, x in both.items()
        }
        losses, made = model.generator_losses(none)
        losses |= model.discriminator_losses(none, made)[0]
        assert all(value == 0 for value in losses.values()), stage


def test_objects_are_removed_to_the_bit():
    (batch,) = batches_of({"A": scenes()["A"]})
    background, hole = batch.removed()
    outside = (hole == 0).expand_as(background)
    assert torch.equal(background[outside], batch.scene.image[outside])
    assert torch.equal(background[~outside], batch.scene.extras["inpainted"][~outside])
    assert (hole >= batch.masks.amax(1, keepdim=True)).all()


def test_a_hole_of_the_other_domain_is_filled_with_the_colours_around():
    both = scenes()
    (batch,) = batches_of(both)
    background, hole = batch.removed()
    drawn = torch.tensor([0.4, 0.5, 0.9, 0.6])  # of which the first is less than the share
    some = replace(batch, scene=replace(batch.scene, extras={**batch.scene.extras, "draw": drawn}))
    other, more = some.removed(0.5)
    assert torch.equal(other[1:], background[1:]) and torch.equal(more[1:], hole[1:])
    assert torch.equal(more[0], hole[2])  # all that the map is told of
    assert not torch.equal(other[0], background[0])
    kept = (torch.maximum(hole[:1], hole[2:3]) == 0).expand_as(other[:1])
    assert torch.equal(other[:1][kept], batch.scene.image[:1][kept])


def test_finetuning_leaves_the_picture_networks_as_they_are_and_learns_through_them():
    model = model_of("--stage finetune")
    for name in ("G_mask", "D_mask"):
        model.networks[name].train()
    both = {d: x.map(lambda t: t) for d, x in scenes().items()}
    before = {
        n: {k: v.clone() for k, v in x.state_dict().items()} for n, x in model.networks.items()
    }
    for number in range(2):
        model.step(both, 2 * number)
    for name in ("G_img", "D_img"):
        for key, value in model.networks[name].state_dict().items():
            assert torch.equal(value, before[name][key]), (name, key)
    for name in ("G_mask", "D_mask"):
        after = model.networks[name].state_dict()
        assert any(not torch.equal(v, before[name][k]) for k, v in after.items()), name
    losses, _ = model.generator_losses(both)
    weights = [*model.networks["G_mask"].parameters()]
    gradients = torch.autograd.grad(losses["img_adv"], weights, allow_unused=True)
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)


@pytest.mark.parametrize("direction", ["A", "B"])
def test_translating_part_of_a_picture(direction):
    """Without instances a picture stays; the others do not hang on what is beside them."""
    model = model_of("--stage e2e")
    model.eval()
    scene = scenes()[direction]
    whole = model.translate(scene, direction)
    assert {*whole.extras} == {"background", "foreground", "fusion"}
    gone = replace(
        scene,
        present=torch.zeros_like(scene.present),
        masks=-torch.ones_like(scene.masks),
        extras={**scene.extras, "hole": -torch.ones_like(scene.extras["hole"])},
    )
    for some in (gone, replace(gone, extras=scene.extras)):  # a hole of what was lost, too
        assert torch.equal(model.translate(some, direction).fakes[0].image, scene.image)
    alone = model.translate(scene.select([0]), direction)
    assert torch.allclose(alone.fakes[0].image, whole.fakes[0].image[:1], atol=1e-9)
    outside = (whole.extras["fusion"] <= -1).expand_as(scene.image)
    assert torch.equal(whole.fakes[0].image[outside], whole.extras["background"][outside])


def test_a_batch_in_parts():
    """Whatever is drawn for a batch is drawn once: parts of it give the same numbers."""
    model, parts = (
        model_of(f"--stage image --hole_aug 0.5 --batch_size 2 --accumulate {n}") for n in (1, 2)
    )
    parts.load_state_dict(model.state_dict())
    both = scenes()
    found = []
    for one in (model, parts):
        torch.manual_seed(3)
        one.step(both, 0)
        found.append(one.updates)
    for own, other in zip(*found, strict=True):
        for name, value in own.items():
            assert torch.allclose(value, other[name], rtol=1e-6), name


# ---- learning


def test_compactness_weighs_alike_in_pictures_of_any_size():
    """A disk of the same share of a picture; the shorter its border in pixels, the dearer it is."""
    costs = []
    for size in (48, 96, 256):
        model = model_of(f"--load_size {size} --crop_size {size}")
        at = (torch.arange(size) + 0.5) / size - 0.5
        disk = (at[:, None] ** 2 + at**2 < 0.3**2).float()[None, None]
        costs.append(model.opt.lambda_com * compactness_loss(disk).item())
    assert model.opt.lambda_com == 10  # of the paper
    assert max(costs) < 1.2 * min(costs), costs
    assert model_of("--lambda_com 3").opt.lambda_com == 3


@pytest.mark.parametrize(
    ("words", "rates"),
    [
        ("", (0.0005, 0.002)),
        ("--stage image", (0.002, 0.002)),
        ("--stage finetune --start_from m i", (0.00005, 0.0002)),
        ("--lr 0.001", (0.001, 0.001)),
        ("--lr_D 0.001", (0.0005, 0.001)),
    ],
)
def test_rates_are_those_of_the_stage_unless_they_are_typed(words, rates):
    opt = TrainOptions().parse(["--dataroot", ".", *TINY, *MGD.split(), *words.split()])
    assert (opt.lr, opt.lr_D) == rates


def taught(words: str, steps: int = 60):
    """A model after some steps on the same four pictures, with its first and last losses."""
    model, found = model_of(f"--lr 0.002 {words}"), []
    for number in range(steps):
        model.step(scenes(), 2 * number)
        found.append(model.get_current_losses())
    return model, found[0], found[-1]


def test_designed_supervision_learns_to_rebuild():
    """Where to paint, and what: the fusion map becomes the masks, the picture the source."""
    _, first, last = taught("--stage image")
    assert last["img_fmap"] < 0.3 * first["img_fmap"]
    assert last["img_perc"] < 0.8 * first["img_perc"]


def test_masks_learn_to_stay_in_their_domain_and_the_penalty_makes_them_small():
    areas = []
    for words in ("--lambda_pen 0", "--lambda_pen 30"):
        model, first, last = taught(f"--stage mask {words}", 80)
        assert last["mask_pc"] < 0.7 * first["mask_pc"]
        scene = scenes()["A"]
        levels = model.networks["G_mask"](
            scene.image, (scene.masks + 1) / 2, scene.present, torch.eye(2).double().expand(2, 2, 2)
        )
        areas.append(levels[-1][:, 1].mean().item())  # as B
    assert areas[1] < 0.8 * areas[0]
