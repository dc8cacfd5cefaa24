"""No training of a domain in which nothing is marked, whatever the cause."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from foreign import BLOCK, noise
from PIL import Image

import train
from conftest import one_line_error
from datasets import check_dataset

FAULTS = {
    "empty": (BLOCK * 0, "is empty"),
    "full": (BLOCK * 0 + 255, "covers its whole picture"),
    "a label map": (BLOCK + np.roll(BLOCK, 10, 0) * 1, "the values 0, 1 and 2"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("more", ["", " --cache"])
def test_a_domain_without_an_instance_is_refused_before_the_first_step(
    shapes, tmp_path, run, capsys, fault, more
):
    pixels, said = FAULTS[fault]
    root = tmp_path / "data"
    shutil.copytree(shapes, root)
    for path in (root / "trainA_seg").iterdir():
        Image.fromarray(pixels[:32, :32].astype(np.uint8)).save(path)
    with pytest.raises(SystemExit) as stop:
        run(train.main, f"--name r{more}", dataroot=root)
    assert stop.value.code == 2
    one_line_error(capsys, "trainA_seg", said, "nothing would be translated", "_0.png")
    assert not Path("checkpoints/r").exists()
    with pytest.raises(SystemExit) as stop:
        run(train.main, "--dry_run", dataroot=root)
    assert stop.value.code == 1
    one_line_error(capsys, "trainA_seg", said)
    with pytest.raises(SystemExit) as stop:
        check_dataset.main([str(root), "--workers", "1"])
    assert stop.value.code == 1 and "no instance: 1" in capsys.readouterr().out


def test_one_instance_among_many_empty_masks_is_enough(shapes, tmp_path, run, capsys):
    root = tmp_path / "data"
    shutil.copytree(shapes, root)
    first, *others = sorted((root / "trainA_seg").iterdir())
    for i in range(30):
        shutil.copy(root / "trainA/00000.png", root / f"trainA/x{i}.png")
        Image.new("L", (32, 32)).save(root / f"trainA_seg/x{i}_0.png")
    for path in others:
        Image.new("L", (32, 32)).save(path)
    run(train.main, "--name r --niter 1 --niter_decay 0 --max_dataset_size 36", dataroot=root)
    assert "16 masks looked at" in capsys.readouterr().out


def test_pictures_that_are_kept_without_any_mask_are_refused_as_well(shapes, tmp_path, run, capsys):
    root = tmp_path / "data"
    shutil.copytree(shapes, root)
    for path in (root / "trainB_seg").iterdir():
        path.unlink()
    with pytest.raises(SystemExit) as stop:
        run(train.main, "--name r --no_mask keep", dataroot=root)
    assert stop.value.code == 2
    one_line_error(capsys, "trainB_seg", "no mask in it")


def test_instances_that_the_crop_cuts_away_raise_an_alarm_in_the_first_epoch(
    shapes, tmp_path, run, capsys
):
    root = tmp_path / "data"
    for domain in "AB":
        for kind in ("", "_seg"):
            (root / f"train{domain}{kind}").mkdir(parents=True)
        for i in range(3):
            Image.fromarray(noise(96, 96, i)).save(root / f"train{domain}/{i}.png")
            mask = np.zeros((96, 96), bool)
            place = slice(0, 2) if domain == "A" else slice(30, 60)  # a corner is seldom seen
            mask[place, place] = True
            Image.fromarray(mask).save(root / f"train{domain}_seg/{i}_0.png")
    words = (
        "--name r --niter 3 --niter_decay 0 --preprocess crop --no_flip --seed 1 --print_freq 1000"
    )
    run(train.main, words, dataroot=root)
    said = capsys.readouterr().out
    assert said.count("warning: domain A: no picture of 1 epochs had an instance left") == 1
    records = [json.loads(x) for x in Path("checkpoints/r/metrics.jsonl").read_text().splitlines()]
    assert records[0]["epoch"] == 1 and "domain A" in records[0]["alarms"][0]
    assert "domain A: no picture" in Path("checkpoints/r/web/index.html").read_text() or any(
        "domain A: no picture" in path.read_text()
        for path in Path("checkpoints/r/web").glob("*.js")
    )
