"""Yardsticks against hand-made cases and independent computations."""

import numpy as np
import pytest
import torch

from metrics.background import Background, background_l1, background_psnr, background_ssim
from metrics.detection import Detection, Detections, match, match_scores, pooled_scores
from metrics.detectors import ShapeDetector
from metrics.masks import Masks, iou, mask_scores
from metrics.pair import Pair
from metrics.statistics import bootstrap_interval, mean, over_runs, values_of


def square(top: int, left: int, side: int, size: int = 16) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def pair_of(image, translated, masks, new, **more) -> Pair:
    any_new = None if new is None else new.any(0)
    given = {"translated_foreground": any_new} | more
    return Pair("p", "A", image, translated, masks, new, masks.any(0), **given)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


# ---- background


def test_l1_and_psnr_by_hand():
    image = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    other = image.clone()
    other[0, :, :2] += 30  # half of the picture
    other[1, :, 0] += 200  # outside of what is counted
    where = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    where[1, :, 0] = False
    assert background_l1(image, other, where).tolist() == [15, 0]
    psnr = background_psnr(image, other, where)
    assert psnr[0].item() == pytest.approx(10 * np.log10(255**2 / 450)) and psnr[1] == 100
    nowhere = background_l1(image, other, torch.zeros_like(where))
    assert nowhere.isnan().all()


@pytest.mark.parametrize("size", [(24, 31), (48, 48)])
def test_ssim_is_that_of_torchmetrics(size):
    library = pytest.importorskip("torchmetrics.functional.image")
    image, other = noise(2, 3, *size), noise(2, 3, *size, seed=1)
    other[1] = (image[1].int() + other[1].int()) // 2
    where = torch.ones(2, 1, *size, dtype=torch.bool)
    ours = background_ssim(image, other, where)
    for i in range(2):
        pictures = (x[i : i + 1].double() for x in (image, other))
        theirs = library.structural_similarity_index_measure(*pictures, data_range=255.0)
        assert ours[i].item() == pytest.approx(theirs.item(), abs=1e-6)


def test_ssim_does_not_see_what_changed_on_the_instances():
    image = noise(1, 3, 40, 40)
    where = ~torch.from_numpy(square(15, 15, 10, 40))[None, None]
    other = torch.where(where, image, 255 - image)
    assert background_ssim(image, other, where).item() == pytest.approx(1)
    elsewhere = torch.where(where, 255 - image, image)
    assert background_ssim(image, elsewhere, where).item() < 0.5
    small = noise(1, 3, 7, 6)  # the window shrinks with the picture
    everywhere = torch.ones(1, 1, 7, 6, dtype=torch.bool)
    assert background_ssim(small, small, everywhere).item() == pytest.approx(1)


def test_pairs_of_several_sizes_in_one_batch_and_no_background():
    pairs = []
    for size in (16, 24, 16):
        image = noise(size, size, 3, seed=size).numpy()
        translated = image // 2
        pairs.append(
            pair_of(image, translated, square(2, 2, 4, size)[None], square(2, 2, 6, size)[None])
        )
    full = np.ones((1, 16, 16), bool)
    pairs.append(pair_of(pairs[0].image, pairs[0].translated, full, full))
    rows = Background().pictures(pairs)
    assert rows[0] == rows[2] != rows[1] and set(rows[3].values()) == {None}
    outside = ~square(2, 2, 6, 24)
    change = np.abs(pairs[1].image.astype(int) - pairs[1].translated)[outside].mean()
    assert rows[1]["background_l1"] == pytest.approx(change)
    assert Background().pictures(pairs[1:2]) == rows[1:2]


# ---- masks


def test_mask_scores_by_hand():
    masks = np.stack([square(0, 0, 4), square(8, 8, 4)])
    moved = np.stack([square(0, 2, 4), np.zeros((16, 16), bool)])
    scores = mask_scores(masks, moved)
    assert scores["mask_kept"] == [True, False] and scores["mask_area_ratio"] == [1, 0]
    assert scores["mask_iou"] == [pytest.approx(8 / 24), 0]
    assert not scores["all_empty"] and not scores["all_full"]
    assert mask_scores(masks, moved & ~moved)["all_empty"]
    assert mask_scores(masks, ~(moved & ~moved))["all_full"]
    assert iou(moved[1], moved[1]) == 0


def test_masks_of_a_model_that_tells_no_instances_apart():
    image, masks = np.zeros((16, 16, 3), np.uint8), np.stack([square(0, 0, 4), square(8, 8, 4)])
    seg = pair_of(
        image, image, masks, None, translated_foreground=square(0, 0, 4), told_apart=False
    )
    bare = pair_of(image, image, masks, None)
    scores, nothing = Masks().pictures([seg, bare])
    assert scores["union_area_ratio"] == scores["union_iou"] == 0.5
    assert not {"mask_kept", "mask_iou", "mask_area_ratio", "all_full"} & scores.keys()
    assert scores["union_full"] is False and nothing == {}


