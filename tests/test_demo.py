"""The page of scripts/build_demo.py: what it makes of a picture is what test.py makes of it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from demo_page import (  # noqa: F401, fixtures
    FILES,
    SIZE,
    address,
    areas,
    drag,
    expect,
    give,
    page,
    pixels,
    place,
    saved,
    tells,
    translated,
)
from PIL import Image

import test
from conftest import TINY, refused
from data.transforms import make_scene, pad_scene
from scripts import build_demo
from scripts.demo import runtime
from scripts.demo.models import halve_weights

# ruff: noqa: F811, fixtures are named like what was imported


# ---- translating


@pytest.mark.parametrize("run,steps", [("plain", 2), ("filled", 3)])
def test_the_page_translates_as_test_py_does(place, page, monkeypatch, run, steps):
    """Three of four instances, group after group; the fourth stays, and lends the fill no colour."""
    monkeypatch.chdir(place)
    test.main([*TINY[:2], *f"--dataroot data --name {run} --keep_size --direction AtoB".split()])
    results = place / f"results/{run}/test_latest/images"
    expected = pixels(results / "x_fake_B_img.png")
    give(page, place, run, FILES)
    found = translated(page)
    assert found.shape == expected.shape and abs(found - expected).max() <= 2
    assert abs(found - pixels(place / "data/testA/x.png")).mean() > 10
    tells(page, "3 largest of 4")
    buttons = page.locator("#steps button")
    assert buttons.count() == steps
    buttons.first.click()
    first = saved(page, "#download")
    expected = pixels(results / "x_fake_B_step_1.png")
    assert abs(first - expected).max() <= 2 and abs(first - found).max() > 2


def test_what_is_painted_changes_and_nothing_else(place, page):
    give(page, place, "pasted", ["testA/x.png"])
    page.fill("#brush", "8")
    box = page.locator("#stage").bounding_box()
    scale = box["width"] / SIZE[0]
    drag(
        page,
        [(box["x"] + x * scale, box["y"] + y * scale) for x, y in ((10, 10), (20, 10), (20, 22))],
    )
    painted = saved(page, "#save")[..., 0] > 127
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]] + 0.5
    across, down = np.clip(columns, 10, 20), np.clip(rows, 10, 22)
    distance = np.minimum(
        np.hypot(rows - 10, columns - across), np.hypot(rows - down, columns - 20)
    )
    assert painted[distance < 3].all() and not painted[distance > 5].any()
    found, source = translated(page), pixels(place / "data/testA/x.png")
    far = distance > 5 + 3  # --paste 1 fades over two pixels, each way
    assert np.array_equal(found[far], source[far])
    assert abs(found - source)[distance < 3].mean() > 10


def test_found_objects_are_the_instances(place, page):
    """Of a second slot the score is 0."""
    give(page, place, "plain", ["testA/x.png"])
    page.click("#find")
    tells(page, "1 object found")
    bright = pixels(place / "data/testA/x.png")[..., 0] > 127
    assert np.array_equal(saved(page, "#save")[..., 0] > 127, bright)
    Image.new("RGB", SIZE, "black").save(place / "data/dark.png")
    give(page, place, "plain", ["dark.png"])
    page.click("#find")
    tells(page, "No object found")
    page.select_option("#way", "BtoA")
    assert page.locator("#find").is_hidden()


GIVEN = """async ([model, picture, masks]) => {
  const { translate } = await import("./translate.js");
  const given = [], nothing = () => {};
  const plain = ({ dims, data }) => ({ dims, data: [...data] });
  const call = async (feeds) => {
    given.push(Object.fromEntries(Object.entries(feeds).map(([name, one]) => [name, plain(one)])));
    return { translated_image: feeds.image, translated_masks: feeds.masks };
  };
  await translate(model, call, { picture, masks, style: [] }, nothing, nothing);
  return given;
}"""


@pytest.mark.parametrize("channels", [1, 3])
def test_what_networks_are_given(page, channels):
    """Grey as Pillow makes it, sides grown by reflection, and the union of the largest masks."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (7, 10, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    masks = generator.random((3, 7, 10)) < np.array([0.2, 0.6, 0.4])[:, None, None]
    model = {"inputs": ["image", "masks", "present", "others"], "channels": channels, "masks": 1}
    model |= {"most": 2, "union": True, "multiple": 4, "least": 24}
    picture = {"width": 10, "height": 7, "data": pixels.flatten().tolist()}
    words = [model, picture, [mask.flatten().astype(int).tolist() for mask in masks]]
    (given,) = page.evaluate(GIVEN, words)
    image = np.atleast_3d(Image.fromarray(pixels).convert("RGB" if channels == 3 else "L"))
    tensors = (torch.tensor(image).permute(2, 0, 1), torch.tensor(masks[1:]))
    scene = make_scene(*tensors, "x", (1, 2), {"others": torch.tensor(masks[:1])})
    scene = pad_scene(scene.merged().normalized(), 4, 24)
    expected = {
        "image": scene.image,
        "masks": scene.masks,
        "present": scene.present,
        **scene.extras,
    }
    assert {*given} == {*expected}
    for name, tensor in expected.items():
        found = np.reshape(given[name]["data"], given[name]["dims"])
        np.testing.assert_allclose(found, tensor.numpy(), atol=1e-6)


