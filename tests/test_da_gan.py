"""DA-GAN: windows, codes, losses and where their gradients go; labels; the digits."""

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from conftest import TINY, refused
from data.labels import NONE, has_labels, read_labels
from data.scene import Scene
from datasets import generate_digits_dataset
from metrics.attention import score
from metrics.pair import Pair
from models import create_model
from models.da_gan_losses import feature_distance, label_loss, squared_distance
from models.networks.da_gan import (
    AttentionEncoder,
    CodeClassifier,
    Judge,
    Locator,
    RegionEncoder,
    held_still,
    profile,
    sharpness,
    window_masks,
)
from options.train_options import TrainOptions
from util.errors import UserError

DAGAN = "--model da_gan --width_C 6 --blocks_C 3 --batch_size 4"


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("digits") / "data"
    generate_digits_dataset.main(f"--save_root {root} --train 8 --test 4".split())
    return root


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def model_of(digits: Path, words: str = "--label_mode source", seed: int = 0):
    torch.manual_seed(seed)
    argv = ["--dataroot", str(digits), *TINY, *DAGAN.split(), *words.split()]
    model = create_model(TrainOptions().parse(argv), torch.device("cpu"))
    for network in model.networks.values():
        network.double()
    return model


def scene_of(seed: int, count: int = 4, side: int = 32) -> Scene:
    masks = torch.zeros(count, 0, side, side).double()
    names = [f"{seed}_{i}" for i in range(count)]
    scene = Scene(drawn(count, 3, side, side, seed=seed) * 2 - 1, masks, masks[:, :, 0, 0].bool())
    labels = torch.arange(count)[:, None] % 10
    return replace(scene, names=names, numbers=[()] * count, extras={"label": labels})


# ---- windows


def test_a_window_is_where_its_centre_is():
    centres = torch.tensor([[[0.4, 0.6]]]).double()
    mask = window_masks(centres, 0.5, (64, 48), 1.0)[0, 0]
    left, right = 0.4 * 48 - 12, 0.4 * 48 + 12
    top, bottom = 0.6 * 64 - 16, 0.6 * 64 + 16
    x, y = torch.arange(48) + 0.5, torch.arange(64) + 0.5
    inner = ((y > top + 1) & (y < bottom - 1))[:, None] & ((x > left + 1) & (x < right - 1))
    outer = ((y < top - 1) | (y > bottom + 1))[:, None] | ((x < left - 1) | (x > right + 1))
    assert (mask[inner] > 0.99).all() and (mask[outer] < 0.01).all()
    assert mask.sum().item() == pytest.approx(24 * 32, rel=0.01)


def test_centres_get_the_gradients_of_finite_differences():
    image, weight = drawn(1, 3, 32, 32), drawn(1, 1, 3, 32, 32, seed=1)

    def total(centres):
        masks = window_masks(centres, 0.5, (32, 32), 0.4)
        return (image[:, None] * masks[:, :, None] * weight).sum()

    centres = torch.tensor([[[0.41, 0.57]]]).double().requires_grad_()
    assert torch.autograd.gradcheck(total, centres)


def test_profiles_are_one_inside_at_any_sharpness():
    for per_pixel in (1.0, 10.0, torch.tensor(10.0)):
        line = profile(torch.tensor([16.0]), 12.0, 32, per_pixel)[0]
        assert line[15] > 0.99 and (line.flip(0) - line).abs().max() < 1e-5


@pytest.mark.parametrize(("windows", "share"), [(1, 0.75), (4, 0.5), (3, 0.3)])
def test_windows_stay_inside_and_begin_apart(windows, share):
    torch.manual_seed(0)
    locator = Locator(width=4, windows=windows, share=share)
    code = torch.randn(5, 16, 8, 8)
    centres = locator(code)
    assert centres.shape == (5, windows, 2)
    assert (centres >= share / 2).all() and (centres <= 1 - share / 2).all()
    apart = torch.cdist(centres[0], centres[0]) + torch.eye(windows)
    assert apart.min() > 0.1
    far = Locator(width=4, windows=windows, share=share)
    torch.nn.init.normal_(far.places.weight, std=100)
    assert (far(code) >= share / 2).all() and (far(code) <= 1 - share / 2 + 1e-6).all()


def test_codes_are_those_of_the_regions_one_after_another():
    torch.manual_seed(0)
    encoder = AttentionEncoder(RegionEncoder(width=4), Locator(width=4, windows=3, share=0.5))
    encoder.eval()
    image = torch.rand(2, 3, 32, 32)
    codes, centres = encoder(image)
    assert codes.shape == (2, 3 * 16, 8, 8)
    masks = window_masks(centres, 0.5, (32, 32), encoder.progress)
    for n in range(3):
        own = encoder.encoder(image * masks[:, n, None])
        torch.testing.assert_close(codes[:, 16 * n : 16 * (n + 1)], own)
    whole = AttentionEncoder(encoder.encoder, encoder.locator, attends=False)
    torch.testing.assert_close(whole(image)[0], encoder.encoder(image))
    both = AttentionEncoder(encoder.encoder, encoder.locator, sees_all=True)(image)[0]
    torch.testing.assert_close(both, torch.cat([codes, encoder.encoder(image)], 1))


