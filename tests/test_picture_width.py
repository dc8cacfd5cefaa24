"""How wide pictures are on the pages: as the page has room, or as --display_winsize says."""

import json

import pytest
from PIL import Image
from test_pages import results_of
from test_training_page import training_page

import evaluate
import test as test_command
import train
from conftest import random_scene
from models.showcase import Shown
from pages.results_page import write_page

# ---- the results page


def test_both_commands_keep_the_width_that_was_typed(run, tmp_path):
    run(train.main, "--name r --niter 1 --niter_decay 0 --no_html")
    page = tmp_path / "results/r/test_latest/index.html"
    for words, width in (("", 128), ("--display_winsize 90", 90)):
        run(test_command.main, f"--name r --num_test 1 {words}")
        assert f'width="{width}"' in page.read_text()
    run(evaluate.main, "--name r --num_test 1 --display_winsize 77")
    text = page.read_text()
    assert "mask iou" in text and 'width="77"' in text and 'width="128"' not in text


def test_wide_pictures_are_no_small_copies(tmp_path):
    folder = results_of(tmp_path, names=("big",), counts=(1,), size=400)
    listing = json.loads((folder / "results.json").read_text())
    for width, copied in ((320, True), (321, False), (None, True), ("wide", True), (-1, True)):
        write_page(folder, listing | {"picture_width": width})
        assert ("_small.jpg" in (folder / "index.html").read_text()) == copied


@pytest.mark.parametrize("given,window,width", [
    (None, 1280, 128),
    (200, 1280, 200),
    (600, 1280, 600),
    (30, 1280, 30),
    (200, 400, 115),  # a phone: three in its width
])  # fmt: skip
def test_pictures_of_the_table_are_as_wide_as_was_typed(tmp_path, look, given, window, width):
    """And as high as wide, as they are; those of a row's larger view are as they were."""
    folder = results_of(tmp_path, names=("a",), counts=(2,))
    listing = json.loads((folder / "results.json").read_text())
    write_page(folder, listing | {"picture_width": given})
    page = look(folder / "index.html", viewport={"width": window, "height": 800})
    box = page.locator("#results td > img").first.bounding_box()
    assert box["width"] == pytest.approx(width, abs=0 if window == 1280 else 10)
    assert box["height"] == pytest.approx(box["width"], abs=1)
    page.locator("#results tbody tr").first.click()
    stack, image = (page.locator(f".view .stack{what}").first for what in ("", " > img"))
    assert image.bounding_box() == stack.bounding_box()
    assert stack.bounding_box()["width"] == (376 if window == 400 else 0.3 * 1280)


# ---- the training page


@pytest.mark.parametrize("given,width", [(None, 0.12 * 1280), (200, 200), (300, 300), (40, 40)])
def test_pictures_of_a_training_are_as_wide_as_was_typed(tmp_path, look, given, width):
    training_page(tmp_path, epochs=(1,), width=given)
    page = look(tmp_path / "web/index.html", viewport={"width": 1280, "height": 800})
    page.wait_for_selector("#pictures img")
    page.wait_for_function("[...document.images].every((i) => i.complete && i.naturalWidth)")
    box = page.locator("#pictures img").first.bounding_box()
    assert box["width"] == pytest.approx(width, abs=0.5)
    assert box["height"] == pytest.approx(width, abs=0.5)


@pytest.mark.parametrize("given,side", [(None, 256), (300, 300), (1000, 400), (100, 256)])
def test_wide_pictures_of_a_training_have_as_many_pixels(tmp_path, given, side):
    board = training_page(tmp_path, epochs=(), width=given)
    (file,) = board.save_tiles(Shown("real_A", "source", random_scene([1], size=400)), 1)
    assert Image.open(tmp_path / "web" / file).size == (side, side)


def test_a_run_hands_its_width_to_the_page(run, tmp_path):
    run(train.main, "--name r --niter 1 --niter_decay 0 --display_winsize 123")
    assert "123px" in (tmp_path / "checkpoints/r/web/index.html").read_text()