# ---- painting


def test_every_change_can_be_undone(place, page):
    give(page, place, "plain", FILES)
    box = page.locator("#stage").bounding_box()
    at = SimpleNamespace(
        left=box["x"] + 15, top=box["y"] + 15, right=box["x"] + 200, bottom=box["y"] + 150
    )
    seen = [areas(page)]
    assert seen == [[49, 169, 100, 121]]
    changes = [  # each with the number of instances after it
        (4, lambda: drag(page, [(at.left, at.top), (at.right, at.bottom)])),
        (
            4,
            lambda: (page.keyboard.press("e"), drag(page, [(at.left, at.top), (at.right, at.top)])),
        ),
        (3, lambda: page.click("[aria-label='delete instance 2']")),
        (4, lambda: page.keyboard.press("n")),
        (4, lambda: outline(page, at)),
        (5, lambda: page.set_input_files("#load-file", str(place / "data/testA_seg/x_1.png"))),
    ]
    for count, change in changes:
        change()
        expect(page.locator("#instances li")).to_have_count(count)
        seen.append(areas(page))
        assert seen[-1] != seen[-2]
    assert seen[-1][-1] == 169
    for expected in reversed(seen[:-1]):
        page.keyboard.press("Control+z")
        assert areas(page) == expected
    assert page.locator("#undo").is_disabled()
    for expected in seen[1:]:
        page.keyboard.press("Control+Shift+Z")
        assert areas(page) == expected
    assert page.locator("#redo").is_disabled()


def outline(page, at) -> None:
    """A triangle, closed by Enter."""
    page.keyboard.press("o")
    for x, y in ((at.left, at.top), (at.right, at.top), (at.left, at.bottom)):
        page.mouse.click(x, y)
    page.focus("#stage")
    page.keyboard.press("Enter")


def test_painting_by_keys_alone(place, page):
    give(page, place, "plain", ["testA/x.png"])
    assert areas(page) == [0]
    page.focus("#stage")
    page.keyboard.press("Space")
    once = areas(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert 0 < once[0] < areas(page)[0]
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#result:not([hidden])", timeout=30000)


def test_on_a_phone(place, address, chromium):
    """Nothing is wider than the screen, and a finger paints."""
    size = {"width": 360, "height": 740}
    context = chromium.new_context(viewport=size, has_touch=True, is_mobile=True)
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_selector("#sample-list button")
    give(tab, place, "plain", ["testA/x.png"])
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.locator("#stage").scroll_into_view_if_needed()
    tab.locator("#stage").tap()
    assert areas(tab)[0] > 0
    context.close()


# ---- what goes wrong


def test_what_will_not_do_is_said(place, page):
    give(page, place, "plain", ["testA/x.png"])
    page.click("#translate")
    tells(page, "No instance is painted")
    Image.new("L", (20, 30), 255).save(place / "data/x_7.png")
    page.set_input_files("#load-file", str(place / "data/x_7.png"))
    tells(page, "x_7.png is 20 × 30 and the picture 45 × 38")
    page.set_input_files("#open-file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no"})
    tells(page, "a.png cannot be read")
    page.route("**/plain_AtoB.onnx", lambda route: route.fulfill(body="no model"))
    page.set_input_files("#load-file", str(place / "data/testA_seg/x_1.png"))
    page.click("#translate")
    tells(page, "models/plain_AtoB.onnx cannot be loaded")


