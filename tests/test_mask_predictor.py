"""The mask predictor: what is learnt, how instances are told apart, and how they are scored."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import evaluate
import train
from conftest import random_scene, refused, tiny_options
from data.scene import Scene
from metrics.instances import Instances
from metrics.pair import Pair
from models import create_model
from models.instances import Seen, found, wanted
from models.jitter import jittered
from options.test_options import TestOptions
from options.train_options import TrainOptions
from scripts import export

PREDICTOR = "--model mask_predictor"


def disks(*places: tuple[float, float, float], size: int = 48) -> torch.Tensor:
    """Masks of disks (row, column, radius), bool [1, N, size, size]; later ones lie above."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    masks = [(y - row) ** 2 + (x - column) ** 2 <= radius**2 for row, column, radius in places]
    return torch.stack(masks)[None]


def said(masks: torch.Tensor, noise: float = 0.0) -> Seen:
    """What a network would say that knows these masks, up to noise in its ways, in pixels."""
    goal = wanted(masks)
    generator = torch.Generator().manual_seed(0)
    error = noise * torch.randn(goal.to.shape, generator=generator)
    return Seen(10 * (2 * goal.object - 1), goal.to + error, goal.size)


def overlap(mask: torch.Tensor, other: torch.Tensor) -> float:
    return ((mask & other).sum() / (mask | other).sum()).item()


def model_of(words: str = ""):
    argv = [*tiny_options(PREDICTOR), *f"{PREDICTOR} {words}".split()]
    torch.manual_seed(0)
    return create_model(TrainOptions().parse(["--dataroot", ".", *argv]), torch.device("cpu"))


# ---- instances from what is seen


@pytest.mark.parametrize(
    "masks",
    [
        disks((12, 12, 6), (34, 30, 9)),
        disks((20, 14, 8), (20, 31, 8)),  # touching
        disks((8, 8, 4), (8, 40, 4), (40, 8, 4), (40, 40, 4), (24, 24, 9)),
        disks((24, 24, 3)),
        disks((20, 16, 9), (24, 26, 8)),  # one in front of the other, both masks whole
        disks((24, 24, 12), (22, 22, 5)),
    ],
)
def test_what_is_said_of_masks_gives_them_back(masks):
    for noise in (0.0, 0.7):
        result = found(said(masks, noise), most=8)
        count = masks.shape[1]
        assert (result.scores > 0).sum() == count
        assert (result.scores.diff() <= 0).all() and result.scores.max() <= 1
        assert torch.equal(result.masks.any(1), masks.any(1))
        for mask in masks[0]:
            assert max(overlap(mask, own) for own in result.masks[0]) > 0.9
            if not noise:
                assert any(torch.equal(mask, own) for own in result.masks[0])


def test_an_object_in_two_parts_is_one_instance():
    first, second = disks((24, 10, 5), (24, 38, 5))[0]
    result = found(said((first | second)[None, None]), most=4)
    assert (result.scores > 0).sum() == 1
    assert torch.equal(result.masks[0, 0], first | second)


def test_most_instances_and_none():
    masks = disks((12, 12, 6), (34, 30, 9))
    assert found(said(masks), most=1).masks.shape == (1, 1, 48, 48)
    nothing = found(said(masks & False), most=3)
    assert not nothing.masks.any() and not nothing.scores.any()
    assert not wanted(masks[:, :0]).object.any()


def test_a_pixel_of_two_masks_says_so_of_both():
    large, small = disks((24, 18, 12), (24, 32, 7))[0]
    goal = wanted(torch.stack([large, small])[None])
    (near, far), (first, second) = goal.size[0], goal.object[0] > 0
    assert torch.equal(first, large | small) and torch.equal(second, large & small)
    sizes = [mask.sum().sqrt().item() for mask in (large, small)]
    assert near[large & ~small].unique().tolist() == sizes[:1]
    assert near[small & ~large].unique().tolist() == sizes[1:]
    assert near[second].unique().numel() == 2 and ((near + far)[second] == sum(sizes)).all()


def test_the_order_of_masks_and_absent_ones_change_nothing():
    masks = disks((12, 12, 6), (34, 30, 9), (30, 10, 4))
    padded = torch.cat([masks.flip(1), masks[:, :1] & False], 1)
    one, other = wanted(masks), wanted(padded)
    inside = one.object > 0
    assert torch.equal(one.object, other.object)
    assert torch.equal(one.size[inside], other.size[inside])
    assert torch.equal(one.to.movedim(1, -1)[inside], other.to.movedim(1, -1)[inside])


# ---- the model


def test_batch_is_the_mean_of_single_pictures():
    model = model_of("--scale_jitter 0 --color_jitter 0")
    for network in model.networks.values():
        network.double()
    both = {"A": random_scene([2, 0]), "B": random_scene([1, 3], seed=1)}

    def losses(scenes) -> dict[str, torch.Tensor]:
        return model.predictor_losses(scenes)[0]

    batch = losses(both)
    singles = [losses({d: x.select([i]) for d, x in both.items()}) for i in range(2)]
    for name, values in batch.items():
        expected = torch.cat([one[name] for one in singles])
        torch.testing.assert_close(values, expected, rtol=1e-9, atol=1e-12)


