"""What all sources of annotated pictures share: geometry, choice, and how masks are encoded."""

import numpy as np
from annotated import rle

from datasets.making.annotations.regions import region_of, run_lengths
from datasets.making.sources import (
    BELOW_AREA,
    BEYOND_NUMBER,
    NO_PIXEL,
    Annotated,
    center_crop,
    choose,
    resize,
    split_components,
)


def test_a_resized_mask_keeps_its_area_and_place():
    mask = np.zeros((1, 90, 60), bool)
    mask[0, 20:50, 10:40] = True
    found = resize(Annotated(np.zeros((90, 60, 3), np.uint8), mask), (45, 30))
    expected = np.zeros((45, 30), bool)
    expected[10:25, 5:20] = True
    assert np.array_equal(found.masks[0], expected) and found.image.shape == (45, 30, 3)
    empty = resize(Annotated(np.zeros((90, 60, 3), np.uint8), mask[:0]), (45, 30))
    assert empty.masks.shape == (0, 45, 30)


def test_center_crop_takes_the_middle_and_repeats_the_border_where_it_must():
    pixels = np.arange(6 * 4 * 3, dtype=np.uint8).reshape(6, 4, 3)
    cut = center_crop(Annotated(pixels, np.ones((2, 6, 4), bool)), (4, 6))
    assert np.array_equal(cut.image[:, 1:5], pixels[1:5])
    assert np.array_equal(cut.image[:, 0], pixels[1:5, 0])
    assert not cut.masks[:, :, [0, 5]].any() and cut.masks[:, :, 1:5].all()


def test_choosing_instances_by_area_and_number():
    masks = np.zeros((4, 10, 10), bool)
    for i, area in enumerate([3, 0, 20, 8]):
        masks[i].reshape(-1)[:area] = True
    for arguments, areas, left_out in (
        ((0, None), [3, 20, 8], {NO_PIXEL: 1}),
        ((0.08, None), [20, 8], {NO_PIXEL: 1, BELOW_AREA: 1}),
        ((0, 2), [20, 8], {NO_PIXEL: 1, BEYOND_NUMBER: 1}),
    ):
        kept, counted = choose(masks, *arguments)
        assert [mask.sum() for mask in kept] == areas and counted == left_out
    assert choose(masks[1:2], 0, None)[0].shape == (0, 10, 10)


def test_components_touch_at_corners():
    mask = np.zeros((1, 5, 5), bool)
    mask[0, [0, 1, 4], [0, 1, 4]] = True
    assert [part.sum() for part in split_components(mask)] == [2, 1]


def test_run_lengths_are_those_of_pycocotools():
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 0.98):
        mask = rng.random((37, 53)) < share
        assert np.array_equal(region_of(rle(mask)).decode(mask.shape, mask.shape), mask)
        assert sum(run_lengths(rle(mask)["counts"].encode())) == mask.size


def test_several_rle_parts_are_one_instance():
    left, right = np.zeros((2, 32, 48), bool)
    left[3:9, 2:8], right[20:25, 30:40] = True, True
    region = region_of([rle(left), rle(right)])
    assert np.array_equal(region.decode(left.shape, left.shape), left | right)
