"""Set networks: exact sizes, equivariance, invariance, padding, official keys."""

import pytest
import torch

from conftest import random_scene
from models.networks import build_discriminator, build_generator
from models.networks.layers import ConvTranspose2d, UnbiasedConvTranspose2d
from models.networks.official import from_official, infer_generator, to_official


def count(tensors) -> int:
    return sum(t.numel() for t in tensors)


def call(network, scene):
    return network(scene.image, scene.masks, scene.present)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return build_generator("set", width=4, n_blocks=2, gain=0.3).double()


@pytest.fixture
def discriminator():
    torch.manual_seed(0)
    return build_discriminator("set", width=4).double().eval()


def test_parameter_counts_of_the_paper():
    assert count(build_generator("set").parameters()) == 26_815_108
    discriminator = build_discriminator("set")
    assert count(discriminator.parameters()) == 9_721_729
    assert count(to_official(discriminator).values()) == 9_754_434


def test_generator_is_equivariant_and_discriminator_invariant(generator, discriminator):
    scene = random_scene([3, 3])
    order = torch.tensor([2, 0, 1])
    shuffled = (scene.image, scene.masks[:, order], scene.present[:, order])
    image, masks = call(generator, scene)
    other_image, other_masks = generator(*shuffled)
    assert torch.allclose(image, other_image, atol=1e-12)
    assert torch.allclose(masks[:, order], other_masks, atol=1e-12)
    assert not torch.allclose(masks, other_masks, atol=1e-3)
    assert torch.allclose(call(discriminator, scene), discriminator(*shuffled), atol=1e-12)


def test_settled_masks_change_no_score_and_have_no_gradient(discriminator):
    """Nor do they cost a further power iteration."""
    scene = random_scene([3, 2])
    discriminator.train().requires_grad_(False)
    state = {key: value.clone() for key, value in discriminator.state_dict().items()}
    found = []
    for settled in (0, 2):
        discriminator.load_state_dict(state)
        masks = scene.masks.clone().requires_grad_()
        scores = discriminator(scene.image, masks, scene.present, settled)
        (gradient,) = torch.autograd.grad(scores.square().sum(), masks)
        found.append(
            (
                scores,
                gradient,
                discriminator.state_dict()["feature_seg.0.parametrizations.weight.0._u"].clone(),
            )
        )
    assert torch.allclose(found[0][0], found[1][0], atol=1e-12)
    assert torch.allclose(found[0][1][:, 2:], found[1][1][:, 2:], atol=1e-12)
    assert not found[1][1][:, :2].any() and found[0][1][:, :2].any()
    assert torch.equal(found[0][2], found[1][2])


def test_padding_changes_nothing(generator, discriminator):
    scene = random_scene([2, 1])
    image, masks = call(generator, scene)
    wide_image, wide_masks = call(generator, scene.padded(5))
    assert torch.allclose(image, wide_image, atol=1e-12)
    assert torch.allclose(masks, wide_masks[:, :2], atol=1e-12)
    assert (wide_masks[:, 2:] == -1).all()
    scores = call(discriminator, scene)
    assert torch.allclose(scores, call(discriminator, scene.padded(5)), atol=1e-12)


def test_an_absent_mask_has_no_influence_whatever_it_holds(generator):
    scene = random_scene([1, 1], slots=2)
    image, _ = call(generator, scene)
    scribbled = scene.masks.clone()
    scribbled[:, 1] = 0.7
    other, masks = generator(scene.image, scribbled, scene.present)
    assert torch.equal(image, other)
    assert (masks[:, 1] == -1).all()


def test_computing_absent_masks_too_changes_nothing(generator, discriminator, monkeypatch):
    """What a GPU does: it does not ask which masks are present."""
    scene = random_scene([3, 1, 0])
    ours = *call(generator, scene), call(discriminator, scene)
    everything = lambda present: torch.arange(present.numel())  # noqa: E731
    monkeypatch.setattr("models.networks.insta_gan.instance_rows", everything)
    theirs = *call(generator, scene), call(discriminator, scene)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("kind", ["set", "basic"])
def test_a_batch_is_its_samples(kind):
    """What DataParallel relies on: networks may be run on slices of the batch."""
    slots = {} if kind == "set" else {"slots": 3}
    generator = build_generator(kind, width=4, n_blocks=1, gain=0.3, **slots).double()
    discriminator = build_discriminator(kind, width=4, **slots).double().eval()
    scene = random_scene([3, 1, 0])
    image, masks = call(generator, scene)
    scores = call(discriminator, scene)
    for i, one in enumerate(scene.split()):
        assert torch.allclose(call(generator, one)[0], image[i : i + 1], atol=1e-12)
        assert torch.allclose(call(generator, one)[1], masks[i : i + 1], atol=1e-12)
        assert torch.allclose(call(discriminator, one), scores[i : i + 1], atol=1e-12)


