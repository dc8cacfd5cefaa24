"""Sequential training: batches are means of singles, A and B are alike, gradients stop between groups."""

import pytest
import torch

from conftest import double_model, random_scene
from data.scene import Scene
from models.base_model import mean_by_name
from models.sequential import cut_groups, generate, unfinished
from models.showcase import shown
from pages.results import visuals_of

FIXED = "--lr 0 --lr_D 0 --pool_size 0 --init_gain 0.3 --ins_max 5 --ins_per 2"


def gradients(model) -> dict[str, torch.Tensor]:
    """All gradients, zeros where there is none."""
    return {
        f"{name}.{key}": torch.zeros_like(w) if w.grad is None else w.grad.clone()
        for name, network in model.networks.items()
        for key, w in network.named_parameters()
    }


def updates(model, scenes) -> list[tuple[str, dict, dict]]:
    """Of each update of a step, in order: its kind, losses and gradients."""
    found, update = [], model.update

    def watched(kind, losses_of, *inputs):
        result = update(kind, losses_of, *inputs)
        found.append((kind, model.updates[-1], gradients(model)))
        return result

    model.update = watched
    model.step(scenes)
    model.update = update
    return found


def group_by_group(model, scenes) -> dict[int, tuple[dict, dict]]:
    """Losses and gradients by the first slot of their group, at fixed weights."""
    groups = unfinished(model.cut({d: model.prepare(scene).present for d, scene in scenes.items()}))
    found = updates(model, scenes)
    return {
        group.start: (generators[1] | discriminators[1], discriminators[2])
        for group, generators, discriminators in zip(groups, found[::2], found[1::2], strict=True)
    }


def test_plan_cuts_from_ins_max_and_leaves_finished_samples_out():
    present = {"A": random_scene([1, 4, 0]).present, "B": random_scene([5, 0, 2]).present}
    plan = unfinished(cut_groups(present, ins_max=5, ins_per=2))
    assert [(g.start, g.stop) for g in plan] == [(0, 2), (2, 4), (4, 5)]
    assert [{d: g.samples(d) for d in g.active} for g in plan] == [
        {"A": [0, 1], "B": [0, 2]},
        {"A": [1], "B": [0]},
        {"B": [0]},
    ]
    assert [x.tolist() for x in plan[0].real.values()] == [[1, 1, 0], [1, 0, 1]]
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
    for domain, scene in scenes.items():
        fakes = [
            one.translate(scene, d).fakes[0] for one, d in ((model, domain), (mirror, swap(domain)))
        ]
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
    assert renamed.cycles["B"].generator is renamed.executions["G_A"]


def test_a_finished_direction_moves_no_discriminator():
    model = double_model("--ins_max 4 --ins_per 2")
    seen = {}
    update = model.update

    def watched(kind, losses_of, *inputs):
        judge = model.networks["D_B"]
        before = {k: v.clone() for k, v in judge.state_dict().items()}
        moments = model.optimizers["D"].state
        steps = [moments[w]["step"].item() if w in moments else 0 for w in judge.parameters()]
        result = update(kind, losses_of, *inputs)
        same = all(torch.equal(v, before[k]) for k, v in judge.state_dict().items())
        after = [moments[w]["step"].item() if w in moments else 0 for w in judge.parameters()]
        group = (len(model.updates) - 1) // 2  # each has two updates
        seen[kind, group] = (set(model.updates[-1]), same, steps == after)
        return result

    model.update = watched
    model.step({"A": random_scene([4], seed=1), "B": random_scene([1], seed=2)})
    assert {"G_A", "G_B", "idt_A", "idt_B"} <= seen["G", 0][0]
    assert seen["D", 0] == ({"D_A", "D_B"}, False, False)
    assert seen["G", 1][0] == {"G_A", "cyc_A", "idt_B", "ctx_A"}
    assert seen["D", 1] == ({"D_A"}, True, True)


def test_a_batch_without_instances_changes_nothing():
    model = double_model()
    before = {k: v.clone() for k, v in model.networks["G_A"].state_dict().items()}
    scenes = {"A": random_scene([0], seed=1), "B": random_scene([0], seed=2)}
    model.step(scenes)
    assert model.get_current_losses() == {}
    for key, value in model.networks["G_A"].state_dict().items():
        assert torch.equal(value, before[key])
    moved = model.translate(scenes["A"], "A")
    assert torch.equal(moved.fakes[0].image, scenes["A"].image) and not moved.steps
    assert torch.equal(moved.back.image, scenes["A"].image)


