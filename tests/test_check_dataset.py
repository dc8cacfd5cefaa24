"""The checker: finds what is wrong and nothing else, mends a copy, shows a page."""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

import train
from conftest import ROOT, one_line_error
from datasets import check_dataset
from datasets.making.report import inspect


def check(root: Path, *words: str) -> int:
    """The exit code of the command."""
    try:
        check_dataset.main([str(root), "--workers", "1", *words])
    except SystemExit as stop:
        return stop.code
    return 0


def problems(root: Path) -> set[tuple[str, str]]:
    """Kind and file of everything wrong."""
    found = inspect(root, 1).problems
    assert len({(p.kind, p.path) for p in found}) == len(found)  # nothing is told twice
    assert all(str(p.path) in p.text for p in found)
    return {(p.kind, str(p.path.relative_to(root))) for p in found}


def grey(path: Path, change) -> None:
    Image.fromarray(change(np.asarray(Image.open(path))).astype(np.uint8)).save(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def soft(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask.astype(float), 1)
    return (padded[:-2, 1:-1] + padded[2:, 1:-1] + 2 * mask) / 4


@pytest.fixture
def broken(shapes, tmp_path) -> tuple[Path, set[tuple[str, str]]]:
    """A copy of the shapes, broken in fifteen ways, and what must be found."""
    root = tmp_path / "broken"
    shutil.copytree(shapes, root)
    masks, pictures = root / "trainA_seg", root / "trainA"
    cut(pictures / "00000.png")
    (root / "trainB" / "00000.png").write_text("no picture")
    cut(root / "trainB_seg" / "00001_0.png")
    Image.new("L", (20, 30), 255).save(masks / "00001_0.png")
    grey(masks / "00002_0.png", lambda mask: mask * 0)
    grey(masks / "00003_0.png", lambda mask: mask // 255)
    grey(root / "trainB_seg" / "00003_0.png", soft)
    grey(root / "trainB_seg" / "00002_0.png", lambda mask: mask * 0 + 255)
    shutil.copy(masks / "00004_0.png", masks / "99999_0.png")
    shutil.copy(masks / "00004_0.png", masks / "00004_77.png")
    shutil.copy(masks / "00004_0.png", masks / "00004.png")
    for path in (root / "trainB_seg").glob("00004_*"):
        path.unlink()
    Image.open(pictures / "00005.png").save(root / "testA" / "00001.png", optimize=True)
    shutil.copy(pictures / "00005.png", pictures / "00005.PNG")
    (root / "testB" / "notes.txt").write_text("remember")
    return root, {
        ("unreadable", "trainA/00000.png"),
        ("unreadable", "trainB/00000.png"),
        ("unreadable", "trainB_seg/00001_0.png"),
        ("size", "trainA_seg/00001_0.png"),
        ("empty mask", "trainA_seg/00002_0.png"),
        ("other values", "trainA_seg/00003_0.png"),
        ("not binary", "trainB_seg/00003_0.png"),
        ("full mask", "trainB_seg/00002_0.png"),
        ("orphan mask", "trainA_seg/99999_0.png"),
        ("same mask", "trainA_seg/00004_77.png"),
        ("mask name", "trainA_seg/00004.png"),
        ("no mask", "trainB/00004.png"),
        ("duplicate", "testA/00001.png"),
        ("same name", "trainA/00005.PNG"),
        ("not a picture", "testB/notes.txt"),
    }


def test_a_sound_dataset_has_no_problem(shapes, capsys):
    assert problems(shapes) == set()
    assert check(shapes) == 0
    said = capsys.readouterr().out
    assert "nothing wrong" in said and "trainA: instances per picture" in said
    counts = {name: len(found) for name, found in inspect(shapes, 2).facts.items()}
    assert counts == {"trainA": 6, "trainB": 6, "testA": 3, "testB": 3}


def test_everything_broken_is_found_and_nothing_else(broken, capsys):
    root, expected = broken
    assert problems(root) == expected
    assert check(root) == 1
    said = capsys.readouterr().out
    assert "15 problems" in said
    assert all(str(root / path) in said for _, path in expected)


def test_folders_that_are_missing_or_empty(shapes, tmp_path, capsys):
    shutil.copytree(shapes, tmp_path / "data")
    shutil.rmtree(tmp_path / "data/trainB_seg")
    shutil.rmtree(tmp_path / "data/testA")
    (tmp_path / "data/testA").mkdir()
    found = problems(tmp_path / "data")
    assert ("no mask folder", "trainB_seg") in found and ("no picture", "testA") in found
    assert not any(kind == "no mask" for kind, _ in found)  # not once more for every picture
    assert check(tmp_path / "nowhere") == 2
    one_line_error(capsys, "nowhere")
    (tmp_path / "other").mkdir()
    assert check(tmp_path / "other") == 2
    one_line_error(capsys, "is no dataset")


def test_plain_folders_need_no_masks(shapes, tmp_path):
    for domain in "AB":
        shutil.copytree(shapes / f"train{domain}", tmp_path / "plain" / f"train{domain}")
    assert problems(tmp_path / "plain") == set()


def test_a_mended_copy_is_sound_and_the_original_untouched(broken, tmp_path, capsys):
    root, _ = broken

    def state() -> dict:
        files = sorted(p for p in root.rglob("*") if p.is_file())
        return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in files}

    before, fixed = state(), tmp_path / "fixed"
    assert check(root, "--fix", str(fixed)) == 1
    assert state() == before
    capsys.readouterr()
    assert problems(fixed) == {
        ("full mask", "trainB_seg/00002_0.png")
    }  # whether to use it is yours
    stems = {d: {p.stem for p in (fixed / f"train{d}").iterdir()} for d in "AB"}
    assert not {"00000"} & (stems["A"] | stems["B"]) and "00004" not in stems["B"]
    assert {p.stem for p in (fixed / "testA").iterdir()} == {"00000", "00002"}
    original = np.asarray(Image.open(root / "trainA_seg/00003_0.png"))
    mended = np.asarray(Image.open(fixed / "trainA_seg/00003_0.png"))
    assert np.array_equal(mended, original * 255)
    assert (fixed / "testA_background/00000.png").is_file()  # what else lies there comes along
    assert check(root, "--fix", str(fixed)) == 2
    one_line_error(capsys, "--fix", "exists")


class Images(HTMLParser):
    def __init__(self):
        super().__init__()
        self.sources, self.cards = [], []

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        if tag == "img":
            self.sources.append(facts["src"])
            assert facts["alt"] and facts["loading"] == "lazy"
        if "card" in facts.get("class", "").split():
            self.cards.append(facts)


def test_the_page_shows_every_picture_and_every_problem(broken, tmp_path):
    root, expected = broken
    check(root, "--page_folder", str(tmp_path / "page"))
    text = (tmp_path / "page/index.html").read_text()
    page = Images()
    page.feed(text)
    assert len(page.cards) == 18 and len(page.sources) == 16  # two cannot be shown
    for source in page.sources:
        assert Image.open(tmp_path / "page" / source).size[0] > 100
    assert not re.search(r"https?://", text)  # opens from the file system, offline
    wrong = {card["data-name"] for card in page.cards if "problem" in card["class"]}
    assert {"trainA/00003.png", "testA/00001.png", "trainB/00004.png"} <= wrong
    assert len(wrong) == 11
    check(root, "--page_folder", str(tmp_path / "few"), "--page_limit", "1")
    page = Images()
    page.feed((tmp_path / "few/index.html").read_text())
    assert [card["data-name"] for card in page.cards][0] == "trainA/00000.png"
    assert len(page.cards) == 4


def test_training_refuses_what_cannot_work_and_tells_the_rest(broken, run, capsys):
    root, _ = broken
    with pytest.raises(SystemExit) as stop:
        run(train.main, "--name r", dataroot=root)
    assert stop.value.code == 2
    captured = capsys.readouterr()
    assert "trainA_seg/00001_0.png is 30x20" in captured.err
    for path in ("trainA_seg/00001_0.png", "trainA/00000.png", "trainB/00000.png"):
        (root / path).unlink()
    cut_mask = root / "trainB_seg/00001_0.png"
    cut_mask.unlink()
    run(
        train.main,
        "--name r --niter 1 --niter_decay 0 --max_dataset_size 2 --no_html",
        dataroot=root,
    )
    said = capsys.readouterr().out
    assert "belongs to no picture" in said and "00004.png has no number" in said
    assert "1 of 5 pictures" in said and "00005.PNG is not read" in said


def test_masks_with_alpha_are_judged_and_mended_by_their_grey(shapes, tmp_path, capsys):
    root = tmp_path / "data"
    shutil.copytree(shapes, root)
    path, empty = root / "trainA_seg/00000_0.png", root / "trainA_seg/00001_0.png"
    mask = np.asarray(Image.open(path)) > 127
    for target, grey_levels in ((path, mask * 1), (empty, mask * 0)):
        pixels = np.dstack([grey_levels, np.full(mask.shape, 255)]).astype(np.uint8)
        Image.fromarray(pixels).save(target)
    assert problems(root) == {
        ("other values", "trainA_seg/00000_0.png"),
        ("empty mask", "trainA_seg/00001_0.png"),
    }
    check(root, "--fix", str(tmp_path / "fixed"))
    mended = np.asarray(Image.open(tmp_path / "fixed/trainA_seg/00000_0.png")) > 127
    assert np.array_equal(mended, mask)


def test_mending_keeps_one_of_two_twins_and_refuses_what_it_cannot_mend(shapes, tmp_path, capsys):
    root = tmp_path / "data"
    shutil.copytree(shapes, root)
    shutil.copy(root / "trainA/00000.png", root / "testA/00000.png")
    for path in (root / "trainA_seg").glob("00000_*"):
        grey(path, lambda mask: mask * 0)
    shutil.copy(root / "trainB_seg/00000_0.png", root / "trainB_seg/00000_9.png")
    grey(root / "trainB_seg/00000_9.png", lambda mask: mask // 255)  # the same when it is mended
    (root / "notes").mkdir()
    (root / "notes/dangling").symlink_to("nowhere")
    check(root, "--fix", str(tmp_path / "fixed"))
    assert not (tmp_path / "fixed/trainA/00000.png").exists()
    assert (tmp_path / "fixed/testA/00000.png").is_file()
    assert problems(tmp_path / "fixed") == set()

    capsys.readouterr()
    for where in (root / "inside", root / "trainA/inside"):
        assert check(root, "--fix", str(where)) == 2
        one_line_error(capsys, "--fix", "outside")
    for path in (root / "trainA_seg").iterdir():
        grey(path, lambda mask: mask * 0)
    assert check(root, "--fix", str(tmp_path / "none")) == 2
    one_line_error(capsys, "no picture of trainA can be used")
    assert not (tmp_path / "none").exists()


def test_odd_names_links_and_nested_folders(shapes, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(shapes, root)
    for name in ("a#1.png", "b?x.png", "c%20d.png", "a_b.png", "a/b.png"):
        (root / "testA" / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / "testA/00000.png", root / "testA" / name)
        mask = root / "testA_seg" / name.replace(".png", "_0.png")
        mask.parent.mkdir(exist_ok=True)
        shutil.copy(root / "testA_seg/00000_0.png", mask)
    assert [kind for kind, _ in problems(root)] == ["same result"]
    linked = tmp_path / "linked"
    shutil.copytree(root / "trainA", linked)
    shutil.rmtree(root / "trainA/sub", ignore_errors=True)
    (root / "trainA/sub").symlink_to(linked)
    (root / "trainA/sub/loop").symlink_to(linked)
    assert ("no mask", "trainA/sub/00000.png") in problems(root)
    check(root, "--page_folder", str(tmp_path / "page"))
    page = Images()
    page.feed((tmp_path / "page/index.html").read_text())
    for source in page.sources:
        assert (tmp_path / "page" / unquote(source)).is_file()
    assert "images/testA/a%231.png.jpg" in page.sources
    assert len(set(page.sources)) == len(page.sources)


def test_a_broken_exif_is_read_over_in_silence(shapes, tmp_path):
    shutil.copytree(shapes, root := tmp_path / "odd")
    picture = Image.open(root / "trainA" / "00000.png").copy()
    broken = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01"
    picture.save(root / "trainA" / "00000.jpg", exif=broken)
    (root / "trainA" / "00000.png").unlink()
    done = subprocess.run(
        [sys.executable, "datasets/check_dataset.py", str(root)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
