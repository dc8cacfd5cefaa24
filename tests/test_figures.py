"""The paper's figures over a trained run: each script writes one labelled picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import test as test_command
import train
from conftest import one_line_error
from pages.sheet import mask_tile, sheet, tile
from scripts import contact_sheet
from scripts.figures import crop_attach, instances, nearest, reconstruction, trend
from scripts.figures.common import masks_of
from scripts.figures.neighbors import TrainingMasks

FIGURES = {"instances": instances, "trend": trend, "nearest": nearest, "crop_attach": crop_attach, "reconstruction": reconstruction}  # fmt: skip


@pytest.fixture
def trained(run):
    run(train.main, "--name r --niter 2 --niter_decay 0 --save_epoch_freq 1")
    return run


def figure(run, name: str, words: str = "") -> np.ndarray:
    def main(argv):
        FIGURES[name].main([f"{name}.png", "--name", "r", *argv])

    run(main, f"--side 40 {words}")
    return np.array(Image.open(f"{name}.png"))


@pytest.mark.parametrize("name,columns", [("instances", 5), ("trend", 3), ("nearest", 6), ("crop_attach", 4), ("reconstruction", 3)])  # fmt: skip
def test_every_figure_is_written(trained, name, columns):
    for words in ("--pictures 2", "--pictures 00001,00000 --direction BtoA"):
        pixels = figure(trained, name, words)
        rows, width = (pixels.shape[0] - 20) // 44, pixels.shape[1]
        assert rows == 2 and columns * 44 <= width < columns * 44 + 80
        assert pixels.std() > 10


def test_mistakes_are_one_line(trained, capsys, tmp_path):
    for words, said in (
        ("--pictures nobody", "--pictures nobody"),
        ("--side 2", "--side 2"),
        ("--sida 2", "--sida"),
    ):
        with pytest.raises(SystemExit) as stop:
            figure(trained, "trend", words)
        assert stop.value.code == 2
        one_line_error(capsys, said)


@pytest.mark.parametrize("name", ["instances", "nearest"])
def test_figures_of_instances_need_instances(run, capsys, name):
    run(train.main, "--name r --model cycle_gan --niter 1 --niter_decay 0")
    with pytest.raises(SystemExit):
        figure(run, name)
    one_line_error(capsys, "cycle_gan", "tells no instances apart")
    with pytest.raises(SystemExit):
        FIGURES[name].main(["out.foo", "--dataroot", ".", "--name", "r"])
    one_line_error(capsys, "out.foo", ".png")


def test_the_trend_needs_weights_of_epochs(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    Path("checkpoints/r/1_net_G_A.pth").unlink()
    with pytest.raises(SystemExit):
        figure(run, "trend")
    one_line_error(capsys, "--save_epoch_freq")


def test_the_nearest_mask_of_a_training_mask_is_itself(trained, shapes):
    from options.test_options import TestOptions

    opt = TestOptions().parse(["--dataroot", str(shapes), "--name", "r", "--gpu_ids", "-1"])
    training = TrainingMasks(opt, "B")
    for place in (0, len(training.masks) - 1):
        mask, picture = training.nearest(training.masks[place])
        assert np.array_equal(mask, training.masks[place]) and picture.shape == (*mask.shape, 3)
    scene = training.scenes[training.owners[0]]
    pasted = crop_attach.attached(scene, training)
    inside = np.logical_or.reduce(masks_of(scene))
    assert np.array_equal(pasted, crop_attach.pixels_of(scene.image)) and inside.any()


def test_several_folders_on_one_sheet(trained, capsys):
    for words in ("--results_dir a", "--results_dir b --num_test 2"):
        trained(test_command.main, f"--name r {words}")
    folders = ["a/r/test_latest", "b/r/test_latest"]
    contact_sheet.main([*folders, "both.png", "--labels", "first", "second", "--side", "40"])
    pixels = np.array(Image.open("both.png"))
    assert (pixels.shape[0] + 4) // 44 == 6 and 2 * 44 <= pixels.shape[1] < 2 * 44 + 80
    contact_sheet.main([folders[0], "one.png", "--direction", "AtoB", "--side", "40"])
    assert Image.open("one.png").size == (3 * 44 - 4, 2 * 44 - 4)
    with pytest.raises(SystemExit):
        contact_sheet.main([*folders, "both.png", "--labels", "first"])
    one_line_error(capsys, "--labels")


def test_tiles_and_sheets():
    picture = np.zeros((10, 20, 3), np.uint8)
    mask = np.zeros((10, 20), bool)
    mask[2:8, 5:15] = True
    outlined = tile(picture, 40, [mask])
    assert outlined.shape == (20, 40, 3) and outlined[4, 12].any() and not outlined[10, 20].any()
    assert mask_tile(mask, 40)[10, 20].tolist() == [255] * 3
    page = sheet([("a", [outlined, None]), ("longer\nlabel", [None, outlined])], ["x", "a" * 99])
    assert page.width > 2 * 40 and page.height > 2 * 20
