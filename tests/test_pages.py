"""The results page, as files and in a browser."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate
import test as test_command
import train
from conftest import random_scene
from data.direction import BOTH_WAYS
from data.scene import Scene
from models.contract import Step, Translated
from models.showcase import shown
from pages.results import Results, boxes_of, masks_of
from pages.results_page import write_page
from util.errors import UserError

NAMES = (
    "plain",
    "with space",
    "quo\"te's",
    "<img src=x onerror=alert(1)>",
    "ümläut→日本",
    "100%#?&",
)


class Options:
    """Those of test.py that a results folder looks at."""

    name, phase, label, model, dataroot = "run", "test", "7", "insta_gan", "data"
    input_nc, aspect_ratio, display_winsize = 3, 1.0, None


def results_of(folder: Path, names=NAMES, counts=(3, 2, 1, 1, 2, 1), size: int = 32) -> Path:
    """A results folder of random translations in three sequential steps, B to A as well."""
    about = {"model": "insta_gan", "epoch": 7, "command": "x <y>"}
    results = Results(folder, Options, None, about)
    for way in BOTH_WAYS:
        scene = random_scene(list(counts[: len(names)]), size=size, seed=ord(way.source)).map(
            lambda tensor: tensor.float() if tensor.is_floating_point() else tensor
        )
        scene = Scene(scene.image, scene.masks, scene.present, list(names), scene.numbers)
        fake = Scene(-scene.image, scene.masks.flip(-1), scene.present, list(names), scene.numbers)
        steps = [Step(i, i + 1, fake) for i in range(3)]
        columns = shown(way, Translated(scene, [fake], scene, steps=steps))
        results.add(list(range(len(names))), scene, columns, way, steps=steps)
    results.write()
    return folder


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> Path:
    """The page of random results with scores of each picture."""
    folder = results_of(tmp_path_factory.mktemp("scored"))
    listing = json.loads((folder / "results.json").read_text())
    values = {
        source: {
            name: {"loss": float(place + 10 * (source == "B")), "shape": [True, None, False][:n]}
            for place, (name, n) in enumerate(zip(NAMES, (3, 2, 1, 1, 2, 1), strict=True))
        }
        for source in "AB"
    }
    write_page(
        folder,
        listing,
        [["mean", "A to B"], ["loss", "2.5"]],
        ["a <note>"],
        values,
        {"loss": "down"},
    )
    return folder


# ---- files


def test_official_names_and_what_the_page_needs_besides(scored):
    files = {path.name for path in (scored / "images").iterdir()}
    for name in ("plain_real_A_img.png", "plain_fake_B_img.png", "plain_rec_A_img.png"):
        assert name in files
    assert {"plain_real_A_mask_0.png", "plain_fake_B_outlines.png"} <= files
    assert [n for n in sorted(files) if n.startswith("plain_fake_B_step")] == [
        f"plain_fake_B_step_{i}.png" for i in (1, 2, 3)
    ]
    assert not [n for n in files if n.startswith("100%#?&_fake_B_step")]  # a single step
    layer = Image.open(scored / "images/plain_real_A_outlines.png").convert("RGBA")
    assert layer.size == (128, 128) and layer.getextrema()[3] == (0, 255)


def test_large_pictures_have_small_copies(tmp_path):
    folder = results_of(tmp_path, names=("big",), counts=(1,), size=400)
    assert Image.open(folder / "images/big_real_A_img.png").size == (400, 400)
    assert Image.open(folder / "images/big_real_A_img_small.jpg").size == (320, 320)
    assert "images/big_real_A_img_small.jpg" in (folder / "index.html").read_text()


def test_boxes_hold_what_an_instance_was_and_became():
    before, after = np.zeros((2, 40, 60), bool)
    before[10:20, 5:15] = after[18:26, 5:31] = True
    assert boxes_of({3: before}, {3: after}) == {3: [7, 0, 22, 36]}
    nothing = np.zeros((40, 60), bool)
    assert boxes_of({0: nothing}, {0: nothing}) == {}
    scene = random_scene([1, 2])
    assert list(masks_of(scene, 1)) == [0, 1] and masks_of(scene, 0)[0].dtype == bool


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a/../../../b", ".."])
def test_a_list_that_names_files_elsewhere_is_refused(scored, tmp_path, name):
    folder = tmp_path / "r"
    shutil.copytree(scored, folder)
    listing = json.loads((folder / "results.json").read_text())
    for key, value in (("files", {"real_A_img": name}), ("name", f"{name}/y")):
        wrong = listing | {"pictures": [listing["pictures"][0] | {key: value}]}
        with pytest.raises(UserError, match="not in images"):
            write_page(folder, wrong)


def test_a_page_costs_the_same_for_every_picture(tmp_path):
    folder = results_of(tmp_path, names=("a",), counts=(1,))
    listing = json.loads((folder / "results.json").read_text())
    sizes = []
    for count in (100, 200, 300):
        pictures = [listing["pictures"][0] | {"name": f"p{i:04d}"} for i in range(count)]
        write_page(folder, listing | {"pictures": pictures})
        sizes.append((folder / "index.html").stat().st_size)
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] < 100 * 1500


def test_both_commands_write_the_page(run, tmp_path, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0 --ins_per 1 --no_html")
    run(test_command.main, "--name r")
    page = tmp_path / "results/r/test_latest/index.html"
    text = page.read_text()
    assert "insta_gan" in text and "<th>scores</th>" not in text
    run(evaluate.main, "--name r")
    orders = {
        name: order
        for order, name in re.findall(r'<option data-worst="(\w*)" value="(\w+)"', page.read_text())
    }
    assert orders["background_l1"] == orders["all_empty"] == "down"
    assert (
        orders["background_ssim"] == orders["mask_iou"] == "up" and orders["mask_area_ratio"] == ""
    )
    assert str(page) in capsys.readouterr().out


# ---- the results page in a browser


def test_without_scripts_there_is_a_table(scored, look):
    page = look(scored / "index.html", scripts=False)
    assert page.locator("#results tbody tr").count() == 2 * len(NAMES)
    assert page.locator("#results tbody tr:visible").count() == 2 * len(NAMES)
    assert not page.locator("#controls").is_visible()
    assert page.locator("#results tbody th").first.inner_text() in NAMES
    assert "loss 3" in page.locator("#results tbody tr").nth(3).inner_text()


def test_names_are_shown_as_they_are_and_never_run(scored, look):
    page = look(scored / "index.html")
    assert {*page.locator("#results tbody th").all_inner_texts()} == {*NAMES}
    for row in page.locator("#results tbody tr").all():
        row.scroll_into_view_if_needed()
    page.wait_for_function("[...document.images].every((i) => i.complete && i.naturalWidth)")
    assert "a <note>" in page.inner_text("body")


def test_a_row_opens_slides_and_closes(scored, look):
    page = look(scored / "index.html")
    page.locator("[id=A-plain] td").first.click()
    detail = page.locator("tr.detail")
    assert detail.locator(".strip figure").count() == 4 and detail.locator(".instance").count() == 3
    assert "shape no" in detail.locator(".instance").last.inner_text()
    at = "document.querySelector('.compare').style.getPropertyValue('--at')"
    page.locator(".slider").fill("20")
    assert page.evaluate(at) == "20%"
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    assert page.evaluate(at) == "25%"
    compare = page.locator(".compare")
    width = compare.bounding_box()["width"]
    compare.click(position={"x": 0.75 * width, "y": 20})
    assert abs(float(page.evaluate(at).rstrip("%")) - 75) < 2
    opacity = "getComputedStyle(document.querySelector('.layer')).opacity"
    assert page.evaluate(opacity) == "1"
    page.uncheck("#outlines")
    assert page.evaluate(opacity) == "0"
    page.locator("h1").click()
    page.keyboard.press("o")
    assert page.evaluate(opacity) == "1"
    page.wait_for_function("[...document.images].every((i) => i.complete && i.naturalWidth)")
    page.keyboard.press("Escape")
    assert detail.count() == 0


def test_keys_go_from_picture_to_picture_and_links_lead_to_rows(scored, look):
    page = look(scored / "index.html", anchor="#A-with%20space")
    name = "document.querySelector('tr.open').dataset"
    assert page.evaluate(f"{name}.name + {name}.way") == "with spaceA"
    before = page.evaluate("document.querySelector('tr.open').rowIndex")
    page.keyboard.press("j")
    assert page.evaluate("document.querySelector('tr.open').rowIndex") == before + 1
    page.keyboard.press("k")
    assert page.evaluate("document.querySelector('tr.open').rowIndex") == before
    assert page.url.endswith("#A-with%20space")


def names_of(page) -> list[str]:
    return page.evaluate(
        "[...document.querySelectorAll('#results tbody tr')].map((r) => r.dataset.name + r.dataset.way)"
    )


def test_rows_are_found_and_ordered(scored, look):
    page = look(scored / "index.html")
    page.select_option("#order", "loss")
    assert page.input_value("#sense") == "down"  # less is better: the worst first
    assert names_of(page)[0] == f"{NAMES[-1]}B" and names_of(page)[-1] == f"{NAMES[0]}A"
    told = page.locator("#order option").all_inner_texts()
    assert "loss, worst first" in told and "shape" in told  # of which it is not known
    page.select_option("#order", "shape")
    assert page.input_value("#sense") == "up"
    page.select_option("#order", "instances")
    assert names_of(page)[0].startswith("plain")
    page.fill("#find", "SPACE")
    assert names_of(page) == ["with spaceA", "with spaceB"] or names_of(page) == [
        "with spaceB",
        "with spaceA",
    ]
    page.select_option("#way", "A")
    assert names_of(page) == ["with spaceA"]
    assert page.inner_text("#count") == f"1 of {2 * len(NAMES)}"
    page.fill("#find", "")
    page.fill("#least", "2")
    assert len(names_of(page)) == 3


def test_five_thousand_rows_are_pages(scored, look, tmp_path):
    folder = tmp_path / "many"
    (folder / "images").mkdir(parents=True)
    for path in (scored / "images").glob("plain_*"):
        shutil.copy(path, folder / "images")
    listing = json.loads((scored / "results.json").read_text())
    first = next(p for p in listing["pictures"] if p["name"] == "plain" and p["source"] == "A")
    write_page(
        folder, listing | {"pictures": [first] * 5000}, values={"A": {"plain": {"loss": 1.0}}}
    )
    page = look(folder / "index.html")
    assert page.locator("#results tbody tr").count() == 50
    assert "page 1 of 100" in page.inner_text("#pager")
    page.get_by_role("button", name="next").click()
    assert "page 2 of 100" in page.inner_text("#pager")
    page.select_option("#order", "loss")
    assert "page 1 of 100" in page.inner_text("#pager")
    loaded = page.evaluate("performance.getEntriesByType('resource').length")
    assert loaded < 1000


def test_dark_and_narrow(scored, look):
    page = look(scored / "index.html", color_scheme="dark", viewport={"width": 400, "height": 800})
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", dark)[:3])) < 60
    page.locator("#results tbody tr").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
