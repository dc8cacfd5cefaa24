"""Sequential training: batches are means of singles, A and B are alike, gradients stop between groups."""

from functools import partial

import pytest
import torch

from conftest import double_model, random_scene
from data.scene import Scene
from models.direction import generate, translate_both
from models.losses import mean_by_name
from models.sequential import cut_groups, translate_in_groups, unfinished

FIXED = "--lr 0 --lr_D 0 --pool_size 0 --init_gain 0.3 --ins_max 5 --ins_per 2"


def gradients(model) -> dict[str, torch.Tensor]:
    """All gradients, zeros where there is none."""
    return {
        f"{name}.{key}": torch.zeros_like(w) if w.grad is None else w.grad.clone()
        for name, network in model.networks.items()
        for key, w in network.named_parameters()
    }


def plan(model):
    """The groups of the model's batch."""
    return unfinished(model.cut(model.present))


def group_by_group(model, scenes) -> dict[int, tuple[dict, dict]]:
    """Losses and gradients by the first slot of their group, at fixed weights."""
    model.set_input(scenes)
    groups = zip([group.start for group in plan(model)], model.train_groups(), strict=True)
    return {start: (losses, gradients(model)) for start, losses in groups}


def test_plan_cuts_from_ins_max_and_leaves_finished_samples_out():
    present = {"A": random_scene([1, 4, 0]).present, "B": random_scene([5, 0, 2]).present}
    plan = unfinished(cut_groups(present, ins_max=5, ins_per=2))
    assert [(g.start, g.stop, g.slots) for g in plan] == [(0, 2, 2), (2, 4, 2), (4, 5, 1)]
    assert [g.active for g in plan] == [
        {"A": [0, 1], "B": [0, 2]},
        {"A": [1], "B": [0]},
        {"B": [0]},
    ]
    assert [g.stop for g in unfinished(cut_groups(present, ins_max=5, ins_per=9))] == [5]
    assert unfinished(cut_groups({"A": random_scene([0]).present}, 4, 2)) == []


@pytest.mark.parametrize("words", ["", "--netG basic --netD basic", "--gan_mode vanilla --paste 1"])
def test_a_batch_gives_the_mean_of_its_samples(words):
    model = double_model(f"{FIXED} {words}")
    scenes = {"A": random_scene([1, 4, 0], seed=1), "B": random_scene([3, 0, 2], seed=2)}
    whole = group_by_group(model, scenes)
    singles = [
        group_by_group(model, {d: scene.select([i]) for d, scene in scenes.items()})
        for i in range(3)
    ]
    assert list(whole) == [0, 2]
    for start, (losses, grads) in whole.items():
        parts = [single[start] for single in singles if start in single]
        for name, loss in losses.items():
            mean = sum(part[0].get(name, torch.tensor(0.0)) for part in parts) / 3
            assert torch.allclose(loss, mean, atol=1e-10, rtol=0), name
        for name, gradient in grads.items():
            mean = sum(part[1][name] for part in parts) / 3
            assert torch.allclose(gradient, mean, atol=1e-10, rtol=0), name


@pytest.mark.parametrize("words", ["", "--paste 1"])
def test_swapping_the_domains_swaps_everything(words):
    def swap(name):
        return name.translate(str.maketrans("AB", "BA"))

    scenes = {"A": random_scene([1, 4, 0], seed=1), "B": random_scene([3, 0, 2], seed=2)}
    words = f"{FIXED} {words}"
    model, mirror = double_model(words), double_model(words, seed=1)
    mirror.load_network_states({swap(n): state for n, state in model.network_states().items()})
    straight = group_by_group(model, scenes)
    crossed = group_by_group(mirror, {swap(d): scene for d, scene in scenes.items()})
    assert straight.keys() == crossed.keys()
    for start, (losses, grads) in straight.items():
        for name, loss in losses.items():
            assert torch.allclose(loss, crossed[start][0][swap(name)], atol=1e-10, rtol=0), name
        for name, gradient in grads.items():
            network, key = name.split(".", 1)
            other = crossed[start][1][f"{swap(network)}.{key}"]
            assert torch.allclose(gradient, other, atol=1e-10, rtol=0), name
    model.test()
    mirror.test()
    for domain in "AB":
        fakes = model.fake[domain], mirror.fake[swap(domain)]
        assert torch.allclose(fakes[0].image, fakes[1].image, atol=1e-10)
        assert torch.allclose(fakes[0].masks, fakes[1].masks, atol=1e-10)