def test_pictures_without_instances_come_out_unchanged_beside_others():
    model = double_model("--init_gain 0.3 --ins_max 4 --ins_per 2")
    scene = random_scene([3, 0, 1])
    fake = model.translate(scene, "A").fakes[0]
    assert torch.equal(fake.image[1], scene.image[1])
    assert (fake.image[[0, 2]] - scene.image[[0, 2]]).abs().max() > 0.1
    assert torch.equal(fake.present, scene.present)


def test_sequential_inference_is_the_generator_group_after_group():
    model = double_model("--init_gain 0.3 --ins_max 3 --ins_per 2")
    scene = random_scene([3])
    generator = model.networks["G_A"]
    with torch.no_grad():
        first, masks = generator(scene.image, scene.masks[:, :2], scene.present[:, :2])
        second, last = generator(first, scene.masks[:, 2:], scene.present[:, 2:])
    fake = model.translate(scene, "A").fakes[0]
    assert torch.allclose(fake.image, second, atol=1e-12)
    assert torch.allclose(fake.masks, torch.cat([masks, last], 1), atol=1e-12)


def test_gradients_stop_between_groups_and_only_there():
    model = double_model("--init_gain 0.3 --ins_max 3 --ins_per 2 --lr 0")
    scenes = {"A": random_scene([3], seed=1), "B": random_scene([3], seed=2)}
    group, _ = cut_groups({d: scene.present for d, scene in scenes.items()}, 3, 2)
    _, made = model.generator_losses(scenes, 0, 2)
    first = model.translate_both(scenes, 0, 2)["A"].sample
    kept = model.update("G", model.generator_losses, *begun(model, scenes), 0, 2)
    assert made["A"].image.requires_grad and not kept["A"].image.requires_grad
    second = model.translate_both(group.advanced(scenes, kept), 2, 3)["A"].sample
    assert second.masks.shape[1] == 3
    model.optimizers["G"].zero_grad()
    second.masks[:, :2].sum().backward(retain_graph=True) if second.masks[
        :, :2
    ].requires_grad else None
    assert all(w.grad is None or not w.grad.any() for w in model.networks["G_A"].parameters())
    second.masks[:, 2:].sum().backward()
    assert any(w.grad is not None and w.grad.any() for w in model.networks["G_A"].parameters())
    assert torch.equal(second.masks[:, :2], first.masks)


def begun(model, scenes):
    """The scenes, of which an update may be made."""
    model.begin_batch(scenes, 1)
    return (scenes,)


def test_one_step_mode_and_random_remainders():
    for words, groups in (("--ins_max 4 --ins_per 4", 1), ("--ins_max 3 --ins_per 2", 2)):
        model = double_model(words)
        model.step({"A": random_scene([4], seed=1), "B": random_scene([2], seed=2)})
        assert len(model.updates) == 2 * groups


def test_reported_losses_are_means_over_groups_that_computed_them():
    groups = [{"x": torch.tensor(1.0), "y": torch.tensor(4.0)}, {"x": torch.tensor(3.0)}]
    assert {k: v.item() for k, v in mean_by_name(groups).items()} == {"x": 2.0, "y": 4.0}


def test_identity_is_skipped_where_it_has_no_weight():
    model = double_model("--lambda_idt 0")
    model.step({"A": random_scene([1], seed=1), "B": random_scene([1], seed=2)})
    assert not any(name.startswith("idt") for name in model.get_current_losses())


def test_no_attribute_is_born_outside_the_constructor():
    model = double_model()
    born = set(vars(model))
    scenes = {"A": random_scene([1], seed=1), "B": random_scene([2], seed=2)}
    model.step(scenes)
    model.translate(scenes["A"], "A")
    model.update_learning_rate()
    assert set(vars(model)) == born


def test_visuals_have_the_official_names_and_order():
    model = double_model()
    official = {
        "A": "real_A_img fake_B_img rec_A_img real_A_seg fake_B_seg rec_A_seg",
        "B": "real_B_img fake_A_img rec_B_img real_B_seg fake_A_seg rec_B_seg",
    }
    for way in model.directions:
        columns = shown(way, model.translate(random_scene([1], seed=1), way.source))
        assert list(visuals_of(columns)) == official[way.source].split()
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
        model.step(scenes)
        assert len(model.get_current_losses()) == 10
        assert model.translate(scenes["A"], "A").fakes[0].image.shape[-2:] == a


def cut(tensor, size):
    return tensor[..., : size[0], : size[1]] if tensor.dim() == 4 else tensor
