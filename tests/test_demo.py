"""The page of scripts/build_demo.py: what it makes of a picture is what translate.py makes of it."""

import json
from pathlib import Path

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
    shows,
    tells,
    translated,
)
from PIL import Image

from conftest import refused
from data.transforms import make_scene, pad_scene
from scripts import build_demo
from scripts.demo import runtime
from scripts.demo.models import halve_weights
from scripts.demo.samples import write_sample
from translation import Translator
from util.errors import UserError

# ruff: noqa: F811, fixtures are named like what was imported


# ---- translating


def from_run(place: Path, name: str, **how) -> Translator:
    kept = str(place / "checkpoints")
    return Translator.from_run(f"{kept}/{name}", gpu_ids="-1", checkpoints_dir=kept, **how)


@pytest.mark.parametrize("run,steps", [("pasted", 2), ("filled", 3)])
def test_the_page_translates_as_translate_py_does(place, page, run, steps):
    """Three of four instances, group after group; the fourth stays, and lends the fill no colour."""
    picture, *masks = (place / "data" / file for file in FILES)
    expected = from_run(place, run)(picture, masks)
    give(page, place, run, FILES)
    found = translated(page)
    whole, first = expected.pictures[0], expected.steps[0]
    assert found.shape == whole.shape and abs(found - whole).max() <= 2
    assert abs(found - pixels(picture)).mean() > 5
    tells(page, "3 largest of 4")
    page.select_option("#way", "BtoA")  # what is chosen later does not name the file
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "x_AtoB.png"
    buttons = page.locator("#steps button")
    assert buttons.count() == len(expected.steps) == steps
    buttons.first.click()
    begun = saved(page, "#download")
    assert abs(begun - first).max() <= 2 and abs(begun - found).max() > 2


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


def test_found_objects_are_those_of_the_mask_predictor(place, page, shapes):
    predictor, counts = from_run(place, "filled", masks="auto:predictor").finder, set()
    for path in sorted((shapes / "testA").iterdir()):
        (expected,) = predictor([pixels(path).astype(np.uint8)])
        page.set_input_files("#open-file", str(path))
        shows(page, path.stem)
        page.click("#find")
        tells(page, f"{len(expected)} object" if len(expected) else "No object found")
        assert areas(page) == ([*expected.sum((1, 2))] or [0])
        counts.add(len(expected))
    assert counts - {0}
    page.select_option("#way", "BtoA")
    assert page.locator("#find").is_hidden()


def test_a_picture_without_objects_is_said(place, page):
    """By a mask predictor whose last layer says of every pixel that it is background."""
    import onnx
    from onnx import numpy_helper

    path = place / "demo/models/predictor_AtoA.onnx"
    model = onnx.load(path)
    (bias,) = (x for x in model.graph.initializer if x.name.endswith("last.bias"))
    values = numpy_helper.to_array(bias)
    bias.CopyFrom(numpy_helper.from_array(np.full_like(values, -1000), bias.name))
    blind = model.SerializeToString()
    assert len(blind) == path.stat().st_size
    page.route("**/predictor_AtoA.onnx", lambda route: route.fulfill(body=blind))
    give(page, place, "filled", FILES[:2])
    page.click("#find")
    tells(page, "No object found")
    assert areas(page) == [49]


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


# ---- what goes wrong


def test_what_will_not_do_is_said(place, page):
    give(page, place, "filled", ["testA/x.png"])
    page.click("#translate")
    tells(page, "No instance is painted")
    page.route("**/filled_AtoB.onnx", lambda route: route.fulfill(body="no model"))
    page.set_input_files("#load-file", str(place / "data/testA_seg/x_1.png"))
    page.click("#translate")
    tells(page, "models/filled_AtoB.onnx cannot be loaded")


# ---- building


def test_half_weights_are_half_as_large_and_nearly_the_same(place, tmp_path):
    import onnx
    import onnxruntime

    whole, half = place / "demo/models/pasted_AtoB.onnx", tmp_path / "half.onnx"
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


def test_masks_that_a_sample_has_lost_are_left_out(tmp_path):
    """Its sides are halved: no pixel is left of a line, and the file of nothing would not open."""
    (tmp_path / "samples").mkdir()
    masks = np.zeros((3, 2048, 40), bool)
    masks[0, 1000, :], masks[2, 8:20, 8:20] = True, True
    sample = ("A", "x", np.zeros((3, 2048, 40), np.uint8), masks)
    assert write_sample(0, sample, tmp_path)["masks"] == ["samples/0_0.png"]
    written = np.asarray(Image.open(tmp_path / "samples/0_0.png"))
    assert written.sum() == 36 and [*tmp_path.glob("samples/*_*.png")] == [
        tmp_path / "samples/0_0.png"
    ]


def test_of_a_mask_predictor_only_domains_that_are_translated_are_there(place):
    manifest = json.loads((place / "demo/models.json").read_text())
    assert [one["source"] for one in manifest["predictors"]] == ["A"]
    assert {path.stem for path in (place / "demo/models").iterdir()} == {
        *("pasted_AtoB", "filled_AtoB", "predictor_AtoA")
    }


def test_what_cannot_be_built_is_refused(place, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "checkpoints/mgd"
    folder.mkdir(parents=True)
    (folder / "options.json").write_text(json.dumps({"model": "mgd_gan", "stage": "e2e"}))
    (tmp_path / "broken.tgz").write_text("no archive")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/photo.png").touch()
    kept = f"--checkpoints_dir {place / 'checkpoints'}"
    for words, *said in (
        (f"--name filled --runtime broken.tgz {kept}", "broken.tgz", "sha512"),
        ("--name filled --name filled", "more than once"),
        ("--name filled --masks m --masks n", "--masks n: m finds masks of both domains"),
        ("--name filled --out full", "--out full"),
        ("--name filled --samples nowhere", "--samples nowhere"),
        ("--name mgd", "mgd_gan", "test.py"),
        ("--name nothing", "nothing/latest_net"),
        (f"--name filled --masks pasted {kept}", "--masks pasted", "give it as --name"),
        (f"--name predictor {kept}", "--name predictor", "--masks"),
        (f"--name filled --direction AtoC {kept}", "--direction AtoC", "AtoB, BtoA"),
    ):
        refused(capsys, lambda words=words: build_demo.main(words.split()), *said)
        assert not (tmp_path / "demo").exists()


def test_without_a_network_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(runtime, "packed_by_npm", lambda folder: False)
    monkeypatch.setattr(runtime, "URL", "http://127.0.0.1:9/nothing.tgz")
    with pytest.raises(UserError, match="--runtime FILE.tgz"):
        runtime.unpack_runtime(tmp_path / "demo", None, False)
