"""The training page, as files and in a browser."""

from pathlib import Path

import torch
from test_records import record

import train
from conftest import random_scene
from data.direction import BOTH_WAYS
from data.scene import Scene
from loggers.records import Curves, thinned
from loggers.run_card import RunCard
from loggers.training_page import TrainingPage, looks_of
from models.contract import Translated
from models.insta_gan_model import InstaGANModel
from models.showcase import Shown, shown
from training.progress import Progress


def look_of(names=("a", "b<i>")) -> dict[str, list[Shown]]:
    look, seed = {}, 0
    for way in BOTH_WAYS:
        own = []
        for _ in range(3):
            scene = random_scene([2, 1], seed=seed).map(
                lambda x: x.float() if x.is_floating_point() else x
            )
            own.append(Scene(scene.image, scene.masks, scene.present, list(names), scene.numbers))
            seed += 1
        look[way.words] = shown(way, Translated(own[0], [own[1]], own[2]))
    return look


def training_page(folder: Path, epochs=(1, 2, 3), **how) -> TrainingPage:
    told = ({"niter": "<3>"}, "python train.py <x>", Curves.of(InstaGANModel))
    board = TrainingPage(RunCard("run <b>", folder, 8, 4, *told), **how)
    records = []
    board.open(records)
    for epoch in epochs:
        records.append(record(8 * epoch, masks={"area": {"A": 1.0, "B": 0.5}}))
        board.record(records)
        board.pictures(Progress(epoch=epoch, images=8, total=8 * epoch), look_of())
    return board


def test_an_update_appends_and_costs_the_same(tmp_path):
    board = training_page(tmp_path)
    page, data = tmp_path / "web/index.html", tmp_path / "web/data.js"
    shell, before = page.read_text(), data.read_text()
    sizes = []
    for epoch in (4, 5):
        board.pictures(Progress(epoch=epoch, images=8, total=8 * epoch), look_of())
        sizes.append(data.stat().st_size)
    assert page.read_text() == shell and data.read_text().startswith(before)
    assert sizes[1] - sizes[0] == sizes[0] - len(before.encode())
    images = {path.name for path in (tmp_path / "web/images").iterdir()}
    assert {
        "epoch004_real_A_img.png",
        "epoch004_fake_B_seg.png",
        "epoch004_rec_B_img.png",
    } <= images


def test_a_continued_run_keeps_its_epochs_and_curves(tmp_path, look):
    training_page(tmp_path)
    board = TrainingPage(RunCard("run", tmp_path, 8, 4), since=24)
    board.open([record(8), record(16), record(24)])
    page = look(tmp_path / "web/index.html")
    page.wait_for_function("looks.length === 3 && points.length === 3")
    board.open([record(8), record(16)])  # it went back
    assert [look["total"] for look in looks_of(tmp_path / "web/data.js")] == [8, 16]
    later = TrainingPage(RunCard("run", tmp_path, 8, 4), since=8)
    later.open([record(8)])
    assert [look["total"] for look in looks_of(tmp_path / "web/data.js")] == [8]
    TrainingPage(RunCard("run", tmp_path, 8, 4)).open([])  # a run that begins
    assert looks_of(tmp_path / "web/data.js") == []


def test_a_long_run_is_thinned_out_while_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("loggers.training_page.POINTS", 10)
    monkeypatch.setattr("loggers.training_page.thinned", lambda all: thinned(all, 10))
    board = TrainingPage(RunCard("run", tmp_path, 8, 4))
    board.open([])
    counts = []
    for last in range(1, 100):
        board.record([record(total) for total in range(1, last + 1)])
        counts.append((tmp_path / "web/data.js").read_text().count('show({"point"'))
    assert max(counts) <= 20 and counts[5] == 6


def test_news_keep_the_place_and_show_new_pictures_of_an_epoch(tmp_path, look):
    board = training_page(tmp_path)
    page = look(tmp_path / "web/index.html")
    page.wait_for_selector("#pictures img")
    page.keyboard.press("ArrowLeft")
    board.pictures(Progress(epoch=3, images=9, total=25), look_of())
    page.evaluate("load()")
    page.wait_for_function("looks[2].total === 25")
    assert page.inner_text("#epoch").startswith("epoch 2")
    page.keyboard.press("End")
    assert page.inner_text("#epoch") == "epoch 3, picture 25"
    assert page.locator("#pictures img").first.get_attribute("src").endswith("?25")
    (tmp_path / "web/data.js").write_text('show({"point": {"epo')  # while it is being written
    page.on("pageerror", lambda _: None)
    assert page.evaluate("points.length") == 3
    board.close()


def test_epochs_are_scrubbed_and_curves_drawn(tmp_path, look):
    training_page(tmp_path)
    page = look(tmp_path / "web/index.html")
    page.wait_for_selector("#pictures img")
    page.wait_for_function("[...document.images].every((i) => i.complete && i.naturalWidth)")
    assert page.inner_text("#epoch").startswith("epoch 3")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#epoch").startswith("epoch 2")
    assert "epoch002_" in page.locator("#pictures img").first.get_attribute("src")
    page.keyboard.press("Home")
    assert page.inner_text("#epoch").startswith("epoch 1")
    titles = page.locator(".panel h3").all_inner_texts()
    assert "adversarial loss, generators" in titles and "mask area, translated / real" in titles
    paths = page.locator(".panel path").all()
    assert paths and all("NaN" not in path.get_attribute("d") for path in paths)
    page.check("#log")
    page.locator("#smooth").fill("0.9")
    assert "<3>" in page.inner_html("body").replace("&lt;", "<").replace("&gt;", ">")
    assert page.title() == "run <b>"


def test_a_run_writes_its_page(run, tmp_path, look):
    run(train.main, "--name r --niter 2 --niter_decay 0 --update_html_freq 6 --print_freq 2")
    page = look(tmp_path / "checkpoints/r/web/index.html")
    page.wait_for_function("looks.length === 2 && points.length === 6")
    assert "epoch 2 of 2" in page.inner_text("#position")
    assert torch.tensor(page.evaluate("points.map((p) => p.total)")).tolist() == [
        2,
        4,
        6,
        8,
        10,
        12,
    ]
