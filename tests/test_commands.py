"""Both commands from end to end, and every option choice."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import test as test_command
import train
from conftest import ROOT, SHARED, TINY, one_line_error
from models.insta_gan_model import InstaGANModel

SHORT = "--name r --niter 1 --niter_decay 0"
VISUALS = [f"{r}_{k}" for k in ("img", "seg") for r in ("real_A", "fake_B", "rec_A")]


@pytest.fixture
def trained(run):
    """The tiny options' run `r`, one epoch old; returns the command caller."""
    run(train.main, f"{SHORT} --print_freq 2")
    return run


def test_training_leaves_logs_options_page_and_checkpoints(trained):
    folder = Path("checkpoints/r")
    log = (folder / "loss_log.txt").read_text().splitlines()
    assert re.fullmatch(r"=+ Training Loss \(.+\) =+", log[0])
    number = r"-?\d+\.\d{3}"
    names = "D_A G_A cyc_A idt_A ctx_A D_B G_B cyc_B idt_B ctx_B".split()
    losses = " ".join(f"{name}: {number}" for name in names)
    line = rf"\(epoch: 1, iters: 2, time: {number}, data: {number}\) {losses}"
    assert re.fullmatch(line, log[1]), log[1]
    assert len(log) == 4
    records = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [r["total"] for r in records] == [2, 4, 6]
    assert list(records[0]["losses"]) == names and records[0]["lr"] == {"G": 2e-4, "D": 1e-4}
    pictures = {p.name for p in (folder / "web/images").iterdir()}
    assert {f"epoch001_{visual}.png" for visual in VISUALS} < pictures
    shown = {p for p in pictures if "_outlined_" in p}
    assert len(pictures) == 12 + len(shown) and len(shown) == 6 * 3  # test has three of each domain
    data = (folder / "web/data.js").read_text()
    assert "epoch001_fake_A_outlined_2.png" in data and data.count('show({"point"') == 3
    assert {"opt.txt", "options.json", "state.pt", "latest_net_G_A.pth"} <= {
        p.name for p in folder.iterdir()
    }


def test_even_the_shortest_run_logs_its_losses(run):
    run(train.main, SHORT)
    assert "iters: 6" in Path("checkpoints/r/loss_log.txt").read_text()


def test_translation_leaves_pictures_masks_and_a_page(trained, capsys):
    trained(test_command.main, "--name r")
    folder = Path("results/r/test_latest")
    names = {p.name for p in (folder / "images").iterdir()}
    assert {f"00000_{visual}.png" for visual in VISUALS} <= names
    geometry = json.loads((Path(options(folder)["dataroot"]) / "testA_geometry.json").read_text())
    for stem, shapes in geometry.items():
        masks = {n for n in names if n.startswith(f"{stem}_fake_B_mask_")}
        assert masks == {f"{stem}_fake_B_mask_{i}.png" for i in range(len(shapes))}
    values = np.unique(np.array(Image.open(folder / "images/00000_fake_B_mask_0.png")))
    assert set(values) <= {0, 255}
    for mask in (Path(options(folder)["dataroot"]) / "testA_seg").glob("*.png"):
        kept = folder / "images" / mask.name.replace("_", "_real_A_mask_")
        assert np.array_equal(np.array(Image.open(kept)), np.array(Image.open(mask)))
    listing = json.loads((folder / "results.json").read_text())
    assert [picture["name"] for picture in listing["pictures"][:3]] == ["00000", "00001", "00002"]
    page = (folder / "index.html").read_text()
    assert "images/00002_rec_B_img.png" in page and "versions" in page
    assert "instances in 3 of 3 pictures" in capsys.readouterr().out


def options(results: Path) -> dict:
    return json.loads(Path("checkpoints/r/options.json").read_text())


@pytest.mark.parametrize("direction,source,other", [("AtoB", "A", "B"), ("BtoA", "B", "A")])
def test_one_direction_needs_no_data_of_the_other(
    trained, shapes, tmp_path, direction, source, other
):
    half = tmp_path / "half"
    for kind in ("", "_seg"):
        shutil.copytree(shapes / f"test{source}{kind}", half / f"test{source}{kind}")
    trained(test_command.main, f"--name r --direction {direction}", dataroot=half)
    names = {p.name for p in Path("results/r/test_latest/images").iterdir()}
    assert f"00000_fake_{other}_img.png" in names
    assert not any(f"real_{other}" in name or f"fake_{source}" in name for name in names)


