"""The shapes dataset and its yardsticks."""

import json

import numpy as np
import pytest
from PIL import Image

from conftest import one_line_error
from datasets import generate_shapes_dataset as generator
from metrics.shapes import (
    Scores,
    bootstrap_interval,
    box_iou,
    ideal_shape,
    iou,
    score_picture,
    shape_success,
)


def files(root) -> dict[str, bytes]:
    return {
        str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()
    }


def mask_of(kind: str, x: float, y: float, radius: float, size: int = 64) -> np.ndarray:
    return generator.signed_distance({"shape": kind, "x": x, "y": y, "radius": radius}, size) < 0


def test_the_same_bytes_every_time_and_others_for_another_seed(tmp_path):
    words = ["--size", "32", "--train", "3", "--test", "2", "--max_instances", "3"]
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        generator.main(["--save_root", str(tmp_path / name), "--seed", seed, *words])
    assert files(tmp_path / "a") == files(tmp_path / "b") != files(tmp_path / "c")
    generator.main(["--save_root", str(tmp_path / "c"), *words])  # written over
    assert files(tmp_path / "a") == files(tmp_path / "c")


@pytest.mark.parametrize("palette", ["domain", "shared"])
def test_pictures_backgrounds_masks_and_geometry_agree(tmp_path, palette):
    words = f"--size 40 --train 30 --test 1 --max_instances 3 --palette {palette}".split()
    generator.main(["--save_root", str(tmp_path), *words])
    counts = set()
    for domain, kind in (("A", "disk"), ("B", "triangle")):
        geometry = json.loads((tmp_path / f"train{domain}_geometry.json").read_text())
        assert len(geometry) == 30
        for stem, shapes in geometry.items():
            counts.add(len(shapes))
            picture = np.array(Image.open(tmp_path / f"train{domain}/{stem}.png")).astype(int)
            clean = np.array(Image.open(tmp_path / f"train{domain}_background/{stem}.png"))
            masks = [
                np.array(Image.open(tmp_path / f"train{domain}_seg/{stem}_{i}.png")) > 127
                for i in range(len(shapes))
            ]
            for shape, mask in zip(shapes, masks, strict=True):
                assert shape["shape"] == kind
                assert abs(mask.sum() - np.pi * shape["radius"] ** 2) < 0.15 * mask.sum()
                assert iou(mask, ideal_shape(mask, kind)) > 0.85  # whole, also where covered
            changed = np.abs(picture - clean).max(-1)
            distances = np.array([generator.signed_distance(shape, 40) for shape in shapes])
            sharp = (np.abs(distances) > 1).all(0)  # away from the soft edges
            inside = (distances < 0).any(0)
            assert changed[sharp & inside].min() > 48  # every colour contrasts
            assert changed[sharp & ~inside].max() == 0
    assert counts == {1, 2, 3}


def test_domains_have_their_own_colours_only_with_the_domain_palette(tmp_path):
    def red_minus_blue(root, domain):
        shapes = json.loads((root / f"train{domain}_geometry.json").read_text()).values()
        colors = [generator.saturated(s["rim_hue"]) for picture in shapes for s in picture]
        return [red - blue for red, _, blue in colors]

    for palette in ("domain", "shared"):
        root = tmp_path / palette
        generator.main(
            f"--save_root {root} --size 32 --train 30 --test 1 --palette {palette}".split()
        )
        reds, blues = red_minus_blue(root, "A"), red_minus_blue(root, "B")
        assert (min(reds) > 0 > max(blues)) == (palette == "domain")


def test_a_constant_picture_fails_the_background(tmp_path):
    generator.main(["--save_root", str(tmp_path), "--train", "1", "--test", "60"])
    for domain in "AB":
        pictures = [
            np.array(Image.open(p)).astype(float)
            for p in (tmp_path / f"test{domain}_background").iterdir()
        ]
        texture = np.mean([p.mean(-1).std() for p in pictures])
        assert 8 < texture < 12
        constant = np.mean(pictures, (0, 1, 2))
        assert np.mean([np.abs(p - constant).mean() for p in pictures]) > 30


def test_mistakes_end_with_one_line(tmp_path, capsys):
    (tmp_path / "trainA").mkdir()  # somebody else's dataset
    for words, said in (
        (["--size", "8"], "--size 8"),
        (["--sise", "8"], "did you mean --size?"),
        (["--save_root", str(tmp_path)], "holds another dataset"),
    ):
        with pytest.raises(SystemExit) as stop:
            generator.main(words)
        assert stop.value.code == 2
        one_line_error(capsys, said)
    assert list(tmp_path.iterdir()) == [tmp_path / "trainA"]


# ---- yardsticks


def test_iou_and_boxes_by_hand():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    a[:2, :2] = b[1:3, :2] = True
    assert iou(a, b) == pytest.approx(2 / 6) and box_iou(a, b) == pytest.approx(2 / 6)
    assert iou(a, a) == box_iou(a, a) == 1
    assert iou(a, ~a) == 0 and box_iou(a, np.zeros_like(a)) == 0 and iou(a & b & ~a, a & ~a) == 0


@pytest.mark.parametrize("kind,other", [("disk", "triangle"), ("triangle", "disk")])
def test_ideal_shapes_recognise_their_own(kind, other):
    mask = mask_of(kind, 30.3, 33.7, 12)
    assert iou(mask, ideal_shape(mask, kind)) > 0.95
    assert iou(mask, ideal_shape(mask, other)) < 0.75
    assert shape_success(mask, mask, kind)[1] == 1


def test_a_success_needs_shape_and_place():
    source, away = mask_of("disk", 20, 20, 8), mask_of("triangle", 50, 50, 8)
    here, empty = mask_of("triangle", 20, 20, 8), np.zeros((64, 64), bool)
    image = np.zeros((64, 64, 3), np.uint8)

    def success(translated):
        scores = score_picture(image, image, image, source[None], translated[None], "triangle")
        return scores["mask_shape_success"]

    assert success(here) == [True]
    assert success(away) == success(empty) == success(source) == [False]


def test_picture_scores_by_hand():
    background = np.full((64, 64, 3), 100, np.uint8)
    source, fake = mask_of("disk", 20, 20, 8), mask_of("triangle", 20, 20, 8)
    image, translated = background.copy(), background.copy()
    image[source] = (255, 0, 0)
    translated[fake] = (0, 0, 255)
    perfect = score_picture(image, translated, background, source[None], fake[None], "triangle")
    assert perfect["image_mask_iou"] == 1 and perfect["background_l1"] == 0
    shifted = np.where(fake[..., None], translated, translated + 30).astype(np.uint8)
    assert score_picture(image, shifted, background, source[None], fake[None], "triangle")[
        "background_l1"
    ] == pytest.approx(30)
    faint = background.copy()
    faint[fake] = 148  # differs by 48, not by more
    scores = score_picture(image, faint, background, source[None], fake[None], "triangle")
    assert scores["image_mask_iou"] == 0


def test_intervals_hold_the_mean_and_repeat():
    values = list(np.random.default_rng(1).normal(5, 1, 100))
    low, high = bootstrap_interval(values)
    assert low < np.mean(values) < high and 0.2 < high - low < 0.6
    assert bootstrap_interval(values) == (low, high)


def test_a_mask_over_everything_leaves_no_background():
    image = np.zeros((8, 8, 3), np.uint8)
    full = np.ones((1, 8, 8), bool)
    assert score_picture(image, image, image, full, full, "disk")["background_l1"] is None


def test_other_datasets_have_no_scores(tmp_path):
    scores = Scores(tmp_path, "test")
    scores.add(None, None, "A")
    assert scores.summary() == {}