def test_windows_get_sharper_and_stay_so():
    encoder = AttentionEncoder(RegionEncoder(width=4), Locator(width=4), sharpen_for=9)
    found = []
    for _ in range(12):
        found.append(float(sharpness(encoder.progress, 16.0)))
        encoder.sharpen()
    assert found[0] == pytest.approx(0.1) and found[9:] == pytest.approx([10.0] * 3)
    factors = [after / before for before, after in zip(found[:9], found[1:10], strict=True)]
    assert factors == pytest.approx([100 ** (1 / 9)] * 9, rel=1e-4)
    assert float(encoder.state_dict()["progress"]) == 1


def test_the_first_windows_let_everything_shine_through():
    """So that a gradient says in which direction an object is that is in no window."""
    centre = torch.tensor([[[0.25, 0.25]]])
    first, last = (window_masks(centre, 0.5, (64, 64), progress)[0, 0] for progress in (0.0, 1.0))
    assert first.min() > 1e-4 and last[60, 60] < 1e-4
    assert first[16, 16] > 3 * first[16, 60]


@pytest.mark.parametrize("side", [32, 64, 256])
def test_a_discriminator_gives_one_logit(side):
    assert Judge((side, side), width=2)(torch.rand(3, 3, side, side)).shape == (3,)


def test_a_classifier_tells_what_it_sees():
    middle, seen, logits = CodeClassifier(8, 5, width=6)(torch.rand(2, 8, 8, 8))
    assert middle.shape[:2] == (2, 6) and seen.shape == (2, 6) and logits.shape == (2, 5)


# ---- losses


def test_distances_of_known_codes():
    one, other = torch.zeros(2, 3), torch.tensor([[1.0, 1, 1], [0, 0, 3]])
    assert squared_distance(one, other).tolist() == [1.0, 3.0]
    first, second = [torch.full((1, 2), 2.0)], [torch.full((1, 2), 3.0)]
    assert feature_distance(first, second).item() == pytest.approx(0.5)


def test_pictures_without_a_label_cost_nothing():
    logits = torch.zeros(2, 10)
    assert label_loss(logits, torch.tensor([NONE, 3])).tolist() == [0, pytest.approx(np.log(10))]


def grads(model, name: str) -> float:
    found = (w.grad for w in model.networks[name].parameters() if w.grad is not None)
    return sum(float(g.abs().sum()) for g in found)


def test_codes_that_come_back_teach_the_translation_and_not_how_they_are_compared(digits):
    """Eq. 5: gradients go through the outer encoder and classifier into G."""
    model = model_of(digits)
    scene = scene_of(0)
    codes = model.encode(scene.image)[0].detach()
    painted = model.paint(codes)
    model.distance(codes, painted).sum().backward()
    assert grads(model, "G") > 0
    assert grads(model, "C") == grads(model, "DAE") == 0
    joint = model_of(digits, "--label_mode source --d_joint")
    joint.distance(codes, joint.paint(codes)).sum().backward()
    assert grads(joint, "C") > 0 and grads(joint, "DAE") > 0


def test_networks_that_are_held_still_count_nothing(digits):
    model = model_of(digits)
    network = model.networks["DAE"]
    before = {name: x.clone() for name, x in network.state_dict().items()}
    with held_still(network):
        network(scene_of(0).image)
    assert all(torch.equal(x, before[name]) for name, x in network.state_dict().items())
    assert all(w.requires_grad for w in network.parameters())
    network(scene_of(0).image)
    assert any(not torch.equal(x, before[name]) for name, x in network.state_dict().items())


def test_labels_teach_where_to_look(digits):
    model = model_of(digits)
    scene = scene_of(0)
    model.label_term(scene, model.encode(scene.image)[0]).sum().backward()
    assert model.networks["DAE"].locator.places.weight.grad.abs().sum() > 0


def test_discriminators_look_at_what_the_paper_says(digits):
    """D1 at translations and targets, D2 at targets and what is made of these alone."""
    model = model_of(digits)
    source, target = scene_of(0), scene_of(1)
    losses = model.judging_losses(source, target)[0]
    other = model.judging_losses(scene_of(2), target)[0]
    assert not torch.allclose(losses["painted_D"], other["painted_D"])
    torch.testing.assert_close(losses["repainted_D"], other["repainted_D"])


def test_labels_of_the_target_are_not_looked_at_in_domain_adaptation(digits):
    model = model_of(digits)
    source, target = scene_of(0), scene_of(1)
    unknown = replace(target, extras={"label": torch.full((4, 1), NONE)})
    losses = model.painting_losses(source, target)[0]
    for name, value in model.painting_losses(source, unknown)[0].items():
        torch.testing.assert_close(value, losses[name], msg=name)


