"""Results meet the dataset that they were made from, or none."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from scoring import SIDE, block, copy_as_results, scores, write_pair
from scoring import call as evaluate_results

import evaluate
import test as test_command
import train
from conftest import one_line_error
from datasets import generate_shapes_dataset
from metrics.pairs import PairFolder
from metrics.provenance import MOST, check_sources
from metrics.reals import Preparation
from options.base_options import MODES
from util.errors import UserError


def write_data(root: Path, names: list[str], level: int = 100, side: int = SIDE) -> Path:
    (root / "testA").mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (side, side), (level,) * 3).save(root / f"testA/{name}.png")
    return root


def write_listing(folder: Path, names: list[str], **data) -> None:
    """A list of results from A, as test.py writes it, of pictures that kept their size."""
    pictures = [
        {
            "name": name,
            "source": "A",
            "files": {role: f"images/{name}_{role}.png" for role in ("real_A_img", "fake_B_img")},
            "masks": {"real_A_mask_0": f"images/{name}_real_A_mask_0.png"},
            "width": SIDE,
        }
        for name in names
    ]
    known = {"phase": "test", "channels": 3, "aspect_ratio": 1.0, "preprocessing": None}
    listing = {"data": known | {"dataroot": "D1"} | data, "pictures": pictures}
    (folder / "results.json").write_text(json.dumps(listing))


def check(folder: Path, root: Path) -> None:
    results = PairFolder(folder)
    check_sources(results, "A", root, "test", Preparation.of(results.listing, (SIDE, SIDE)))


def test_the_dataset_of_results_is_known_by_all_names_and_by_pixels(tmp_path):
    names = [f"{i:03d}" for i in range(MOST + 3)]
    folder = tmp_path / "r"
    for name in names:
        write_pair(folder, name, {0: block(0, 0)}, {})
    write_listing(folder, names)
    for root, said in (
        (write_data(tmp_path / "less", names[:1] + names[2:]), f"has no picture {names[1]}"),
        (write_data(tmp_path / "none", []), f"has no picture {names[0]}"),
        (write_data(tmp_path / "dark", names, level=90), "testA/000.png is another picture"),
        (write_data(tmp_path / "large", names, side=48), "testA/000.png is another picture"),
    ):
        with pytest.raises(UserError) as refused:
            check(folder, root)
        for word in (f"--dataroot {root}", f"{folder} has translations of D1", said):
            assert word in str(refused.value)
    check(folder, write_data(tmp_path / "near", names, level=106))
    (tmp_path / "elsewhere").mkdir()
    check(folder, tmp_path / "elsewhere")  # which has no such phase


def test_lists_of_results_that_do_not_fit_are_one_line_too(tmp_path):
    """Pictures too small for the crop that theirs had; a list that does not name its dataset."""
    folder, root = tmp_path / "r", write_data(tmp_path / "d", ["x"], level=200)
    write_pair(folder, "x", {0: block(0, 0)}, {})
    crop = {"mode": "crop", "load_size": [64, 64], "fine_size": [64, 64]}
    for data in ({"preprocessing": crop | {"flip": False, "random": False}}, {"dataroot": None}):
        write_listing(folder, ["x"], **data)
        with pytest.raises(UserError, match="x.png is another picture"):
            check(folder, root)


def test_results_are_scored_with_the_data_they_were_made_from(run, shapes, tmp_path, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0")
    other = tmp_path / "other"
    generate_shapes_dataset.main(
        f"--save_root {other} --size 32 --train 6 --test 3 --seed 9".split()
    )
    sizes = "--load_size 40 --crop_size 32"
    modes = [f"--preprocess {mode} {sizes}" for mode in reversed(MODES)]
    for words in ("--keep_size --aspect_ratio 1.5", "--aspect_ratio 0.7", *modes, "--keep_size"):
        run(test_command.main, f"--name r {words}")
        names = "--metrics background,mask"
        run(evaluate.main, f"--results results/r/test_latest {names}")
        with pytest.raises(SystemExit) as stop:
            run(evaluate.main, f"--results results/r/test_latest {names}", dataroot=other)
        assert stop.value.code == 2
        assert "testA/00000.png is another picture" in capsys.readouterr().err
    shutil.copytree(shapes, moved := tmp_path / "moved")
    run(evaluate.main, "--results results/r/test_latest", dataroot=moved)
    (moved / "testA/00001.png").unlink()
    with pytest.raises(SystemExit):
        run(evaluate.main, "--results results/r/test_latest", dataroot=moved)
    one_line_error(capsys, "has no picture 00001", "--dataroot", "translate anew")


def test_foreign_results_are_scored_with_any_dataset(tmp_path):
    write_pair(folder := tmp_path / "r", "x", {0: block(0, 0)}, {0: block(0, 0)}, change=9)
    for root in (write_data(tmp_path / "none", []), write_data(tmp_path / "other", ["z"])):
        evaluate_results(f"--dataroot {root} --results {folder} --metrics background,mask")
        assert scores(folder)["AtoB"]["background_l1"] == 9


def test_foreign_results_meet_drawn_backgrounds_only_of_their_own_pictures(
    shapes, tmp_path, capsys
):
    folder = copy_as_results(shapes, tmp_path / "results")
    evaluate_results(f"--dataroot {shapes} --results {folder} --metrics shapes")
    Image.new("RGB", (32, 32), "white").save(folder / "images/00001_real_A_img.png")
    evaluate_results(f"--dataroot {shapes} --results {folder} --metrics background")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        evaluate_results(f"--dataroot {shapes} --results {folder} --metrics shapes")
    one_line_error(capsys, "testA/00001.png is another picture")


def test_clean_backgrounds_are_not_taken_for_those_of_other_pictures(shapes, tmp_path, capsys):
    """Also where the dataset has lost the description of what was drawn."""
    other = tmp_path / "other"
    generate_shapes_dataset.main(
        f"--save_root {other} --size 32 --train 6 --test 3 --seed 9".split()
    )
    for path in other.glob("*_geometry.json"):
        path.unlink()
    folder = copy_as_results(shapes, tmp_path / "results")
    for metrics in ("shapes", "detection --detector shapes"):
        with pytest.raises(SystemExit):
            evaluate_results(f"--dataroot {other} --results {folder} --metrics {metrics}")
        one_line_error(capsys, "testA/00000.png is another picture")
