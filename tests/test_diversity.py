"""How different results are, and how objects look: scores of several results of a picture."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from datasets import generate_shapes_dataset
from metrics.appearance import Appearance, by_class, colors_of, read_looks
from metrics.classifier import Classifier
from metrics.diversity import (
    Diversity,
    InceptionScores,
    classifier_distance,
    conditional_inception_score,
    inception_score,
    pairs_of_results,
)
from metrics.pairs import PairFolder
from metrics.reals import Preparation, RealPictures

CPU = torch.device("cpu")
RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture(scope="module")
def looks(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("looks")
    words = f"--task appearance --save_root {root}/data --size 32 --train 12 --test 6"
    generate_shapes_dataset.main(words.split())
    return root / "data"


def translations(root: Path, colors: list[list[tuple]]) -> PairFolder:
    """A picture for each list of colours, one translation in each: an object on black."""
    images = root / "images"
    images.mkdir(parents=True)
    mask = np.zeros((16, 16), np.uint8)
    mask[4:12, 4:12] = 255
    for number, own in enumerate(colors):
        for i, color in enumerate(own):
            pixels = np.zeros((16, 16, 3), np.uint8)
            pixels[mask > 0] = color
            style = f"_style_{i}" if i else ""
            Image.fromarray(pixels).save(images / f"{number}_fake_B{style}_img.png")
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(images / f"{number}_real_A_img.png")
        Image.fromarray(mask).save(images / f"{number}_real_A_mask_0.png")
    return PairFolder(root)


def loaded(folder: PairFolder) -> list:
    return [pair for batch in folder.load("A", 8) for pair in batch]


def test_all_results_of_a_picture_are_found_in_order(tmp_path):
    colors = [[(10 * i, 0, 0) for i in range(12)]]
    (pair,) = loaded(translations(tmp_path, colors))
    assert [int(x[8, 8, 0]) for x in pair.results()] == [10 * i for i in range(12)]


def test_pairs_of_results_are_different_ones():
    found = pairs_of_results(10, 3)
    assert len(set(found)) == 19 and all(a < b for a, b in found)
    assert pairs_of_results(10, 3) == found != pairs_of_results(10, 4)
    assert pairs_of_results(2, 0) == [(0, 1)] and pairs_of_results(1, 0) == []


def test_diversity_is_the_mean_distance_of_pairs(tmp_path):
    folder = translations(tmp_path, [[RED, RED], [RED, GREEN], [RED]])
    metric = Diversity("x", lambda a, b: (a.float() - b.float()).abs().mean((1, 2, 3)), [], CPU)
    same, other, single = metric.pictures(loaded(folder))
    assert same == {"diversity_x": 0.0}
    assert other["diversity_x"] == pytest.approx(64 * 2 * 255 / (3 * 256))
    assert single == {}


def test_real_pictures_are_compared_with_those_of_their_size():
    reals = [np.full((8, 8, 3), level, np.uint8) for level in (0, 0, 100)]
    reals.append(np.zeros((8, 9, 3), np.uint8))
    metric = Diversity("x", lambda a, b: (a.float() - b.float()).abs().mean((1, 2, 3)), reals, CPU)
    score = metric.whole()["real_diversity_x"]
    assert (score.value, score.count) == (pytest.approx(200 / 3), 3)


def test_distances_in_features_are_those_of_pictures():
    classifier = Classifier("small", "none", CPU)
    classifier.head.eval()
    distance = classifier_distance(classifier)
    a = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    b = a.clone()
    b[1] = 255 - b[1]
    found = distance(a, b)
    assert found[0] == 0 and found[1] > 0
    torch.testing.assert_close(distance(b, a), found)
    assert len(classifier.stages(a)) == 4


def test_inception_scores_of_known_distributions():
    alike = torch.full((3, 4, 4), 0.25)
    assert inception_score(alike) == conditional_inception_score(alike) == 0
    certain = torch.eye(4)[None]  # one picture whose four results are of four classes
    assert inception_score(certain) == pytest.approx(math.log(4), abs=1e-6)
    assert conditional_inception_score(certain) == pytest.approx(math.log(4), abs=1e-6)
    apart = torch.eye(4)[:, None].expand(4, 3, 4)  # four pictures, each with results of a class
    assert inception_score(apart) == pytest.approx(math.log(4), abs=1e-6)
    assert conditional_inception_score(apart) == 0


def test_the_conditional_score_is_never_above_the_other():
    p = torch.rand(20, 5, 3, generator=torch.Generator().manual_seed(0)).softmax(-1)
    assert 0 < conditional_inception_score(p) <= inception_score(p)


def test_inception_scores_have_spreads_and_exponents(tmp_path):
    folder = translations(tmp_path, [[RED, GREEN], [GREEN, RED], [RED, RED]])

    def classify(pictures):
        return torch.stack([pictures[:, 0, 8, 8] > 0, pictures[:, 1, 8, 8] > 0], 1).float()

    metric = InceptionScores(classify, "colours", CPU)
    metric.pictures(loaded(folder))
    found = metric.whole()
    assert found["cis"].value == pytest.approx(2 / 3 * math.log(2), abs=1e-5)
    assert found["cis_exp"].value == pytest.approx(math.exp(found["cis"].value))
    assert found["is"].value >= found["cis"].value
    assert found["cis"].spread > 0 and "colours" in found["is"].protocol


# ---- looks of drawn shapes


def test_the_same_shapes_look_otherwise(looks):
    day, night = (read_looks(looks, "train", d) for d in "AB")
    assert colors_of(day) == [(255, 255, 0)]
    assert colors_of(night) == [GREEN, RED]
    assert {shape["shape"] for own in night.values() for shape in own["shapes"]} == {
        "disk",
        "triangle",
    }
    picture = np.asarray(Image.open(looks / "trainA/00000.png"))
    mask = np.asarray(Image.open(looks / "trainA_seg/00000_0.png")) > 127
    assert np.abs(picture[mask].mean(0) - (255, 255, 0)).max() < 20
    assert picture[~mask].mean() > 100
    assert np.asarray(Image.open(looks / "trainB/00000.png")).mean() < 120


def test_the_other_task_has_the_bytes_that_it_had(tmp_path):
    """Drawn by the same numbers as before there was a second task."""
    words = f"--save_root {tmp_path}/data --size 32 --train 2 --test 1"
    generate_shapes_dataset.main(words.split())
    facts = json.loads((tmp_path / "data/trainA_geometry.json").read_text())
    assert set(facts) == {"00000", "00001"}
    assert not (tmp_path / "data/trainA_appearance.json").exists()


def test_objects_have_the_nearest_colour_of_the_other_domain(tmp_path, looks):
    folder = translations(tmp_path, [[RED, GREEN], [(225, 0, 0), (255, 0, 30)], [(0, 0, 255)]])
    metric = Appearance(read_looks(looks, "test", "B"))
    both, near, blue = metric.pictures(loaded(folder))
    assert both == {"object_color_error": [0.0], "modes_shown": 1.0}
    assert near == {"object_color_error": [pytest.approx(10)], "modes_shown": 0.5}
    assert blue == {"object_color_error": [pytest.approx(170)]}


def test_classes_are_domains_and_modes(looks):
    found = by_class(RealPictures(looks, "train", Preparation()), 100)
    assert list(found) == ["A0", "B0", "B1"]
    assert sum(map(len, found.values())) == 24
    assert sum(map(len, by_class(RealPictures(looks, "train", Preparation()), 5).values())) == 10
    classifier = Classifier("small", "none", CPU, classes=[*found], exclusive=True)
    classifier.fit(found)
    assert all(
        classifier.scores(torch.stack(own)).argmax(1).eq(i).all()
        for i, own in enumerate(found.values())
    )
