"""Data that cannot be trained on: one line that names it, exit code 2."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

import train
from conftest import one_line_error


def spoil(shapes: Path, root: Path, what: str) -> str:
    """A copy of the dataset with one thing broken; returns the name that the error must give."""
    shutil.copytree(shapes, root)
    if what == "empty domain":
        for path in (root / "trainB").iterdir():
            path.unlink()
        return "trainB"
    if what == "no phase":
        shutil.rmtree(root / "trainB")
        return "trainB"
    if what == "no masks":
        shutil.rmtree(root / "trainA_seg")
        return "trainA_seg"
    if what == "all bare":
        for path in (root / "trainA_seg").iterdir():
            path.unlink()
        return "trainA"
    path = root / ("trainA/00003.png" if "picture" in what else "trainA_seg/00003_0.png")
    if what.startswith("truncated"):
        path.write_bytes(path.read_bytes()[:-40])
    elif what.startswith("unreadable"):
        path.write_text("this is no picture")
    elif what == "mask of another size":
        Image.new("L", (20, 30)).save(path)
    return path.name


@pytest.mark.parametrize(
    "what",
    [
        "empty domain",
        "no phase",
        "no masks",
        "all bare",
        "truncated picture",
        "truncated mask",
        "unreadable picture",
        "unreadable mask",
        "mask of another size",
    ],
)
@pytest.mark.parametrize("words", ["", "--num_threads 1"])
def test_bad_data_is_named_in_one_line(run, shapes, tmp_path, capsys, what, words):
    name = spoil(shapes, tmp_path / "bad", what)
    with pytest.raises(SystemExit) as stop:
        run(train.main, f"--name r --niter 1 --niter_decay 0 {words}", dataroot=tmp_path / "bad")
    assert stop.value.code == 2
    one_line_error(capsys, name)
