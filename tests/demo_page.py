"""What tests of the demo's page share: runs, a page of them in a browser, and a reader's hands."""

import functools
import http.server
import json
import shutil
import threading
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import train
from conftest import tiny_options
from scripts import build_demo
from scripts.demo import runtime
from scripts.demo.samples import write_samples
from scripts.export import PACKAGES
from util.errors import UserError
from util.files import write_json
from util.images import COLORS

SIZE = (45, 38)  # width and height, neither one that the networks take
FILES = ["testA/x.png", *(f"testA_seg/x_{i}.png" for i in range(4))]
RUNS = {  # options of each; their weights are the same
    "pasted": {"ins_max": 3, "ins_per": 2, "paste": 1},
    "filled": {"ins_max": 3, "ins_per": 1, "paste": 0, "paste_on": "fill"},
}
QUICK = "--niter_decay 0 --no_html --print_freq 1000"
FIRST = "--niter 1 --init_gain 0.3 --n_blocks 0 --max_dataset_size 1"
PREDICTOR = "--model mask_predictor --niter 24 --batch_size 2 --ngf 8 --ins_max 2 --scale_jitter 0 --color_jitter 0"


@pytest.fixture(scope="module")
def place(shapes, tmp_path_factory):
    """A folder with a picture of four instances, runs of two kinds, a mask predictor that has learnt
    a little, and a demo of all of them.
    """
    for name in PACKAGES:
        pytest.importorskip(name)
    try:
        archive = runtime.cached()
    except UserError as error:
        pytest.skip(str(error))
    root = tmp_path_factory.mktemp("demo")
    draw_dataset(root / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setattr(train, "memory_line", lambda *_: "")
        for name, words in (("first", FIRST), ("predictor", PREDICTOR)):
            given = f"--name {name} {words} {QUICK}".split()
            train.main(["--dataroot", str(shapes), *tiny_options(words), *given])
        for name, options in RUNS.items():
            copy_run(root / "checkpoints", name, options)
        make_no_masks(root / "checkpoints/pasted/latest_net_G_A.pth")
        names = [word for name in RUNS for word in ("--name", name)]
        words = ["--masks", "predictor", "--direction", "AtoB", "--runtime", str(archive)]
        build_demo.main([*names, *words, "--samples", "data"])
    offer_the_way_back(root / "demo")
    return root


def draw_dataset(root: Path) -> None:
    generator = np.random.default_rng(0)
    squares = {"x": [(2, 3, 7), (12, 4, 13), (30, 20, 10), (5, 25, 11)], "y": [(1, 2, 5)]}
    for folder in ("testA", "testA_seg"):
        (root / folder).mkdir(parents=True)
    for name in squares:
        pixels = generator.integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"testA/{name}.png")
        for i, (left, top, side) in enumerate(squares[name]):
            mask = np.zeros(SIZE[::-1], bool)
            mask[top : top + side, left : left + side] = True
            Image.fromarray(mask).save(root / f"testA_seg/{name}_{i}.png")


def copy_run(folder: Path, name: str, options: dict) -> None:
    shutil.copytree(folder / "first", folder / name)
    path = folder / name / "options.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | options))


def make_no_masks(path: Path) -> None:
    """Have a generator's translated masks empty, so that it pastes on the old objects alone."""
    weights = torch.load(path)
    name = [name for name in weights if name.startswith("decoder_seg") and "bias" in name][-1]
    weights[name].fill_(-1000)
    torch.save(weights, path)


def offer_the_way_back(demo: Path) -> None:
    """The same files as models from B to A, for which there is no mask predictor."""
    manifest = json.loads((demo / "models.json").read_text())
    back = {"direction": "BtoA", "source": "B", "target": "A"}
    manifest["models"] += [model | back for model in manifest["models"]]
    (demo / "models.json").write_text(json.dumps(manifest))


MODEL = {"run": "r", "source": "A", "target": "B", "direction": "AtoB", "masks": 2, "most": 3}
MODEL |= {"style": 0, "multiple": 4, "least": 4, "size": [32, 32]}
MODEL |= {"file": "models/r.onnx", "bytes": 1, "channels": 3, "inputs": [], "union": False}


@pytest.fixture(scope="module")
def without_models(tmp_path_factory):
    """A folder with pictures of the domain A, and a page of them whose models are not there."""
    root = tmp_path_factory.mktemp("page")
    draw_dataset(root / "data")
    (root / "demo").mkdir()
    build_demo.copy_page(root / "demo")
    asked = Namespace(samples=str(root / "data"), sample_count=4)
    samples = write_samples(asked, [MODEL], root / "demo")
    about = {"domains": {}, "colors": COLORS, "webgpu": False, "predictors": []}
    about |= {"models": [MODEL, MODEL | {"run": "other"}], "samples": samples}
    write_json(root / "demo/models.json", about)
    return root


@pytest.fixture(scope="module")
def address(place):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=place / "demo")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(chromium, address):
    """The page in a tab of its own; what it says on its console fails the test."""
    context = chromium.new_context(accept_downloads=True, viewport={"width": 1000, "height": 800})
    tab, wrong = context.new_page(), []
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on(
        "request", lambda asked: asked.url.startswith((address, "blob:")) or wrong.append(asked.url)
    )
    tab.goto(address)
    tab.wait_for_selector("#sample-list button")
    yield tab
    context.close()
    assert not wrong


def give(page, place: Path, run: str, files: list[str]) -> None:
    """Choose a run and open pictures and masks of the dataset, as a reader does."""
    page.select_option("#run", run)
    page.set_input_files("#open-file", [str(place / "data" / file) for file in files])
    page.wait_for_selector("#stage:not([hidden])")


def saved(page, button: str) -> np.ndarray:
    with page.expect_download() as download:
        page.click(button)
    return np.asarray(Image.open(download.value.path()).convert("RGB")).astype(int)


def translated(page) -> np.ndarray:
    page.click("#translate")
    page.wait_for_selector("#result:not([hidden])", timeout=30000)
    page.wait_for_selector("#stop", state="hidden")
    return saved(page, "#download")


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def expect(locator):
    return pytest.importorskip("playwright.sync_api").expect(locator)


def tells(page, words: str) -> None:
    """The status line says this before long."""
    expect(page.locator("#status")).to_contain_text(words, timeout=20000)


def shows(page, name: str) -> None:
    """The picture of this name is there before long."""
    expect(page.locator("#about-picture")).to_contain_text(f"{name}, ", timeout=20000)


def drag(page, points: list[tuple[float, float]]) -> None:
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def areas(page) -> list[int]:
    """Of each instance in the list, as a reader of the screen hears them."""
    picks = page.locator("#instances .pick").all()
    return [int(one.get_attribute("aria-label").split()[2]) for one in picks]
