"""Translations with masks that were found, beside those with given ones: scores, figure, study."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate
import test as test_command
import train
from conftest import refused
from data.scene_folder import find_scenes
from metrics.classifier import KINDS
from scripts.figures import predicted_masks as figure
from scripts.reproduce import found_masks, predicted_masks, predicted_masks_tables
from scripts.reproduce.found_masks import matched
from scripts.reproduce.runs import Laboratory

SHORT = "--niter 1 --niter_decay 0 --no_html"
RESULTS = Path("r/test_latest")
FOUND = "--masks auto:m --name r"


@pytest.fixture
def trained(run):
    run(train.main, f"--name r {SHORT}")
    run(train.main, f"--name m --model mask_predictor {SHORT}")
    return run


def finds(monkeypatch, root: Path, change) -> None:
    """Every predictor finds the true masks of test pictures after a change."""
    truth = {}
    for domain in "AB":
        for scene in find_scenes(root, "test", domain, True):
            pixels = np.array(Image.open(scene.image).convert("RGB"))
            masks = [np.array(Image.open(path).convert("L")) > 127 for path in scene.masks]
            truth[pixels.tobytes()] = np.stack(masks)

    def find(self, image):
        return change(truth[np.ascontiguousarray(image).tobytes()])

    monkeypatch.setattr("translation.finders.PredictedMasks.find", find)


def disk(row: int, column: int, radius: int = 5, size: int = 32) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (y - row) ** 2 + (x - column) ** 2 <= radius**2


def test_found_masks_belong_to_the_instances_that_they_overlap():
    given = [disk(8, 8), disk(8, 20), disk(25, 8)]
    found = [disk(25, 25), disk(8, 21), disk(9, 8)]
    pairs = matched(given, found)
    assert {i: k for i, (k, _) in pairs.items()} == {0: 2, 1: 1}
    both, either = given[0] & found[2], given[0] | found[2]
    assert pairs[0][1] == pytest.approx(both.sum() / either.sum())
    assert matched([disk(8, 8)], [disk(8, 15)]) == matched(given, []) == matched([], found) == {}
    # one found mask over two instances is that of one of them
    assert len(matched([disk(8, 8), disk(8, 10)], [disk(8, 9)])) == 1


def test_with_the_true_masks_found_all_is_as_with_given_ones(trained, shapes, monkeypatch):
    finds(monkeypatch, shapes, lambda masks: masks[::-1].copy())
    trained(test_command.main, "--name r --results_dir given")
    trained(found_masks.main, f"{FOUND} --results_dir found")
    for path in sorted(("given" / RESULTS / "images").glob("*_mask_*.png")):
        there = "found" / RESULTS / "images" / path.name
        assert path.read_bytes() == there.read_bytes(), path.name
    for path in sorted(("given" / RESULTS / "images").glob("*_fake_?_img.png")):
        there = "found" / RESULTS / "images" / path.name
        assert np.array_equal(np.array(Image.open(path)), np.array(Image.open(there)))
    folders = [str(folder / RESULTS) for folder in (Path("given"), Path("found"))]
    evaluate.main(["--dataroot", str(shapes), "--gpu_ids", "-1", "--results", *folders])
    one, other = (json.loads((Path(x) / "metrics.json").read_text()) for x in folders)
    assert one == other and one["AtoB"]["background_l1"] >= 0


def test_what_was_not_found_has_vanished_and_what_was_found_besides_is_told(
    trained, shapes, monkeypatch
):
    corner = disk(0, 0, 3)
    finds(monkeypatch, shapes, lambda masks: np.stack([*masks[1:], corner]))
    trained(found_masks.main, f"{FOUND} --results_dir found")
    evaluate.main(
        ["--dataroot", str(shapes), "--gpu_ids", "-1", "--results", str("found" / RESULTS)]
    )
    listing = json.loads(("found" / RESULTS / "results.json").read_text())
    instances = 0
    for picture in listing["pictures"]:
        overlaps = picture["numbers"]["found_iou"]
        assert sorted(overlaps) == [0.0] + [1.0] * (picture["instances"] - 1)
        assert picture["numbers"]["found_besides"] == [1]
        own = [n for n in picture["masks"] if n.startswith("fake")]
        assert len(own) == picture["instances"]
        lost = f"fake_{'B' if picture['source'] == 'A' else 'A'}_mask_0"
        assert not np.array(Image.open("found" / RESULTS / picture["masks"][lost])).any()
        instances += picture["instances"]
    shares = predicted_masks.found_in("found" / RESULTS)
    assert sum(own["instances"] for own in shares.values()) == instances
    assert all(
        0 < own["found"] < 1 and own["iou"] == own["besides"] == 1 for own in shares.values()
    )
    split = predicted_masks.success_by_overlap("found" / RESULTS)
    assert sum(count for _, count in split.values()) == instances
    scores = json.loads(("found" / RESULTS / "metrics.json").read_text())
    for direction, own in shares.items():
        assert scores[direction]["mask_kept"] <= own["found"] + 1e-6  # which is not rounded


def test_the_figure_shows_both(trained, shapes, monkeypatch):
    finds(monkeypatch, shapes, lambda masks: np.stack([*masks[1:], disk(0, 0, 3)]))
    for words in ("--pictures 2", "--pictures 00001,00000 --direction BtoA"):
        trained(
            lambda argv, words=words: figure.main(
                ["out.png", *FOUND.split(), "--side", "40", *words.split(), *argv]
            )
        )
        pixels = np.array(Image.open("out.png"))
        width = pixels.shape[1]
        assert (pixels.shape[0] - 20) // 44 == 2 and 4 * 44 <= width < 4 * 44 + 80
        given, _, found, _ = (pixels[25:65, width - 44 * k + 4 :][:, :40] for k in (4, 3, 2, 1))
        assert (given != found).any()  # the outlines: what was lost, and the corner


def test_colours_and_labels_go_by_instance():
    one, two, more = disk(8, 8), disk(20, 20), disk(2, 28, 2)
    masks = np.stack([two, more, one])
    result = type("Some", (), {"source": np.zeros((32, 32, 3)), "source_masks": masks})()
    result.masks = ~masks
    found = found_masks.Found(result, [1.0, 0.0, 0.9], {0: 2, 2: 0})
    before, after = figure.by_instance(found)
    assert [mask.sum() for mask in before] == [one.sum(), 0, two.sum(), more.sum()]
    assert np.array_equal(after[0], ~one) and not after[1].any() and found.besides == 1
    scene = type("Some", (), {"names": ["x"]})()
    assert figure.label_of(scene, found) == "x\nIoU 1.00\nnot found\nIoU 0.90\n1 extra"


def test_mistakes_are_one_line(trained, capsys):
    trained(train.main, f"--name c --model cycle_gan {SHORT}")
    capsys.readouterr()
    for main, words, said in (
        (found_masks.main, "--name r", ["--masks"]),
        (found_masks.main, "--name r --masks auto:nobody", ["auto:nobody", "no such run"]),
        (found_masks.main, "--name c --masks auto:m", ["cycle_gan", "translates no instances"]),
        (found_masks.main, "--name m --masks auto:m", ["mask_predictor"]),
        (figure.main, "out.png --name r", ["--masks is missing"]),
        (figure.main, "out.png --name c --masks auto:m", ["tells no instances apart"]),
        (figure.main, "out.png --name r --masks auto:r", ["finds no masks"]),
    ):
        refused(
            capsys,
            lambda main=main, words=words: trained(lambda argv: main([*words.split(), *argv])),
            *said,
        )


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Commands run in this process, with tiny pictures and networks; returns those that were run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "memory_line", lambda *_: "")
    monkeypatch.setitem(KINDS, "small", type(KINDS["small"])(32, None, 2, 1e-3))
    monkeypatch.setattr(predicted_masks, "SHAPES", "--size 32 --train 4 --test 2")
    two = "--size 32 --train 1 --test 2 --min_instances 2"
    monkeypatch.setattr(predicted_masks, "TWO", two)
    tiny = {
        "size": "--load_size 32 --crop_size 32",
        "translation": "--ngf 4 --ndf 4 --n_blocks 1 --niter 1 --niter_decay 0",
        "predictor": "--ngf 4 --niter 1 --niter_decay 0",
    }
    tasks_of = predicted_masks.tasks_of
    monkeypatch.setattr(
        predicted_masks,
        "tasks_of",
        lambda data: {name: replace(task, **tiny) for name, task in tasks_of(data).items()},
    )
    figures = {"shapes": ("two", ("AtoB",), "--pictures 2 --side 40")}
    monkeypatch.setattr(predicted_masks_tables, "FIGURES", figures)
    made = []

    def call(self, command, log):
        made.append(command)
        {
            "train.py": train,
            "evaluate.py": evaluate,
            "scripts/reproduce/found_masks.py": found_masks,
            "scripts/figures/predicted_masks.py": figure,
        }[command[0]].main(command[1:])

    monkeypatch.setattr(Laboratory, "call", call)
    return made


def test_the_study_from_nothing_to_its_page(calls, capsys):
    predicted_masks.main("--seeds 1 --jobs 1 --dry_run".split())
    out = capsys.readouterr().out
    assert "note: without photos" in out and not calls
    assert out.count("found_masks.py") == out.count("--results ") == 2
    predicted_masks.main("--seeds 1 --jobs 1".split())
    made = [command[0] for command in calls]
    assert made.count("train.py") == 2 and made.count("evaluate.py") == 6
    assert made.index("scripts/reproduce/found_masks.py") > 5  # when the predictor is there
    rows = {p.stem: json.loads(p.read_text()) for p in Path("docs/results").glob("*/*.json")}
    assert len(rows) == 6 and rows["predicted_two_0"]["found"]["AtoB"]["instances"] >= 2
    assert "image_shape_success" in rows["predicted_two_0"]["scores"]["AtoB"]
    page = Path("docs/predicted_masks.md").read_text()
    for words in ("| two | predicted − given |", "AP50", "results/predicted_shapes_AtoB.png"):
        assert words in page
    assert all(command in page for row in rows.values() for command in row["commands"])
    del calls[:]
    predicted_masks.main("--seeds 1 --jobs 1".split())
    assert not calls and Path("docs/predicted_masks.md").read_text() == page


def test_differences_are_those_of_the_same_seed():
    rows = [
        {"masks": kind, "test": "two", "seed": seed, "scores": {"AtoB": {"mask_kept": value}}}
        for kind, seed, value in (
            *(("given", 0, 0.5), ("given", 1, 0.9), ("given", 2, 1.0)),
            *(("predicted", 1, 0.8), ("predicted", 0, 0.45)),
        )
    ]
    line = predicted_masks_tables.shapes_table(rows).splitlines()[-1]
    assert "| 2 |" in line and "-0.075" in line
