"""MGD-GAN's stages as runs: resumed, joined, tested, exported, and what is wrong in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_checkpoints import assert_same, same_when_stopped
from test_mgd_gan import MGD, save_vgg

import test as test_command
import train
from conftest import refused
from models.mgd_gan_model import MGDGANModel
from options.train_options import TrainOptions
from scripts import export, replay_step

SHORT = f"{MGD} --niter 1 --niter_decay 0 --no_html --print_freq 2"


def joined(run) -> str:
    """Options of a fine-tuning, after runs of the first two stages of one picture."""
    for name, stage in (("m", "mask"), ("i", "image")):
        run(train.main, f"{SHORT} --max_dataset_size 1 --name {name} --stage {stage}")
    return "--stage finetune --start_from m i"


@pytest.mark.parametrize(
    "words",
    [
        "--stage mask --accumulate 2 --ema 4",
        "--stage image --hole_aug 0.5 --accumulate 2 --cache",
        "--stage finetune --precision bf16",
        "--stage e2e",
    ],
)
def test_a_stage_is_stopped_and_continued_bit_for_bit(run, shapes, tmp_path, monkeypatch, words):
    data = Path(shutil.copytree(shapes, tmp_path / "data"))  # where a cache may be written
    if "finetune" in words:
        words += f" {joined(run)}"
    words = f"{MGD} --niter 1 --niter_decay 1 --no_html --batch_size 2 --save_latest_freq 2 {words}"
    same_when_stopped(run, monkeypatch, MGDGANModel, words, data, at=5)


def test_three_stages_and_what_a_test_makes_of_each(run, capsys):
    run(train.main, f"{SHORT} --name m --stage mask")
    run(train.main, f"{SHORT} --name i --stage image")
    out = capsys.readouterr().out
    assert "--perceptual l1pyr" in out and "have no background" in out
    run(train.main, f"{SHORT} --name f --stage finetune --start_from m i")
    out = capsys.readouterr().out
    assert "D_mask, G_mask of checkpoints/m" in out and "D_img, G_img of checkpoints/i" in out
    for name, extras in (
        ("m", []),
        ("i", ["background", "foreground", "fusion", "rebuilt"]),
        ("f", ["background", "foreground", "fusion"]),
    ):
        run(test_command.main, f"--name {name}")
        listing = json.loads(Path(f"results/{name}/test_latest/results.json").read_text())
        columns = [title for title, _ in listing["directions"]["AtoB"]["columns"]]
        assert columns == ["source", "translation", *extras]
        assert ("perceptual loss" in listing["about"]) == (name != "m")
    run(
        train.main,
        "--name f --continue_train --niter 2 --niter_decay 0 --halvings 4 --model mgd_gan --no_html",
    )
    assert "continuing" in capsys.readouterr().out


def test_bad_input_is_told_in_one_line(run, capsys):
    run(train.main, f"{SHORT} --name m --stage mask")
    capsys.readouterr()
    for words, *parts in (
        ("--stage finetune", "--start_from is missing", "G_img"),
        ("--stage finetune --start_from m", "--start_from m", "G_img, D_img"),
        ("--stage finetune --start_from m m", "--start_from m", "G_img, D_img"),
        ("--stage image --start_from m", "--start_from m", "G_img, D_img"),
        ("--stage image --halvings 5 --crop_size 48 --load_size 48", "--fineSizeH 48", "32"),
        ("--stage image --halvings 5", "--fineSizeH 32", "at least 64"),
        ("--stage image --perceptual vgg19 --vgg_weights no.pth", "--perceptual vgg19", "no.pth"),
        ("--lambda_pc -1", "--lambda_pc -1"),
        ("--stage image --hole_aug 2", "--hole_aug 2"),
        ("--dataset_mode unaligned", "--dataset_mode unaligned"),
    ):
        refused(
            capsys, lambda words=words: run(train.main, f"--name x {MGD} --no_html {words}"), *parts
        )


@pytest.mark.parametrize("stage", ["mask", "image", "e2e"])
def test_it_is_exported(run, stage):
    run(train.main, f"{SHORT} --name r --stage {stage}")
    export.main(["--name", "r", "--masks", "3", "--direction", "BtoA"])
    assert Path("exported/r_BtoA.onnx").is_file() and Path("exported/r_BtoA.pt2").is_file()


@pytest.mark.parametrize("stage", ["mask", "image", "finetune", "e2e"])
def test_pictures_without_an_instance_stay(run, shapes, tmp_path, stage):
    data = Path(shutil.copytree(shapes, tmp_path / "data"))
    for folder in ("trainA", "testA", "testB"):
        for mask in (data / f"{folder}_seg").glob("00000_*.png"):
            mask.unlink()
    words = joined(run) if stage == "finetune" else f"--stage {stage}"
    run(train.main, f"{SHORT} --name r {words} --no_mask keep", data)
    run(test_command.main, "--name r", data)
    folder = Path("results/r/test_latest/images")
    for domain, other in (("A", "B"), ("B", "A")):
        source, fake = (
            np.asarray(Image.open(folder / f"00000_{role}_img.png"))
            for role in (f"real_{domain}", f"fake_{other}")
        )
        assert np.array_equal(source, fake)


def test_some_of_the_instances(run, shapes):
    """Those that are left out stay in the background, to the bit."""
    run(train.main, f"{SHORT} --name r --stage e2e")
    run(test_command.main, "--name r --instances 0 --direction AtoB")
    folder, found = Path("results/r/test_latest/images"), 0
    for path in (shapes / "testA_seg").glob("*_[12].png"):
        stem, _, _ = path.stem.rpartition("_")
        source, background = (
            np.asarray(Image.open(folder / f"{stem}_{role}_img.png"))
            for role in ("real_A", "background_B")
        )
        other = np.asarray(Image.open(path)) > 127
        assert np.array_equal(source[other], background[other])
        chosen = np.asarray(Image.open(shapes / "testA_seg" / f"{stem}_0.png")) > 127
        hidden = other | chosen
        assert not np.array_equal(source[chosen & ~other], background[chosen & ~other])
        found += bool(hidden.any())
    assert found


def test_a_broken_update_is_written_and_replayed(run, monkeypatch, capsys):
    honest, calls = MGDGANModel.discriminator_losses, []

    def discriminator_losses(self, *inputs):
        losses, result = honest(self, *inputs)
        calls.append(None)
        bad = float("nan") if len(calls) == 2 else 1.0
        return {name: loss * bad for name, loss in losses.items()}, result

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(MGDGANModel, "discriminator_losses", discriminator_losses)
        run(train.main, f"{SHORT} --name r --stage e2e")
    assert "in the update of D" in capsys.readouterr().err
    replay_step.main(["checkpoints/r/broken_1.pt"])
    told = capsys.readouterr().out
    assert "mask_D" in told and "img_D" in told


def test_the_perceptual_loss_of_the_paper(run, tmp_path, capsys):
    save_vgg(tmp_path / "vgg.pth")
    words = f"{SHORT} --stage image --max_dataset_size 1 --vgg_weights {tmp_path}/vgg.pth"
    run(train.main, f"--name r {words}")
    assert "l1pyr" not in capsys.readouterr().out
    assert json.loads(Path("checkpoints/r/options.json").read_text())["perceptual"] == "vgg19"
    run(test_command.main, "--name r")
    listing = json.loads(Path("results/r/test_latest/results.json").read_text())
    assert "perceptual loss" not in listing["about"]


def test_runs_are_joined_without_training(run, capsys):
    words = joined(run)
    run(train.main, f"{MGD} --name j {words} --niter 0 --niter_decay 0 --no_html")
    for name, network in (("m", "G_mask"), ("i", "G_img")):
        own, other = (
            torch.load(f"checkpoints/{run}/latest_net_{network}.pth") for run in (name, "j")
        )
        assert_same(own, other)
    run(test_command.main, "--name j")
    refused(
        capsys,
        lambda: run(train.main, f"{MGD} --name x --niter 0 --niter_decay 0 --no_html"),
        "--epoch_count 1",
    )


def test_the_commands_of_the_documents_are_possible(shapes, monkeypatch):
    """With sizes of its own: the house's are no multiples of 32."""
    for stage in ("mask", "image", "e2e"):
        opt = TrainOptions().parse(
            ["--dataroot", str(shapes), "--model", "mgd_gan", "--stage", stage]
        )
        assert (opt.fineSizeH, opt.loadSizeW, opt.ins_max) == (256, 287, 20)


def test_grey_pictures(run, capsys):
    words = f"{SHORT} --name r --stage image --input_nc 1 --output_nc 1 --max_dataset_size 1"
    run(train.main, words)
    assert "grey" in capsys.readouterr().out
    run(test_command.main, "--name r")
    refused(
        capsys, lambda: run(train.main, f"{words} --overwrite --perceptual vgg19"), "needs colour"
    )


def test_what_is_not_trained_any_more_starts_from_averages(run, capsys):
    words = f"{SHORT} --max_dataset_size 2 --ema 4"
    for name, stage in (("m", "mask"), ("i", "image")):
        run(train.main, f"{words} --name {name} --stage {stage}")
    capsys.readouterr()
    run(train.main, f"{words} --name f --stage finetune --start_from m i")
    told = capsys.readouterr().out
    assert "D_img, G_img_ema of checkpoints/i" in told and "G_mask of checkpoints/m" in told
    for file, other in (("i/latest_net_G_img_ema", "f/latest_net_G_img"),):
        own, later = (torch.load(f"checkpoints/{path}.pth") for path in (file, other))
        assert_same(own, later)