def test_direction_option_renames_networks():
    """--direction BtoA: G_A translates B to A, with the same numbers as with the domains swapped."""
    scenes = {"A": random_scene([2], seed=1), "B": random_scene([3], seed=2)}
    plain = double_model(FIXED)
    renamed = double_model(f"{FIXED} --direction BtoA")
    straight = group_by_group(plain, {"A": scenes["B"], "B": scenes["A"]})
    crossed = group_by_group(renamed, scenes)
    for start, (losses, _) in straight.items():
        for name, loss in losses.items():
            assert torch.allclose(loss, crossed[start][0][name], atol=1e-10), name
    assert renamed.directions["B"].generator.network is renamed.networks["G_A"]


def test_a_finished_direction_moves_no_discriminator():
    model = double_model("--ins_max 4 --ins_per 2")
    model.set_input({"A": random_scene([4], seed=1), "B": random_scene([1], seed=2)})
    groups = model.train_groups()
    assert {"D_A", "D_B", "G_B", "idt_A", "idt_B"} <= set(next(groups))
    before = {k: v.clone() for k, v in model.networks["D_B"].state_dict().items()}
    moments = model.optimizers["D"].state
    steps = [moments[w]["step"].item() for w in model.networks["D_B"].parameters()]
    losses = next(groups)
    assert set(losses) == {"D_A", "G_A", "cyc_A", "idt_B", "ctx_A"}
    for key, value in model.networks["D_B"].state_dict().items():
        assert torch.equal(value, before[key])
    assert steps == [moments[w]["step"].item() for w in model.networks["D_B"].parameters()]


def test_a_batch_without_instances_changes_nothing():
    model = double_model()
    before = {k: v.clone() for k, v in model.networks["G_A"].state_dict().items()}
    scenes = {"A": random_scene([0], seed=1), "B": random_scene([0], seed=2)}
    model.set_input(scenes)
    model.optimize_parameters()
    assert model.get_current_losses() == {}
    for key, value in model.networks["G_A"].state_dict().items():
        assert torch.equal(value, before[key])
    model.test()
    assert torch.equal(model.fake["B"].image, scenes["A"].image)


def test_pictures_without_instances_come_out_unchanged_beside_others():
    model = double_model("--init_gain 0.3 --ins_max 4 --ins_per 2")
    scene = random_scene([3, 0, 1])
    model.set_input({"A": scene})
    model.test()
    assert torch.equal(model.fake["B"].image[1], scene.image[1])
    assert (model.fake["B"].image[[0, 2]] - scene.image[[0, 2]]).abs().max() > 0.1
    assert set(model.fake) == {"B"}  # one direction needs nothing of the other domain
    assert torch.equal(model.fake["B"].present, scene.present)


def test_sequential_inference_is_the_generator_group_after_group():
    model = double_model("--init_gain 0.3 --ins_max 3 --ins_per 2")
    scene = random_scene([3])
    generator = model.networks["G_A"]
    with torch.no_grad():
        first, masks = generator(scene.image, scene.masks[:, :2], scene.present[:, :2])
        second, last = generator(first, scene.masks[:, 2:], scene.present[:, 2:])
    model.set_input({"A": scene})
    model.test()
    assert torch.allclose(model.fake["B"].image, second, atol=1e-12)
    assert torch.allclose(model.fake["B"].masks, torch.cat([masks, last], 1), atol=1e-12)


