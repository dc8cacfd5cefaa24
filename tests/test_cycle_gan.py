"""The baselines: the same properties as InstaGAN, their sizes, and weights of other code."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import test as test_command
import train
from conftest import double_model, one_line_error, random_scene, train_options
from data.scene import Scene
from models import create_model
from models.building import DOUBLE_TOLERANCE, generator_keywords
from models.networks import build_generator
from models.pasting import Pasting
from options.test_options import TestOptions
from test_insta_gan import gradients

BASELINES = ["cycle_gan", "cycle_gan_seg"]
FIXED = "--lr 0 --lr_D 0 --pool_size 0 --init_gain 0.3"
CPU = torch.device("cpu")


def step(model, scenes) -> tuple[dict, dict]:
    """Losses and gradients of one step at fixed weights."""
    model.step(scenes)
    return model.losses, gradients(model)


@pytest.mark.parametrize("name", BASELINES)
def test_a_batch_gives_the_mean_of_its_samples(name):
    paste = "--paste 1" if name == "cycle_gan_seg" else ""
    model = double_model(f"{FIXED} --model {name} {paste}")
    scenes = {"A": random_scene([1, 3], seed=1), "B": random_scene([2, 1], seed=2)}
    losses, grads = step(model, scenes)
    singles = [step(model, {d: s.select([i]) for d, s in scenes.items()}) for i in range(2)]
    assert set(losses) == set(model.loss_names)
    for key, loss in losses.items():
        assert torch.allclose(loss, (singles[0][0][key] + singles[1][0][key]) / 2, atol=1e-10)
    for key, gradient in grads.items():
        assert gradient.any() or key.endswith("bias"), key  # which a norm may take away
        assert torch.allclose(gradient, (singles[0][1][key] + singles[1][1][key]) / 2, atol=1e-10)


@pytest.mark.parametrize("name", BASELINES)
def test_swapping_the_domains_swaps_everything(name):
    def swap(word):
        return word.translate(str.maketrans("AB", "BA"))

    scenes = {"A": random_scene([1, 2], seed=1), "B": random_scene([3, 1], seed=2)}
    model, mirror = (double_model(f"{FIXED} --model {name}", seed) for seed in (0, 1))
    mirror.load_network_states({swap(n): state for n, state in model.network_states().items()})
    losses, _ = step(model, scenes)
    crossed, _ = step(mirror, {swap(d): scene for d, scene in scenes.items()})
    for key, loss in losses.items():
        assert torch.allclose(loss, crossed[swap(key)], atol=1e-10), key


def test_cycle_gan_does_not_look_at_masks():
    model = double_model(f"{FIXED} --model cycle_gan")
    with_masks, bare = random_scene([2, 0], seed=1), random_scene([2, 0], seed=1).slots(0, 0)
    other = random_scene([1, 1], seed=2)
    losses, grads = step(model, {"A": with_masks, "B": other})
    again, same = step(model, {"A": bare, "B": other.slots(0, 0)})
    for key, loss in losses.items():  # the picture without an instance takes part as well
        assert torch.equal(loss, again[key])
    for key, gradient in grads.items():
        assert torch.equal(gradient, same[key])
    assert model.translate(with_masks, "A").fakes[0].masks.shape[1] == 0


def test_cycle_gan_seg_sees_the_union_alone():
    model = double_model(f"{FIXED} --model cycle_gan_seg")
    scene, other = random_scene([3], seed=1), random_scene([2], seed=2)
    losses, _ = step(model, {"A": scene, "B": other})
    shuffled = scene.map(lambda t: t.flip(1) if t.shape[1] == 3 and t is not scene.image else t)
    again, _ = step(model, {"A": shuffled, "B": other})
    for key, loss in losses.items():
        assert torch.equal(loss, again[key])
    moved = model.translate(scene, "A")
    assert moved.fakes[0].masks.shape[1] == 1 and moved.fakes[0].numbers == [()]
    assert torch.equal(moved.real.union(), scene.union())


def test_cycle_gan_seg_leaves_a_picture_without_instances_alone():
    model = double_model(f"{FIXED} --model cycle_gan_seg")
    scenes = {"A": random_scene([0, 2], seed=1), "B": random_scene([1, 1], seed=2)}
    fake = model.translate(scenes["A"], "A").fakes[0]
    assert torch.equal(fake.image[0], scenes["A"].image[0])
    assert not torch.equal(fake.image[1], scenes["A"].image[1])


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("size", ["--ngf 64 --n_blocks 9", "--ngf 16 --n_blocks 3", "--ngf 24"])
def test_double_params_doubles_the_generator(name, size):
    counts = []
    for words in ("", "--double_params"):
        opt = train_options(f"--model {name} {size} {words}")
        with torch.device("meta"):
            network = build_generator(**generator_keywords(opt, int(name.endswith("seg"))))
        counts.append(sum(weight.numel() for weight in network.parameters()))
    assert abs(counts[1] / counts[0] / 2 - 1) <= DOUBLE_TOLERANCE


def test_a_width_that_cannot_be_doubled_is_one_line(run, capsys):
    with pytest.raises(SystemExit):
        run(train.main, "--model cycle_gan --ngf 1 --double_params --niter 1 --niter_decay 0")
    one_line_error(capsys, "--double_params", "--ngf 1", "larger")


def test_options_that_need_sets_of_masks_are_refused(run, capsys):
    for words, said in (
        ("--model cycle_gan --netG set", ["--netG set", "--model cycle_gan"]),
        ("--model cycle_gan_seg --dataset_mode unaligned", ["--dataset_mode", "unaligned_seg"]),
        ("--model cycle_gan --ins_per 1", ["--ins_per"]),
    ):
        with pytest.raises(SystemExit):
            run(train.main, words)
        one_line_error(capsys, *said)


def test_plain_folders_are_enough_for_cycle_gan(run, tmp_path, capsys):
    root = tmp_path / "plain"
    for folder in ("trainA", "trainB", "testA", "testB"):
        (root / folder).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (32, 32), (60 * i, 100, 200)).save(root / folder / f"{i}.png")
    words = "--name r --model cycle_gan --dataset_mode unaligned --niter 1 --niter_decay 0"
    run(train.main, f"{words} --double_params", dataroot=root)
    run(test_command.main, "--name r", dataroot=root)
    names = {path.name for path in Path("results/r/test_latest/images").iterdir()}
    expected = {f"{role}_img.png" for role in ("real_A", "fake_B", "rec_A", "real_B")}
    assert {f"0_{name}" for name in expected} <= names
    assert not any("seg" in name or "mask" in name for name in names)
    with pytest.raises(SystemExit):
        run(test_command.main, "--name r --composite", dataroot=root)
    one_line_error(capsys, "--composite", "cycle_gan")


# ---- weights of pytorch-CycleGAN-and-pix2pix


def pix2pix_generator(width: int = 4, n_blocks: int = 9) -> dict[str, torch.Tensor]:
    """A state with the names and shapes of its `resnet_9blocks` with instance norm."""
    state, inner = {}, 4 * width
    shapes = {1: (width, 3, 7), 4: (2 * width, width, 3), 7: (inner, 2 * width, 3)}
    up = 10 + n_blocks
    shapes |= {up: (inner, 2 * width, 3), up + 3: (2 * width, width, 3), up + 7: (3, width, 7)}
    for place, (first, second, side) in shapes.items():
        state[f"model.{place}.weight"] = torch.randn(first, second, side, side)
        out = second if place in (up, up + 3) else first  # transposed convolutions
        state[f"model.{place}.bias"] = torch.randn(out)
    for block in range(10, up):
        for place in (1, 5):
            state[f"model.{block}.conv_block.{place}.weight"] = torch.randn(inner, inner, 3, 3)
            state[f"model.{block}.conv_block.{place}.bias"] = torch.randn(inner)
    return state


def pix2pix_discriminator(width: int = 4) -> dict[str, torch.Tensor]:
    """A state with the names and shapes of its `basic` PatchGAN."""
    widths = {0: (width, 3), 2: (2 * width, width), 5: (4 * width, 2 * width)}
    widths |= {8: (8 * width, 4 * width), 11: (1, 8 * width)}
    return {
        key: value
        for place, (out, inside) in widths.items()
        for key, value in (
            (f"model.{place}.weight", torch.randn(out, inside, 4, 4)),
            (f"model.{place}.bias", torch.randn(out)),
        )
    }


def test_weights_of_pix2pix_code_load(run, capsys):
    """Translation with its generators alone, and training that goes on from all four networks."""
    folder = Path("checkpoints/r")
    folder.mkdir(parents=True)
    for letter in "AB":
        torch.save(pix2pix_generator(), folder / f"200_net_G_{letter}.pth")
        torch.save(pix2pix_discriminator(), folder / f"200_net_D_{letter}.pth")
    words = "--name r --model cycle_gan --dataset_mode unaligned --epoch 200"
    run(test_command.main, f"{words} --load_size 32 --crop_size 32")
    said = capsys.readouterr().out
    assert "ngf 4" in said and "n_blocks 9" in said
    assert Path("results/r/test_200/images/00000_fake_B_img.png").exists()

    more = f"{words} --continue_train --netG resnet_9blocks --netD basic --niter 1 --niter_decay 0"
    with pytest.raises(SystemExit):
        run(train.main, more)
    one_line_error(capsys, "200_net_D_A.pth", "--no_spectral_norm")
    run(train.main, f"{more} --no_spectral_norm")
    assert (folder / "latest_net_D_A.pth").exists()


def test_generator_of_pix2pix_code_computes_the_same():
    """Every layer named, as that code runs them, against ours with the same weights."""
    from torch.nn import functional as F

    state = {key: value * 0.1 for key, value in pix2pix_generator().items()}
    opt = train_options("--model cycle_gan --ngf 4 --netG resnet_9blocks")
    model = create_model(opt, CPU)
    model.load_network_states({"G_A": state})

    def conv(x, name, pad):
        x = F.pad(x, [pad] * 4, mode="reflect") if pad else x
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"])

    def down(x, name):
        return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2, padding=1)

    def up(x, name):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)

    def settle(x):
        return F.relu(F.instance_norm(x))

    image = random_scene([1]).image.float()
    x = settle(conv(image, "model.1", 3))
    x = settle(down(x, "model.4"))
    x = settle(down(x, "model.7"))
    for block in range(10, 19):
        y = settle(conv(x, f"model.{block}.conv_block.1", 1))
        x = x + F.instance_norm(conv(y, f"model.{block}.conv_block.5", 1))
    x = settle(up(x, "model.19"))
    x = settle(up(x, "model.22"))
    expected = torch.tanh(conv(x, "model.26", 3))
    empty = torch.empty(1, 0, 32, 32), torch.empty(1, 0, dtype=torch.bool)
    with torch.no_grad():
        assert torch.allclose(model.networks["G_A"](image, *empty)[0], expected, atol=1e-5)


# ---- composite


def test_composite_keeps_the_background_and_the_instances():
    source, fake = random_scene([1], 48, seed=1), random_scene([1], 48, seed=2)
    masks = -torch.ones(1, 1, 48, 48, dtype=torch.float64)
    masks[..., 20:28, 20:28] = 1
    source, fake = (scene.map(lambda t: masks if t.shape[1] == 1 and t.dim() == 4 else t) for scene in (source, fake))  # fmt: skip
    for feather in (0, 3):
        pasted = Pasting(feather).exactly(source, fake).image
        inside, far = (slice(20, 28),) * 2, slice(20 - 2 * feather)
        assert torch.equal(pasted[(..., *inside)], fake.image[(..., *inside)])
        assert torch.allclose(pasted[..., far, :], source.image[..., far, :], atol=1e-12)
        seam = pasted[..., 24, 19], fake.image[..., 24, 19], source.image[..., 24, 19]
        assert torch.allclose(seam[0], seam[2]) == (feather == 0)


def test_many_faint_masks_are_no_object():
    """Generators' masks are never quite -1, and twenty of them must not add up to an object."""
    source = random_scene([1], 48, seed=1)
    faint = torch.full((1, 20, 48, 48), -0.9, dtype=torch.float64)
    fake = Scene(-source.image, faint, torch.ones(1, 20, dtype=torch.bool))
    background = (source.masks < 0).expand_as(source.image)
    pasted = Pasting(0).exactly(source, fake).image
    assert torch.equal(pasted[background], source.image[background])


@pytest.mark.parametrize("name", ["insta_gan", "cycle_gan_seg"])
def test_composite_at_inference(run, name):
    run(train.main, f"--name r --model {name} --niter 1 --niter_decay 0")
    run(test_command.main, "--name r --results_dir plain")
    run(test_command.main, "--name r --results_dir pasted --composite 2")
    pictures = [Image.open(f"{kind}/r/test_latest/images/00000_fake_B_img.png") for kind in ("plain", "pasted")]  # fmt: skip
    assert pictures[0].tobytes() != pictures[1].tobytes()
    assert TestOptions().parse("--dataroot . --name r --composite".split()).composite == 4