def test_jitter_moves_masks_with_their_picture():
    """A picture that is bright where its mask is stays so."""
    scene = random_scene([1, 1, 1, 1], size=48)
    scene = Scene(scene.masks.repeat(1, 3, 1, 1).float(), scene.masks.float(), scene.present)
    torch.manual_seed(0)
    moved = jittered(scene, scale=0.5, color=0.0)
    assert not torch.equal(moved.masks, scene.masks)
    agree = ((moved.image[:, :1] > 0) == (moved.masks > 0)).float().mean()
    assert agree > 0.99
    assert jittered(scene, 0, 0) is scene
    coloured = jittered(scene, scale=0, color=0.2)
    assert torch.equal(coloured.masks, scene.masks) and coloured.image.abs().max() <= 1


def test_it_learns_to_find_instances(run):
    """From a training of seconds: most instances are found, and the page has their scores."""
    run(train.main, f"--name m {PREDICTOR} --ngf 8 --niter 40 --niter_decay 40 --no_html")
    run(evaluate.main, "--name m")
    folder = Path("results/m/test_latest")
    scores = json.loads((folder / "metrics.json").read_text())
    assert {*scores} == {"AtoA", "BtoB"}
    for own in scores.values():
        assert own["foreground_iou"] > 0.5 and 0 <= own["instance_ap"] <= own["instance_ap50"] <= 1
    listing = json.loads((folder / "results.json").read_text())
    picture = listing["pictures"][0]
    count = sum(name.startswith("fake_A_mask_") for name in picture["masks"])
    assert count == sum(score > 0 for score in picture["numbers"]["scores"])


def test_it_is_exported(run):
    """As ONNX and torch.export; both are compared with the network, at several sizes."""
    run(train.main, f"--name m {PREDICTOR} --ngf 8 --niter 4 --niter_decay 0 --no_html")
    export.main(["--name", "m", "--direction", "BtoB", "--masks", "3"])
    assert {path.name for path in Path("exported").iterdir()} == {"m_BtoB.onnx", "m_BtoB.pt2"}


def test_sizes_and_instances_that_are_not_typed(run):
    """The documented command needs no sizes; a run's own --ins_max stays in a test."""
    argv = ["--dataroot", ".", *PREDICTOR.split()]
    opt = TrainOptions().parse(argv)
    assert (opt.fineSizeH, opt.loadSizeW, opt.ins_max, opt.no_mask) == (192, 212, 20, "keep")
    words = f"--name m {PREDICTOR} --ngf 8 --niter 1 --niter_decay 0 --no_html"
    run(train.main, f"{words} --ins_max 31 --no_mask error")
    tested = TestOptions().parse(["--dataroot", ".", "--phase", "x", "--name", "m"])
    assert (tested.ins_max, tested.no_mask, tested.fineSizeH) == (31, "error", 32)


def test_objects_at_the_border_keep_their_centre():
    """What comes into a picture that is made smaller is no part of them."""
    mask = torch.full((64, 1, 48, 48), -1.0)
    mask[:, :, 18:30, 38:] = 1.0
    scene = Scene(mask.repeat(1, 3, 1, 1), mask, torch.ones(64, 1, dtype=torch.bool))
    torch.manual_seed(0)
    moved = jittered(scene, scale=0.5, color=0.0).masks > 0
    across = moved.any(2).sum(-1)  # columns of each object
    down = moved.any(3).sum(-1)
    assert (across <= down + 1).all()


def test_wrong_options_are_one_line(run, capsys):
    for words, told in (
        ("--scale_jitter 9", "--scale_jitter"),
        ("--dataset_mode unaligned", "unaligned_seg"),
        ("--ngf 0", "--ngf"),
    ):
        refused(capsys, lambda words=words: run(train.main, f"{PREDICTOR} {words}"), told)


# ---- scores


def pair_of(given: np.ndarray, guess: np.ndarray, scores: list[float]) -> Pair:
    image = np.zeros((*given.shape[1:], 3), np.uint8)
    own = guess.any(0) if len(guess) else np.zeros(given.shape[1:], bool)
    about = {"found": guess, "numbers": {"scores": scores}}
    return Pair("p", "A", image, image, given, None, given.any(0), own, **about)


def test_precision_counts_instances_not_pixels():
    masks = disks((12, 12, 6), (34, 30, 9))[0].numpy()
    perfect, merged, sure = Instances(), Instances(), Instances()
    (values,) = perfect.pictures([pair_of(masks, masks[::-1], [0.9, 0.8])])
    assert values == {"foreground_iou": 1.0} and perfect.whole()["instance_ap"].value == 1
    (values,) = merged.pictures([pair_of(masks, masks.any(0)[None], [0.9])])
    assert values == {"foreground_iou": 1.0}
    assert merged.whole()["instance_ap50"].value < 0.51
    wrong = np.roll(masks[:1], 20, 1)
    scores = {}
    for name, order in (("first", [0.9, 0.8, 0.7]), ("last", [0.1, 0.8, 0.7])):
        sure = Instances()
        sure.pictures([pair_of(masks, np.concatenate([wrong, masks]), order)])
        scores[name] = sure.whole()["instance_ap50"].value
    assert scores["last"] == 1 > scores["first"]


def test_nothing_found_has_no_precision():
    masks = disks((12, 12, 6))[0].numpy()
    metric = Instances()
    (values,) = metric.pictures([pair_of(masks, masks[:0], [])])
    assert values == {"foreground_iou": 0.0} and metric.whole()["instance_ap"].value == 0
    assert Instances().whole() == {}