def test_what_stands_in_the_way_is_said(place, address, chromium):
    tab = chromium.new_page()
    tab.goto((place / "demo/index.html").as_uri())
    assert "python -m http.server -d demo" in tab.inner_text("#alarm")
    tab.add_init_script("WebAssembly.validate = () => false")
    tab.goto(address)
    assert "SIMD" in tab.inner_text("#alarm") and not tab.is_visible("#translate")
    tab.close()


# ---- building


def test_half_weights_are_half_as_large_and_nearly_the_same(place, tmp_path):
    import onnx
    import onnxruntime

    whole, half = place / "demo/models/plain_AtoB.onnx", tmp_path / "half.onnx"
    half.write_bytes(whole.read_bytes())
    halve_weights(half)
    weights = sum(x.ByteSize() for x in onnx.load(whole).graph.initializer)
    assert weights - (whole.stat().st_size - half.stat().st_size) < 0.6 * weights
    generator = np.random.default_rng(0)
    given = {
        "image": generator.uniform(-1, 1, (1, 3, 32, 40)).astype("float32"),
        "masks": generator.choice([-1, 1], (1, 2, 32, 40)).astype("float32"),
        "present": np.ones((1, 2), bool),
    }
    first, second = (onnxruntime.InferenceSession(str(x)).run(None, given) for x in (whole, half))
    assert 0 < abs(first[0] - second[0]).max() < 1 / 127.5


def test_what_cannot_be_built_is_refused(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    kept = ["--checkpoints_dir", str(place / "checkpoints")]
    folder = tmp_path / "checkpoints/mgd"
    folder.mkdir(parents=True)
    (folder / "options.json").write_text(json.dumps({"model": "mgd_gan", "stage": "e2e"}))
    (tmp_path / "broken.tgz").write_text("no archive")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/photo.png").touch()
    refusals = [
        (["--name", "plain", "--runtime", "broken.tgz"], ["broken.tgz", "sha512"]),
        (["--name", "plain", "--name", "plain"], ["more than once"]),
        (["--name", "plain", "--out", "full"], ["--out full"]),
        (["--name", "plain", "--samples", "nowhere"], ["--samples nowhere"]),
    ]
    of_runs = [
        (["--name", "mgd"], ["mgd_gan", "test.py"]),
        (["--name", "nothing"], ["nothing/latest_net"]),
        (["--name", "plain", "--masks", "pasted", *kept], ["--masks pasted"]),
        (["--name", "plain", "--direction", "AtoC", *kept], ["--direction AtoC", "AtoB, BtoA"]),
    ]
    for number, (words, said) in enumerate([*refusals, *of_runs]):
        if number == len(refusals):
            monkeypatch.setattr(build_demo, "unpack_runtime", lambda *_: None)
        refused(capsys, lambda words=words: build_demo.main(words), *said)
        assert not (tmp_path / "demo").exists()


def test_without_a_network_the_remedy_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build_demo, "check_packages", lambda what: None)
    monkeypatch.setattr(runtime, "packed_by_npm", lambda folder: False)
    monkeypatch.setattr(runtime, "URL", "http://127.0.0.1:9/nothing.tgz")
    refused(
        capsys, lambda: build_demo.main(["--name", "x", "--out", str(tmp_path / "d")]), "--runtime"
    )
    assert not (tmp_path / "d").exists()
