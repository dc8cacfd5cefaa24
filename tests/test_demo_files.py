"""The page of scripts/build_demo.py without models: picture and mask files, read and saved."""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from demo_page import (  # noqa: F401, fixtures
    FILES,
    address,
    areas,
    drag,
    expect,
    give,
    page,
    saved,
    shows,
    tells,
    without_models,
)
from foreign import noise
from PIL import Image
from test_foreign_masks import EXTREMES, palette

from data.masks import read_mask
from data.pictures import read_image

# ruff: noqa: F811, fixtures are named like what was imported


@pytest.fixture(scope="module")
def place(without_models):
    return without_models


READ = """async ([kind, bytes, size]) => {
  const files = await import("./files.js");
  const blob = new Blob([Uint8Array.from(atob(bytes), (one) => one.charCodeAt(0))]);
  if (kind === "picture") return [...(await files.readPicture(blob, "a.png")).data];
  const picture = { width: size[0], height: size[1], original: { width: size[0], height: size[1] } };
  return files.readMask(blob, "a.png", picture).then((mask) => [...mask], (error) => error.message);
}"""


def in_the_browser(page, picture: Image.Image, path: Path, kind: str, **save):
    """What the page reads from a file, which is written for Python as well."""
    picture.save(path, **save)
    return page.evaluate(READ, [kind, base64.b64encode(path.read_bytes()).decode(), picture.size])


NOT_READ = {"16 bits, 0 and 1", "16 bits, 0 and 255", "a palette that is bright everywhere"}
MASKS = {
    kind: picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    for kind, picture in EXTREMES.items()
    if kind not in NOT_READ and not kind.startswith(("floats", "32"))
}
MASKS["a photo"] = Image.fromarray(noise())
MASKS["a photo, half transparent"] = Image.fromarray(np.dstack([noise(), noise()[..., 0]]))
MASKS["three dark values"] = Image.fromarray(noise()[..., 0] // 120)
MASKS["white everywhere"] = Image.new("L", (20, 10), 255)
MASKS["1 everywhere"] = Image.new("L", (20, 10), 1)


def test_masks_are_read_as_in_python(place, page, tmp_path):
    for kind, picture in MASKS.items():
        found = in_the_browser(page, picture, tmp_path / "a.png", "mask")
        expected = read_mask(tmp_path / "a.png")
        if expected.any():
            assert found == expected.flatten().tolist(), kind
        else:
            assert "has no white pixel" in found, kind


def test_pictures_are_read_as_in_python(place, page, tmp_path):
    """Their alpha is dropped; only where it is 0 a canvas does not know the colour."""
    alpha = np.where(noise()[..., 0] < 100, 0, np.maximum(noise()[..., 1], 128)).astype(np.uint8)
    kinds = {
        "colours": Image.fromarray(noise()),
        "grey": Image.fromarray(noise()[..., 0]),
        "alpha": Image.fromarray(np.dstack([noise(), alpha])),
        "grey and alpha": Image.fromarray(np.dstack([noise()[..., 0], alpha])),
        "a palette": palette(noise()[..., 0] % 4, [*range(0, 240, 20)]),
    }
    for kind, picture in kinds.items():
        found = in_the_browser(page, picture, tmp_path / "a.png", "picture")
        found = np.reshape(found, (picture.height, picture.width, 4))
        known = alpha > 0 if "alpha" in kind else np.ones_like(alpha, bool)
        differences = abs(found[..., :3] - read_image(tmp_path / "a.png", 3).transpose(1, 2, 0))
        assert differences[known].max() <= ("alpha" in kind), kind
        assert (found[..., 3] == 255).all() and not found[~known, :3].any()


def test_masks_are_saved_as_they_are_read(place, page):
    give(page, place, "r", FILES[:2])
    expected = read_mask(place / "data" / FILES[1])
    assert np.array_equal(saved(page, "#save")[..., 0], 255 * expected)


def test_masks_of_a_huge_picture_are_saved_as_they_are_painted(page):
    buffer = BytesIO()
    Image.new("L", (4400, 3900)).save(buffer, "png", compress_level=1)
    huge = {"name": "huge.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    page.set_input_files("#open-file", huge)
    shows(page, "huge")
    page.focus("#stage")
    page.keyboard.press("Space")
    assert saved(page, "#save").shape == (1815, 2048, 3)
    tells(page, "saved at 2048 × 1815 pixels")


def test_what_will_not_do_is_said(place, page):
    give(page, place, "r", ["testA/x.png"])
    Image.new("L", (20, 30), 255).save(place / "data/x_7.png")
    page.set_input_files("#load-file", str(place / "data/x_7.png"))
    tells(page, "x_7.png is 20 × 30 and the picture 45 × 38")
    page.set_input_files("#open-file", {"name": "a.png", "mimeType": "image/png", "buffer": b"no"})
    tells(page, "a.png cannot be read")
    page.focus("#stage")
    page.keyboard.press("Space")
    page.evaluate("() => { HTMLCanvasElement.prototype.toBlob = (give) => give(null); }")
    page.click("#save")
    tells(page, "x_0.png cannot be saved: the browser has no memory for 45 × 38 pixels")