def test_data_parallel_splits_and_gathers_plain_tensors(generator):
    scene = random_scene([2, 1, 3])
    inputs = [(one.image, one.masks, one.present) for one in scene.split()]
    gathered = [torch.cat(parts) for parts in zip(*(generator(*x) for x in inputs), strict=True)]
    wrapped = torch.nn.DataParallel(generator)(scene.image, scene.masks, scene.present)
    for ours, theirs in zip(gathered, wrapped, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("kind", ["set", "basic"])
def test_state_survives_the_official_keys(kind, norm):
    slots = {} if kind == "set" else {"slots": 2}
    for build in (build_generator, build_discriminator):
        network, other = (build(kind, width=4, norm=norm, **slots) for _ in range(2))
        state = {f"module.{k}": v for k, v in to_official(network).items()}
        other.load_state_dict(from_official(state, other))
        for key, value in network.state_dict().items():
            assert torch.equal(value, other.state_dict()[key]), key


def test_official_keys_of_discriminator_and_old_statistics():
    network = build_discriminator("set", width=4)
    state = to_official(network)
    assert {"feature_img.0.module.weight_bar", "feature_img.0.module.weight_u"} <= set(state)
    assert {"classifier.3.module.weight_v", "classifier.3.module.bias"} <= set(state)
    state["feature_img.3.running_mean"] = torch.zeros(8)
    network.load_state_dict(from_official(state, network))


@pytest.mark.parametrize("kind", ["set", "basic"])
@pytest.mark.parametrize("dropout", [False, True])
def test_options_are_read_from_weights(kind, dropout):
    slots = {} if kind == "set" else {"slots": 2}
    network = build_generator(kind, width=6, n_blocks=4, norm="batch", dropout=dropout, **slots)
    found = infer_generator(to_official(network))
    expected = {"netG": kind, "ngf": 6, "n_blocks": 4, "dropout": dropout, "norm": "batch"}
    assert expected.items() <= found.items()


def test_initialisation():
    torch.manual_seed(0)
    generator = build_generator("set", width=16, n_blocks=1)
    weight = generator.encoder_img[4].weight
    assert abs(weight.std().item() - 0.02) < 0.002
    assert generator.encoder_img[4].bias.abs().max() == 0
    normal = build_discriminator("set", width=16, init="normal")
    original = normal.feature_img[2].parametrizations.weight.original
    assert abs(original.std().item() - 0.02) < 0.002
    published = build_discriminator("set", width=16).feature_img[2]
    bound = (16 * 16) ** -0.5  # PyTorch's default: uniform in +- 1 / sqrt(fan in)
    assert bound * 0.9 < published.parametrizations.weight.original.abs().max() <= bound


def test_spectral_norm_is_one_and_stays_in_full_precision():
    torch.manual_seed(0)
    layer = build_discriminator("set", width=8).feature_img[2]
    for _ in range(50):
        weight = layer.weight
    assert abs(torch.linalg.matrix_norm(weight.flatten(1), ord=2).item() - 1) < 1e-3
    seen = []
    layer.parametrizations.weight[0].register_forward_hook(lambda *x: seen.append(x[2].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(torch.rand(1, 8, 16, 16))
        assert layer.parametrizations.weight[0]._u.dtype == torch.float32
    assert out.dtype == torch.bfloat16
    assert seen == [torch.float32]


@pytest.mark.parametrize(
    "words", [{}, {"dropout": True}, {"name": "basic", "slots": 3}, {"n_blocks": 1, "width": 8}]
)
def test_recomputed_activations_give_the_same_gradients_from_fewer_tensors(words):
    """To the bit, dropout included; what autograd keeps is less than half."""

    def gradients(recompute: bool) -> tuple[list[torch.Tensor], int]:
        torch.manual_seed(0)
        keywords = {"name": "set", "width": 4, "n_blocks": 4, "gain": 0.3} | words
        network = build_generator(recompute=recompute, **keywords).double()
        kept = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        scene = random_scene([3, 1])
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            image, masks = call(network, scene)
        weights = sum(w.untyped_storage().nbytes() for w in network.parameters())
        (image.square().mean() + masks.square().mean()).backward()
        gradients = [w.grad for w in network.parameters() if w.grad is not None]
        return gradients, sum(kept.values()) - weights

    (plain, all_bytes), (again, few_bytes) = gradients(False), gradients(True)
    assert all(torch.equal(one, other) for one, other in zip(plain, again, strict=True))
    assert few_bytes < all_bytes / 2


@pytest.mark.parametrize("kind", [ConvTranspose2d, UnbiasedConvTranspose2d])
def test_what_samples_share_is_convolved_once(kind):
    """Value and gradients are those of the convolution of all channels of every sample."""
    torch.manual_seed(0)
    layer = kind(5, 4, 3, stride=2, padding=1, output_padding=1).double()
    own, shared = (
        torch.randn(*shape, 3, 4, dtype=torch.float64, requires_grad=True)
        for shape in ((6, 2), (2, 3))
    )
    results = []
    for function in (
        lambda: layer(own, shared, lambda x: x.repeat_interleave(3, 0)),
        lambda: layer(torch.cat([own, shared.repeat_interleave(3, 0)], 1)),
    ):
        result = function()
        leaves = [own, shared, layer.weight]
        results.append([result, *torch.autograd.grad(result.pow(3).sum(), leaves)])
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)
