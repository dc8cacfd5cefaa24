"""Masks that are linked and smoothed over time, and how much they flicker."""

import pickle

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter, shift

from translation.flicker import Flicker, ShapeFlicker, change, shape_change
from translation.tracks import WAIT, Region, Tracker, iou

SIDE = 64


def disk(y: float, x: float, radius: float = 9) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.hypot(rows - y, columns - x) < radius


def alike(one: np.ndarray, other: np.ndarray) -> float:
    return iou(Region(one), Region(other))


def noisy(mask: np.ndarray, rng) -> np.ndarray:
    """A mask whose outline is off by some pixels, elsewhere in every frame."""
    distance = distance_transform_edt(mask) - distance_transform_edt(~mask)
    waves = gaussian_filter(rng.standard_normal(mask.shape), 1.5)
    return distance + 1.5 * waves / waves.std() > 0


# ---- tracks


def test_numbers_do_not_depend_on_the_order_of_masks():
    rng, numbers = np.random.default_rng(0), []
    tracker = Tracker()
    for t in range(10):
        masks = [disk(15, 12 + 2 * t, 9), disk(40 + t, 15, 7), disk(30, 50 - t, 5)]
        order = rng.permutation(3)
        linked = tracker.step([masks[i] for i in order])
        assert list(linked.masks) == [0, 1, 2]  # the largest of the first frame first
        numbers.append([np.array_equal(linked.masks[i], masks[i]) for i in range(3)])
    assert np.all(numbers)


@pytest.mark.parametrize("gap", [0, 3, 8])
def test_two_that_cross_keep_their_numbers(gap):
    tracker = Tracker()
    for t in range(24):
        left, right = disk(30, 10 + 2 * t), disk(30 + gap, 56 - 2 * t)
        linked = tracker.step([left, right] if t % 3 else [right, left])
        if not t:
            first = next(n for n, mask in linked.found.items() if np.array_equal(mask, left))
    assert tracker.count == 2
    assert np.array_equal(linked.masks[first], left)


def test_a_missed_detection_does_not_blink_and_changes_no_number():
    tracker = Tracker()
    for t in range(12):
        moving, still = disk(20, 12 + 3 * t), disk(50, 30, 8)
        linked = tracker.step([still] if t in (5, 6) else [moving, still])
        assert list(linked.masks) == [0, 1]
        assert alike(linked.masks[0], moving) > 0.85
    assert tracker.count == 2


@pytest.mark.parametrize("missed,count", [(1, 1), (WAIT, 1), (WAIT + 1, 2)])
def test_tracks_wait_a_while(missed, count):
    tracker = Tracker()
    for there in [True] * 3 + [False] * missed + [True]:
        tracker.step([disk(30, 30)] if there else [])
    assert tracker.count == count


def test_what_was_found_once_is_not_held_and_an_empty_mask_is_none():
    tracker = Tracker()
    assert list(tracker.step([disk(30, 30), np.zeros((SIDE, SIDE), bool)]).masks) == [0]
    assert not tracker.step([]).masks
    assert tracker.step([]).stacked((5, 7)).shape == (0, 5, 7)


def test_without_smoothing_masks_stay_and_with_it_perfect_ones_do():
    rng = np.random.default_rng(0)
    plain, smooth = Tracker(0), Tracker(0.7)
    for t in range(12):
        true = disk(20 + 1.3 * t, 20 + 2 * t)
        rough = noisy(true, rng)
        assert np.array_equal(plain.step([rough]).masks[0], rough)
        assert alike(smooth.step([true]).masks[0], true) > 0.97


@pytest.mark.parametrize("velocity", [(0, 0), (1.3, 0.7), (-1, 1.9)])
def test_smoothing_lowers_flicker_and_does_not_lag(velocity):
    rng = np.random.default_rng(1)
    flicker, likeness = {}, {}
    masks = [
        disk(20 + 24 * (velocity[0] < 0) + velocity[0] * t, 14 + velocity[1] * t) for t in range(20)
    ]
    rough = [noisy(mask, rng) for mask in masks]
    for share in (0, 0.3, 0.6, 0.9):
        tracker, score = Tracker(share), ShapeFlicker()
        own = [tracker.step([mask]).masks[0] for mask in rough]
        for mask in own:
            score.add({0: mask})
        flicker[share] = score.score
        likeness[share] = np.mean([alike(a, b) for a, b in zip(own, masks, strict=True)])
    assert flicker[0] > 1.15 * flicker[0.3] > 1.35 * flicker[0.6] > 1.4 * flicker[0.9]
    assert likeness[0] + 0.01 < likeness[0.3] < likeness[0.6] < likeness[0.9] + 0.03


def test_smoothing_follows_what_comes_into_the_frame():
    tracker = Tracker(0.9)
    for t in range(12):
        linked = tracker.step([true := disk(30, -4 + 2 * t)])
        assert alike(linked.masks[0], true) > 0.95, t


# ---- flicker


def test_what_is_still_or_moves_without_changing_does_not_flicker():
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    score = Flicker()
    for t in range(4):
        masks = {0: disk(30, 20 + 3 * t)}
        score.add(picture, picture, dict.fromkeys(("found", "smoothed", "translated"), masks))
    assert set(score.scores()) == {"source", "output", "found", "smoothed", "translated"}
    assert not any(score.scores().values())


def test_flicker_is_counted_where_it_is():
    black = np.zeros((SIDE, SIDE, 3), np.uint8)
    mask = disk(30, 30)
    inside, outside = black.copy(), black.copy()
    inside[mask], outside[~mask] = 200, 10
    assert change(black, inside, mask) == 0 and change(black, outside, mask) == 10
    assert change(black, outside, np.ones((SIDE, SIDE), bool)) is None
    assert shape_change(disk(30, 20), disk(30, 40)) == 0
    assert 0.5 < shape_change(disk(30, 20, 5), disk(30, 40, 10)) < 0.9
    blinking = ShapeFlicker()
    for masks in ({0: mask}, {0: mask}, {}, {0: mask}, {0: mask}):
        blinking.add(masks)
    assert blinking.score == 0.5  # still, away, back, still
    assert ShapeFlicker().score is None and Flicker().scores() == {}


@pytest.mark.parametrize("radii", [(10, 5), (5, 10), (9, 9)])
@pytest.mark.parametrize("way", [(0, 0), (0, 22), (-13, 17)])
def test_nothing_is_cut_off_from_a_shape_that_is_moved(radii, way):
    before, after = disk(34, 16, radii[0]), disk(34 + way[0], 16 + way[1], radii[1])
    motion = np.subtract(Region(after).centroid, Region(before).centroid)
    whole = shift(before.astype(np.float32), motion, order=1) > 0.5
    assert shape_change(before, after) == 1 - alike(whole, after)


def test_what_is_kept_does_not_grow_with_the_video():
    score, picture, sizes = Flicker(), np.zeros((SIDE, SIDE, 3), np.uint8), []
    for t in range(200):
        score.add(picture, picture, {"found": {t // 2: disk(30, 30)}})
        sizes.append(len(pickle.dumps(score)))
    assert sizes[199] - sizes[19] < SIDE * SIDE  # not even by one mask