# ---- detection


def test_matching_is_greedy_and_one_to_one():
    overlap = np.array([[0.9, 0.8], [0.85, 0.6], [0.4, 0.3]])
    assert match(overlap) == [(0, 0), (1, 1)]
    assert match(overlap, 0.2) == [(0, 0), (1, 1)]  # two detections, so at most two
    assert match(np.zeros((2, 0))) == match(np.full((2, 2), 0.49)) == []


def test_detection_scores_by_hand():
    """Perfect, half matched, two masks for one detection, nothing found, an empty mask."""
    scores = np.array([0.8, 0.6])
    assert match_scores(np.eye(2), scores) == pytest.approx((1, 0.7, 1))
    assert match_scores(np.array([[1, 0], [0, 0.2]]), scores) == pytest.approx((0.5, 0.8, 1))
    assert match_scores(np.array([[0.9], [0.7]]), scores[:1]) == pytest.approx((0.5, 0.8, 0.9))
    assert match_scores(np.zeros((3, 0)), scores[:0]) == (0, 0, 0)
    pooled = pooled_scores(np.array([[0.9, 0.1], [0.7, 0.2], [0, 0]]), scores)
    assert pooled == [(1, 0.8, 0.9), (1, 0.8, 0.7), (0, 0, 0)]
    assert pooled_scores(np.zeros((2, 0)), scores[:0]) == [(0, 0, 0)] * 2


def test_detection_over_pictures():
    masks = np.stack([square(0, 0, 4), square(8, 8, 4)])
    image = np.zeros((16, 16, 3), np.uint8)
    pairs = [
        pair_of(image, image, masks, masks),
        pair_of(image, image, masks, np.stack([masks[0], masks[1] & ~masks[1]])),
        # without an instance, or with masks that do not pair up: not counted
        pair_of(image, image, masks[:0], None, translated_foreground=square(0, 0, 0)),
        pair_of(image, image, masks, None, translated_foreground=masks[0]),
    ]

    def detector(there, category):
        return [Detections(masks, np.array([0.5, 0.9])) for _ in there]

    detection = Detection(detector, "x", "here")
    rows = detection.pictures(pairs)
    assert rows == [
        {"mmr": 100, "mods": pytest.approx(70), "mvis": 100},
        {"mmr": 50, "mods": 50, "mvis": 100},
        {},
        {},
    ]
    pooled = detection.whole()
    assert pooled["mmr_pooled"].value == 75 and pooled["mmr_pooled"].count == 4
    assert pooled["mods_pooled"].value == pytest.approx(100 * (0.5 + 0.9 + 0.5) / 4)


def test_the_exact_detector_tells_shapes_apart():
    from datasets.making.drawing import signed_distance

    drawn = [("disk", 12, 12), ("triangle", 36, 34)]
    masks = np.stack(
        [signed_distance({"shape": k, "x": x, "y": y, "radius": 7}, 48) < 0 for k, x, y in drawn]
    )
    image = np.full((48, 48, 3), 100, np.uint8)
    picture = image.copy()
    picture[masks.any(0)] = (255, 0, 0)
    pair = pair_of(image, picture, masks, masks)
    detector = ShapeDetector(lambda pair: image)
    for i, (kind, *_) in enumerate(drawn):
        (found,) = detector([pair], kind)
        assert np.array_equal(found.masks, masks[i : i + 1]) and found.scores[0] > 0.9
    assert len(detector([pair_of(image, image, masks, masks)], "disk")[0].masks) == 0


# ---- statistics


def test_intervals_hold_the_mean_and_repeat():
    rows = [[x] for x in np.random.default_rng(1).normal(5, 1, 100)]
    low, high = bootstrap_interval(rows)
    assert low < mean(rows) < high and 0.2 < high - low < 0.6
    assert bootstrap_interval(rows) == (low, high)
    assert bootstrap_interval([]) is None and mean([]) is None


def test_instances_of_a_picture_are_drawn_together():
    """Ten copies of an instance in each picture tell no more than one: the interval stays."""
    values = list(np.random.default_rng(2).integers(0, 2, 60))
    assert bootstrap_interval([[v] for v in values]) == bootstrap_interval(
        [[v] * 10 for v in values]
    )


def test_values_of_pictures_and_of_instances():
    assert values_of([1, None, True, [False, 2.5], []]) == [[1], [1], [0, 2.5]]


def test_over_runs_by_hand():
    runs = [{"a": 1.0, "b": None}, {"a": 3.0, "b": 2.0}, {"a": 5.0}]
    assert over_runs(runs) == {"a": (3, 2, 3), "b": (2, None, 1)}