def test_the_same_translation_whatever_the_batch(trained):
    trained(test_command.main, "--name r --results_dir one")
    trained(test_command.main, "--name r --results_dir two --batch_size 3")
    for path in Path("one/r/test_latest/images").glob("*fake*img.png"):
        other = np.array(Image.open(str(path).replace("one", "two", 1))).astype(int)
        assert np.abs(np.array(Image.open(path)) - other).max() <= 1


def test_own_size_is_kept_and_the_head_of_the_list_taken(trained, tmp_path):
    root = tmp_path / "odd"
    for i, (height, width) in enumerate([(37, 50), (18, 70), (32, 32)]):
        for folder, mode in (("testA", "RGB"), ("testA_seg", "L")):
            (root / folder).mkdir(parents=True, exist_ok=True)
            name = f"{i}.png" if mode == "RGB" else f"{i}_4.png"
            Image.new(mode, (width, height), "white").save(root / folder / name)
    words = "--name r --direction AtoB --keep_size --num_test 2"
    trained(test_command.main, words, dataroot=root)
    images = Path("results/r/test_latest/images")
    assert Image.open(images / "0_fake_B_img.png").size == (50, 37)
    assert Image.open(images / "1_fake_B_mask_4.png").size == (70, 18)
    assert not (images / "2_fake_B_img.png").exists()
    trained(test_command.main, "--name r --direction AtoB --aspect_ratio 2", dataroot=root)
    assert Image.open(images / "2_fake_B_img.png").size == (64, 32)
    listed = json.loads(Path("results/r/test_latest/results.json").read_text())["pictures"][2]
    assert (listed["width"], listed["height"]) == (64, 32)
    assert listed["boxes"] == {"4": [0, 0, 32, 64]}


def test_pictures_of_one_size_share_a_batch(trained, tmp_path, monkeypatch):
    """Sizes mixed, results and their order on the page as one by one."""
    root = tmp_path / "mixed"
    sizes = [(40, 32), (32, 32), (40, 32), (32, 32), (48, 48), (40, 32), (30, 34)]
    for i, (height, width) in enumerate(sizes):
        for folder, mode in (("testA", "RGB"), ("testA_seg", "L")):
            (root / folder).mkdir(parents=True, exist_ok=True)
            name = f"{i}.png" if mode == "RGB" else f"{i}_0.png"
            picture = Image.new(mode, (width, height))
            picture.paste((40 * i, 90, 200) if mode == "RGB" else 255, (i, 5, i + 20, 25))
            picture.save(root / folder / name)
    seen, infer = [], InstaGANModel.translate
    monkeypatch.setattr(
        InstaGANModel,
        "translate",
        lambda self, scene, source: seen.append(len(scene)) or infer(self, scene, source),
    )
    pages = []
    for batch in (1, 2):
        trained(test_command.main, f"--name r --direction AtoB --keep_size --batch_size {batch} --results_dir r{batch}", dataroot=root)  # fmt: skip
        pages.append(Path(f"r{batch}/r/test_latest/index.html").read_text())
    assert seen == [1] * 7 + [2, 2, 1, 1, 1]
    order = [re.findall(r'data-name="(\d)"', page) for page in pages]
    assert order[0] == order[1] == [str(i) for i in range(7)]
    for one in sorted(Path("r1/r/test_latest/images").glob("*.png")):
        other = Image.open(Path("r2/r/test_latest/images") / one.name)
        difference = np.asarray(Image.open(one), int) - np.asarray(other, int)
        assert np.abs(difference).max() <= 1, one.name


