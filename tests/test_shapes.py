"""The shapes dataset and its yardsticks."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import distance_transform_edt

from conftest import one_line_error
from datasets import generate_shapes_dataset as generator
from datasets.making import drawing
from metrics.masks import iou
from metrics.pair import Pair
from metrics.reals import Preparation
from metrics.shapes import (
    Backgrounds,
    box_iou,
    ideal_shape,
    image_shape_ious,
    score_picture,
    shape_success,
    window_of,
)
from util.errors import UserError


def files(root) -> dict[str, bytes]:
    return {
        str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()
    }


def mask_of(kind: str, x: float, y: float, radius: float, size: int = 64) -> np.ndarray:
    return drawing.signed_distance({"shape": kind, "x": x, "y": y, "radius": radius}, size) < 0


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
            distances = np.array([drawing.signed_distance(shape, 40) for shape in shapes])
            sharp = (np.abs(distances) > 1).all(0)  # away from the soft edges
            inside = (distances < 0).any(0)
            assert changed[sharp & inside].min() > 48  # every colour contrasts
            assert changed[sharp & ~inside].max() == 0
    assert counts == {1, 2, 3}


def test_domains_have_their_own_colours_only_with_the_domain_palette(tmp_path):
    def red_minus_blue(root, domain):
        shapes = json.loads((root / f"train{domain}_geometry.json").read_text()).values()
        colors = [drawing.saturated(s["rim_hue"]) for picture in shapes for s in picture]
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


def pair_of(source: np.ndarray, fake: np.ndarray, translated: np.ndarray) -> Pair:
    """A pair whose masks, [N, H, W], are source and fake."""
    image = np.zeros((*source.shape[1:], 3), np.uint8)
    return Pair("0", "A", image, translated, source, fake, source.any(0), fake.any(0))


def painted(masks: list[np.ndarray], color=(0, 0, 255)) -> np.ndarray:
    """Shapes of a colour on a grey background of 100, uint8 [H, W, 3]."""
    picture = np.full((*masks[0].shape, 3), 100, np.uint8)
    picture[np.logical_or.reduce(masks)] = color
    return picture


GREY = np.full((64, 64, 3), 100, np.uint8)


def test_a_success_needs_shape_and_place():
    source, away = mask_of("disk", 20, 20, 8), mask_of("triangle", 50, 50, 8)
    here, empty = mask_of("triangle", 20, 20, 8), np.zeros((64, 64), bool)

    def success(translated):
        pair = pair_of(source[None], translated[None], GREY)
        return score_picture(pair, GREY, "triangle")["mask_shape_success"]

    assert success(here) == [True]
    assert success(away) == success(empty) == success(source) == [False]


def test_the_picture_alone_is_judged():
    """Right and wrong shapes in the picture, whatever the masks say; overlapping ones left out."""
    disks = np.stack([mask_of("disk", x, y, 6) for x, y in ((12, 14), (50, 48))])
    triangles = [mask_of("triangle", x, y, 6) for x, y in ((12, 14), (50, 48))]
    ious = image_shape_ious(painted([triangles[0], disks[1]]), GREY, disks, "triangle")
    assert ious[0] > 0.85 and ious[1] < 0.75
    assert image_shape_ious(GREY, GREY, disks, "triangle") == [0, 0]
    faint = painted(triangles, color=(100, 100, 148))  # differs by 48, not by more
    assert image_shape_ious(faint, GREY, disks, "triangle") == [0, 0]
    touching = np.stack([mask_of("disk", x, 20, 8) for x in (20, 30)])
    assert image_shape_ious(GREY, GREY, touching, "triangle") == [None, None]
    pair = pair_of(disks, disks, painted([triangles[0], disks[1]]))
    scores = score_picture(pair, GREY, "triangle")
    assert scores["image_shape_success"] == scores["image_shape_success_85"] == [True, False]
    assert scores["mask_shape_success"] == [False, False]


def test_neighbours_do_not_spoil_each_other():
    """Two shapes whose windows share pixels but that do not overlap: both are seen whole."""
    places = ((24, 30), (36, 30))
    disks = np.stack([mask_of("disk", x, y, 5) for x, y in places])
    rows, columns = window_of(disks[0])
    assert disks[1][rows, columns].any()
    translated = painted([mask_of("triangle", x, y, 5) for x, y in places])
    assert min(image_shape_ious(translated, GREY, disks, "triangle")) > 0.85


def test_the_window_is_twice_the_box_and_ends_with_the_picture():
    mask = np.zeros((40, 40), bool)
    mask[10:20, 2:8] = True
    assert window_of(mask) == (slice(5, 25), slice(0, 11))


def test_real_pictures_of_the_target_succeed(tmp_path):
    """The ceiling: triangles as they were drawn, as their own translation."""
    words = (
        f"--save_root {tmp_path} --size 48 --train 1 --test 20 --radius 0.1 0.15 --max_covered 0.3"
    )
    generator.main(words.split())
    background = Backgrounds(tmp_path, "test", "B", Preparation())
    found = []
    for path in sorted((tmp_path / "testB").iterdir()):
        masks = [
            np.array(Image.open(p)) > 127
            for p in sorted((tmp_path / "testB_seg").glob(f"{path.stem}_*.png"))
        ]
        picture, masks = np.array(Image.open(path)), np.stack(masks)
        pair = Pair(path.stem, "B", picture, picture, masks, masks, masks.any(0), masks.any(0))
        found += image_shape_ious(picture, background(pair), masks, "triangle")
    found = [value for value in found if value is not None]
    assert len(found) > 15 and min(found) > 0.85


def test_what_the_picture_shows_against_the_masks():
    source, fake = mask_of("disk", 20, 20, 8), mask_of("triangle", 20, 20, 8)
    perfect = score_picture(pair_of(source[None], fake[None], painted([fake])), GREY, "triangle")
    assert perfect["image_mask_iou"] == 1
    half = score_picture(pair_of(source[None], fake[None], GREY), GREY, "triangle")
    assert half["image_mask_iou"] == 0


def test_what_the_seam_shows():
    """Within four pixels of both masks, outside the translated one: whatever is no background."""
    source, fake = mask_of("disk", 20, 20, 8), mask_of("disk", 20, 20, 5)
    pair = pair_of(source[None], fake[None], painted([fake]))
    assert score_picture(pair, GREY, "disk")["seam_l1"] == 0
    ring = painted([fake])
    ring[source & ~fake] = GREY[source & ~fake] + 10
    far = np.zeros_like(source)
    far[:6] = True
    ring[far] = 0
    found = score_picture(pair_of(source[None], fake[None], ring), GREY, "disk")["seam_l1"]
    around = distance_transform_edt(~source) <= 4
    share = (source & ~fake).sum() / (around & ~fake).sum()
    assert found == pytest.approx(10 * share)


def test_instances_and_room_as_asked(tmp_path):
    words = "--size 48 --train 12 --test 1 --radius 0.05 0.07 --max_covered 0"
    generator.main(f"--save_root {tmp_path} --min_instances 6 --max_instances 6 {words}".split())
    for domain in "AB":
        for stem, shapes in json.loads(
            (tmp_path / f"train{domain}_geometry.json").read_text()
        ).items():
            assert len(shapes) == 6
            masks = [
                np.array(Image.open(tmp_path / f"train{domain}_seg/{stem}_{i}.png")) > 127
                for i in range(6)
            ]
            assert np.sum(masks, 0).max() <= 1 or (np.sum(masks, 0) > 1).mean() < 0.01


@pytest.mark.parametrize("words,said", [
    ("--min_instances 3", "--min_instances 3"),
    ("--radius 0.2 0.1", "--radius 0.2 0.1"),
    ("--radius 0.001 0.1", "two pixels"),
    ("--background 200 300", "--background 200 300"),
    ("--max_covered 2", "--max_covered 2.0"),
])  # fmt: skip
def test_numbers_that_cannot_be_drawn(tmp_path, capsys, words, said):
    with pytest.raises(SystemExit):
        generator.main(f"--save_root {tmp_path} {words}".split())
    one_line_error(capsys, said)


def test_other_datasets_have_no_backgrounds(tmp_path):
    with pytest.raises(UserError, match="testA_background"):
        Backgrounds(tmp_path, "test", "A", Preparation())