def test_gradients_stop_between_groups_and_only_there():
    model = double_model("--init_gain 0.3 --ins_max 3 --ins_per 2")
    scenes = {"A": random_scene([3], seed=1), "B": random_scene([3], seed=2)}
    model.set_input(scenes)
    translate = partial(translate_both, model.directions, model.pasted)
    steps = list(translate_in_groups(translate, model.real, plan(model)))
    first, second = (step.samples["A"] for step in steps)
    assert second.masks.shape[1] == 3
    assert not steps[0].canvases["A"].image.requires_grad
    model.networks["G_A"].requires_grad_(True)
    second.masks[:, :2].sum().backward(retain_graph=True)
    assert all(w.grad is None or not w.grad.any() for w in model.networks["G_A"].parameters())
    second.masks[:, 2:].sum().backward()
    assert any(w.grad is not None and w.grad.any() for w in model.networks["G_A"].parameters())
    assert torch.equal(second.masks[:, :2], first.masks)


def test_one_step_mode_and_random_remainders():
    for words, groups in (("--ins_max 4 --ins_per 4", 1), ("--ins_max 3 --ins_per 2", 2)):
        model = double_model(words)
        model.set_input({"A": random_scene([4], seed=1), "B": random_scene([2], seed=2)})
        assert len(list(model.train_groups())) == groups


def test_reported_losses_are_means_over_groups_that_computed_them():
    groups = [{"x": torch.tensor(1.0), "y": torch.tensor(4.0)}, {"x": torch.tensor(3.0)}]
    assert {k: v.item() for k, v in mean_by_name(groups).items()} == {"x": 2.0, "y": 4.0}


def test_identity_is_skipped_where_it_has_no_weight():
    model = double_model("--lambda_idt 0")
    model.set_input({"A": random_scene([1], seed=1), "B": random_scene([1], seed=2)})
    model.optimize_parameters()
    assert not any(name.startswith("idt") for name in model.get_current_losses())


def test_no_attribute_is_born_outside_the_constructor():
    model = double_model()
    born = set(vars(model))
    scenes = {"A": random_scene([1], seed=1), "B": random_scene([2], seed=2)}
    model.set_input(scenes)
    model.optimize_parameters()
    model.get_current_visuals()
    model.update_learning_rate()
    assert set(vars(model)) == born


def test_visuals_have_the_official_names_and_order():
    model = double_model()
    model.set_input({"A": random_scene([1], seed=1), "B": random_scene([2], seed=2)})
    official = (
        "real_A_img fake_B_img rec_A_img real_A_seg fake_B_seg rec_A_seg "
        "real_B_img fake_A_img rec_B_img real_B_seg fake_A_seg rec_B_seg"
    )
    assert list(model.get_current_visuals()) == official.split()
    assert " ".join(model.loss_names) == "D_A G_A cyc_A idt_A ctx_A D_B G_B cyc_B idt_B ctx_B"


def test_generator_joins_calls_without_changing_them():
    model = double_model("--init_gain 0.3")
    a, b = random_scene([2, 1], seed=1), random_scene([3], seed=2)
    with torch.no_grad():
        joined = generate(model.networks["G_A"], a, None, b)
        alone = generate(model.networks["G_A"], a)[0]
    assert joined[1] is None
    assert torch.allclose(joined[0].image, alone.image, atol=1e-12)
    assert torch.allclose(joined[0].masks, alone.masks, atol=1e-12)
    assert joined[2].masks.shape == b.masks.shape
    assert isinstance(joined[2], Scene)


def test_domains_of_different_sizes():
    """--resize_or_crop none: A and B, and the fakes in the pool, need not be alike."""
    model = double_model("--pool_size 2")
    for seed, (a, b) in enumerate(
        [((40, 32), (32, 48)), ((32, 32), (40, 40)), ((32, 36), (48, 32))]
    ):
        scenes = {
            "A": random_scene([2], size=64, seed=seed).map(lambda t, s=a: cut(t, s)),
            "B": random_scene([1], size=64, seed=seed + 9).map(lambda t, s=b: cut(t, s)),
        }
        model.set_input(scenes)
        model.optimize_parameters()
        assert len(model.get_current_losses()) == 10
        model.test()
        assert model.fake["B"].image.shape[-2:] == a


def cut(tensor, size):
    return tensor[..., : size[0], : size[1]] if tensor.dim() == 4 else tensor
