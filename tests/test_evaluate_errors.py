"""evaluate.py on bad input: one line, and nothing lost."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from scoring import call, copy_as_results

import evaluate
import train
from conftest import one_line_error
from options import evaluate_options

pytestmark = pytest.mark.usefixtures("short_trainings")


# ---- bad input


def test_mistakes_on_the_command_line(shapes, tmp_path, capsys):
    (tmp_path / "empty/images").mkdir(parents=True)
    same = copy_as_results(shapes, tmp_path / "same")
    results = f"--dataroot {shapes} --results {same}"
    for words, said in (
        (f"--dataroot {shapes}", ["--name", "--results"]),
        (f"{results} --name r", ["--name", "--results"]),
        ("--dataroot nowhere --results x", ["--dataroot nowhere"]),
        (f"{results} --metrics fud", ["--metrics fud", "did you mean fid?"]),
        (f"{results} --metrik fid", ["--metrik", "did you mean --metrics?"]),
        (f"{results} --classifier_weights gone.pth", ["--classifier_weights gone.pth"]),
        (f"{results} --batch 0", ["--batch 0"]),
        (f"{results} --classifier_weights coco", ["--classifier_weights coco", "imagenet or none"]),
        (f"{results} --classifier small --classifier_weights imagenet", ["--classifier_weights imagenet"]),
        (f"--dataroot {shapes} --name r --dry_run", ["--dry_run"]),
        (f"{results} --categories sheep", ["--categories sheep", "two names"]),
        (f"{results} --metrics detection --detector maskrcnn", ["--categories"]),
        (f"{results} --metrics detection --detector maskrcnn --categories shep,giraffe", ["--categories shep", "did you mean sheep?"]),
        (f"--dataroot {shapes} --results {tmp_path}", ["no folder images"]),
        (f"--dataroot {shapes} --results {tmp_path / 'empty'}", ["fake_B_img.png"]),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            call(words)
        assert stop.value.code == 2
        one_line_error(capsys, *said)


def test_files_that_are_missing_or_do_not_fit_are_named(shapes, tmp_path, capsys):
    folder = copy_as_results(shapes, tmp_path / "r")
    mask = folder / "images/00000_fake_B_mask_0.png"
    Image.new("L", (8, 8)).save(mask)
    words = f"--dataroot {shapes} --results {folder} --metrics mask"
    with pytest.raises(SystemExit):
        call(words)
    one_line_error(capsys, mask.name, "8x8", "32x32")
    mask.unlink()
    (folder / "images/00001_fake_B_img.png").unlink()
    with pytest.raises(SystemExit):
        call(words)
    one_line_error(capsys, "00001_fake_B_img.png is missing")
    (folder / "images/00000_real_A_img.png").unlink()
    with pytest.raises(SystemExit):
        call(words)
    one_line_error(capsys, "00000_real_A_img.png is missing")


def test_broken_lists_and_weights_are_one_line(run, shapes, tmp_path, capsys):
    folder = copy_as_results(shapes, tmp_path / "r")
    words = f"--dataroot {shapes} --results {folder}"
    for text in ("{}", "[]", "{", '{"pictures": [], "data": {}}'):
        (folder / "results.json").write_text(text)
        with pytest.raises(SystemExit):
            call(words)
        one_line_error(capsys, "results.json")
    (folder / "results.json").unlink()
    (tmp_path / "inception.pth").write_text("not weights")
    with pytest.raises(SystemExit):
        call(f"{words} --metrics fid --inception_weights {tmp_path}/inception.pth")
    one_line_error(capsys, "inception.pth")
    root = tmp_path / "data"
    shutil.copytree(shapes, root)
    for path in (root / "trainA_seg").iterdir():
        path.unlink()
    with pytest.raises(SystemExit):
        call(
            f"--dataroot {root} --results {folder} --metrics masked_classification --classifier small"
        )
    one_line_error(capsys, "trainA", "no pictures with masks")
    for text in ("[1]", '{"categories": 3}', "{"):
        (root / "dataset.json").write_text(text)
        with pytest.raises(SystemExit):
            call(f"--dataroot {root} --results {folder}")
        one_line_error(capsys, "dataset.json")


def test_what_cannot_be_scored_is_said_before_anything_is_translated(run, shapes, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    with pytest.raises(SystemExit):
        run(evaluate.main, "--name r --metrics detection --detector maskrcnn")
    one_line_error(capsys, "--categories")
    assert not Path("results").exists()


def test_few_pictures_are_a_warning_beside_the_number(run, shapes, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    run(evaluate.main, "--name r --metrics fid --classifier small")
    warning = f"warning: only 6 pictures in {shapes}/trainA"
    assert warning in capsys.readouterr().out
    folder = Path("results/r/test_latest")
    assert any(
        warning in note
        for note in json.loads((folder / "metrics_detail.json").read_text())["about"]["notes"]
    )
    assert "only 6 pictures" in (folder / "index.html").read_text()


def test_help_names_every_metric(capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate_options.build_parser().parse_args(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for word in ("masked_classification", "--inception_weights", "vgg16", "--categories"):
        assert word in text