@pytest.mark.parametrize(
    "words",
    [
        "--netG basic",
        "--netD basic",
        "--norm batch --eval_after",
        "--norm none",
        "--init_type xavier --init_D xavier",
        "--init_type kaiming --init_D kaiming",
        "--init_type orthogonal --init_D orthogonal",
        "--init_D normal",
        "--dropout --eval_after",
        "--no_lsgan --lambda_idt 0 --lambda_ctx 0",
        "--input_nc 1 --output_nc 1",
        "--n_layers_D 2",
        "--resize_or_crop crop",
        "--resize_or_crop scale_width",
        "--resize_or_crop scale_width_and_crop",
        "--resize_or_crop none",
        "--set_order random --ins_max 3 --ins_per 1",
        "--no_mask keep",
        "--no_mask error",
        "--precision bf16",
        "--precision auto",
        "--precision fp16 --channels_last",
        "--batch_size 3 --accumulate 2 --checkpoint_activations",
        "--direction BtoA",
        "--lr_policy linear",
        "--lr_policy step",
        "--lr_policy plateau",
        "--lr_policy cosine",
        "--pool_size 0 --no_flip --serial_batches --verbose",
        "--num_threads 1 --batch_size 2",
        "--model cycle_gan --no_mask keep",
        "--model cycle_gan --dataset_mode unaligned --accumulate 2 --batch_size 2",
        "--model cycle_gan_seg --no_mask keep",
        "--model cycle_gan --netG resnet_6blocks --ngf 12 --double_params --no_spectral_norm",
    ],
)
def test_every_choice_is_built_trained_and_tested(run, words):
    evaluate = " --eval" if "--eval_after" in words else ""
    words = words.replace("--eval_after", "")
    run(train.main, f"{SHORT} --max_dataset_size 2 --no_html {words}")
    run(test_command.main, f"--name r --num_test 1{evaluate}")
    assert Path("results/r/test_latest/images/00000_fake_B_img.png").is_file()


def test_both_commands_print_the_networks_if_asked(run, capsys):
    run(train.main, f"{SHORT} --max_dataset_size 2 --no_html")
    run(test_command.main, "--name r --num_test 1")
    assert "Conv2d(" not in capsys.readouterr().out
    run(train.main, f"{SHORT} --max_dataset_size 2 --no_html --overwrite --dry_run --verbose")
    assert "Conv2d(" in capsys.readouterr().out
    run(test_command.main, "--name r --num_test 1 --verbose")
    assert "Conv2d(" in capsys.readouterr().out


def test_dry_run_writes_nothing(run, capsys):
    run(train.main, f"{SHORT} --dry_run")
    out = capsys.readouterr().out
    assert "dry run" in out and "A: 6 pictures" in out and "G_A 0.03 M" in out
    assert not list(Path().iterdir())


def test_dry_run_of_translation_writes_nothing(trained, capsys):
    trained(test_command.main, "--name r --dry_run")
    assert "3 of A, 3 of B to translate" in capsys.readouterr().out
    assert not Path("results").exists()


def test_an_unknown_phase_lists_those_there_are(trained, capsys):
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        trained(test_command.main, "--name r --phase sample")
    assert stop.value.code == 2
    one_line_error(capsys, "sampleA", "test, train")


def test_without_a_test_phase_val_is_translated(trained, shapes, tmp_path, capsys):
    for domain in "AB":
        for kind in ("", "_seg"):
            shutil.copytree(shapes / f"test{domain}{kind}", tmp_path / "v" / f"val{domain}{kind}")
    trained(test_command.main, "--name r", dataroot=tmp_path / "v")
    assert "no phase test, its phase val is translated" in capsys.readouterr().out
    assert Path("results/r/val_latest/index.html").is_file()
    shutil.rmtree(tmp_path / "v/valA_seg")
    for words, named in (("", "--test_fraction"), ("--phase test", "testA")):
        with pytest.raises(SystemExit) as stop:
            trained(test_command.main, f"--name r {words}", dataroot=tmp_path / "v")
        assert stop.value.code == 2
        one_line_error(capsys, named)


def test_commands_start_from_any_folder_and_fail_in_one_line(tmp_path):
    words = [sys.executable, str(ROOT / "train.py"), "--dataroot", "nowhere", *TINY]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: --dataroot nowhere") and done.stderr.count("\n") == 1


@pytest.mark.skipif(not SHARED.is_dir(), reason="no real pictures here")
def test_real_pictures_with_the_official_command(run):
    words = (
        "--model insta_gan --name shp2gir_coco_instagan --loadSizeH 40 --loadSizeW 40 --fineSizeH 32 "
        "--fineSizeW 32 --niter 1 --niter_decay 0"
    )
    root = SHARED / "data" / "shp2gir_coco"
    run(train.main, words, dataroot=root)
    words = "--model insta_gan --name shp2gir_coco_instagan --loadSizeH 32 --loadSizeW 32"
    words += " --fineSizeH 32 --fineSizeW 32 --ins_per 2 --ins_max 20"
    run(test_command.main, words, dataroot=root)
    names = {p.name for p in Path("results/shp2gir_coco_instagan/test_latest/images").iterdir()}
    assert {"602_fake_B_mask_7.png", "46_fake_A_img.png"} <= names