@pytest.mark.parametrize(
    ("words", "absent"),
    [
        ("--label_mode source --alpha 0", {"source_code"}),
        ("--label_mode source --beta 0", {"target_code"}),
        ("--label_mode source --no_D2", {"repainted_adv", "repainted_D"}),
        ("--label_mode none", {"label_code"}),
        ("--label_mode both --no_dae", set()),
        ("--label_mode source --n_regions 4 --include_global", set()),
    ],
)
def test_parts_can_be_left_out(digits, words, absent):
    model = model_of(digits, words)
    source, target = scene_of(0), scene_of(1)
    losses = model.painting_losses(source, target)[0] | model.judging_losses(source, target)[0]
    assert {*model.loss_names} - losses.keys() == absent
    assert all(value.shape == (4,) for value in losses.values())


# ---- labels and digits


def test_labels_by_file_and_by_folder(tmp_path):
    for name in ("b/x.png", "a/y.png", "z.png"):
        path = tmp_path / "trainA" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    (tmp_path / "trainB/c").mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "trainB/c/w.png")
    names = ["b_x", "a_y", "z"]
    found = read_labels(tmp_path, "trainA", names)
    assert [int(found[name]) for name in names] == [1, 0, NONE]
    assert int(read_labels(tmp_path, "trainB", ["c_w"])["c_w"]) == 2
    (tmp_path / "trainA_label.csv").write_text("z,7\n")
    found = read_labels(tmp_path, "trainA", names)
    assert [int(found[name]) for name in names] == [NONE, NONE, 7]
    assert has_labels(tmp_path, "trainA") and not has_labels(tmp_path, "testA")
    (tmp_path / "trainA_label.csv").write_text("z,7.5\n")
    with pytest.raises(UserError, match="one whole number"):
        read_labels(tmp_path, "trainA", names)


def test_digits_are_drawn_with_labels_and_masks(digits, tmp_path):
    lines = (digits / "trainA_label.csv").read_text().splitlines()
    assert len(lines) == 8 and all(0 <= int(line.split(",")[1]) <= 9 for line in lines)
    white = np.asarray(Image.open(digits / "trainB/00000.png")).astype(int)
    mask = np.asarray(Image.open(digits / "trainB_seg/00000_0.png")) > 127
    assert white[mask].min() > 100 and white[~mask].max() < 155
    assert 0.05 < mask.mean() < 0.4
    again = tmp_path / "again"
    generate_digits_dataset.main(f"--save_root {again} --train 8 --test 4".split())
    for path in digits.rglob("*.png"):
        assert (again / path.relative_to(digits)).read_bytes() == path.read_bytes()


def test_files_of_svhn_and_mnist_are_read(tmp_path, capsys):
    rng = np.random.default_rng(0)
    for phase, count in (("train", 3), ("test", 2)):
        colours = rng.integers(0, 256, (32, 32, 3, count), np.uint8)
        savemat(
            tmp_path / f"{phase}_32x32.mat", {"X": colours, "y": np.array([[10], [1], [9]])[:count]}
        )
        name = {"train": "train", "test": "t10k"}[phase]
        grey = rng.integers(1, 256, (count, 28, 28), np.uint8)
        head = np.array([2051, count, 28, 28], ">i4").tobytes()
        (tmp_path / f"{name}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(head + grey.tobytes())
        )
        labels = np.array([2049, count], ">i4").tobytes() + bytes([5, 0, 7][:count])
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    out = tmp_path / "out"
    words = f"--svhn {tmp_path} --mnist {tmp_path} --save_root {out} --train 3 --test 2"
    generate_digits_dataset.main(words.split())
    assert (out / "trainA_label.csv").read_text() == "00000,0\n00001,1\n00002,9\n"
    assert (out / "testB_label.csv").read_text() == "00000,5\n00001,0\n"
    assert np.array_equal(np.asarray(Image.open(out / "testA/00001.png")), colours[..., 1])
    white = np.asarray(Image.open(out / "testB/00001.png"))
    assert np.array_equal(white[2:30, 2:30, 1], grey[1]) and not white[:2].any()
    assert not (out / "trainA_seg").exists()
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"no labels")
    for path, said in ((tmp_path, "is no idx file"), (tmp_path / "gone", "there is no")):
        words = f"--mnist {path} --save_root {tmp_path / 'other'} --train 1 --test 1"
        refused(capsys, lambda words=words: generate_digits_dataset.main(words.split()), said)


def test_attention_is_measured_by_masks():
    masks = np.zeros((2, 20, 20), bool)
    masks[0, 0:10, 0:10] = masks[1, 10:20, 10:20] = True
    image = np.zeros((20, 20, 3), np.uint8)
    pair = Pair("x", "A", image, image, masks, None, masks.any(0), None)
    windows = [[0, 0, 0.5, 0.5]]
    found = score(replace(pair, numbers={"windows": windows}))
    assert found["attention_recall"] == 0.5
    assert found["centre_error"] == [0, pytest.approx(0.5 * 2**0.5)]
    assert score(pair) == {}
