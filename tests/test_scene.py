"""The batch type and the pool of past fakes."""

import torch

from conftest import random_scene
from data.scene import Scene
from models.image_pool import ImagePool


def test_cat_pads_and_split_undoes_it():
    scenes = [random_scene([2]), random_scene([0, 3])]
    joined = Scene.cat(scenes)
    assert joined.masks.shape == (3, 3, 32, 32)
    assert joined.present.tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]
    assert (joined.masks[~joined.present] == -1).all()
    assert joined.names == ["picture0", "picture0", "picture1"]
    assert Scene.cat(joined.split()).numbers == [(0, 1), (), (0, 1, 2)]


def test_select_and_slots():
    scene = random_scene([2, 3, 1])
    chosen = scene.select([2, 0]).slots(1, 3)
    assert torch.equal(chosen.image, scene.image[[2, 0]])
    assert torch.equal(chosen.masks, scene.masks[[2, 0], 1:3])
    assert chosen.numbers == [(), (1,)]
    assert scene.select(range(3)) is scene


def test_union():
    scene = random_scene([2])
    assert torch.equal(scene.union()[0, 0] > 0.5, (scene.masks[0] > 0).any(0))
    assert scene.union().max() == 1


def test_pool_fills_then_exchanges_half():
    pool = ImagePool(50, seed=0)
    assert pool.query(list(range(50))) == list(range(50))
    returned = pool.query(list(range(50, 1050)))
    old = [new for new, got in zip(range(50, 1050), returned, strict=True) if got != new]
    assert 430 < len(old) < 570
    assert all(got <= new for new, got in zip(range(50, 1050), returned, strict=True))
    assert sorted(returned + pool.items) == list(range(1050))  # nothing is lost or doubled


def test_pool_of_zero_passes_through_and_state_repeats():
    assert ImagePool(0, seed=0).query([1, 2]) == [1, 2]
    pool, twin = ImagePool(2, seed=0), ImagePool(2, seed=9)
    pool.query([1, 2, 3])
    twin.load_state_dict(pool.state_dict())
    twin.items = list(twin.items)
    assert pool.query([4, 5, 6, 7]) == twin.query([4, 5, 6, 7])
