"""The command line: official defaults, aliases, one line for every mistake."""

import argparse
import ast
import json
from itertools import product

import pytest
import torch

import data
import models
import test as test_command
import train
from conftest import ROOT, TINY, one_line_error, train_options
from options import evaluate_options
from options.parser import OptionParser
from options.test_options import TestOptions
from options.train_options import TrainOptions
from training.device import faster_precision

OFFICIAL = {
    **{"ins_max": 4, "ins_per": 2, "set_order": "decreasing", "lambda_A": 10.0, "lambda_B": 10.0},
    **{"lambda_idt": 1.0, "lambda_ctx": 1.0, "loadSizeH": 220, "loadSizeW": 220, "fineSizeH": 200},
    **{"fineSizeW": 200, "dataset_mode": "unaligned_seg", "name": "experiment_name"},
    **{"resize_or_crop": "resize_and_crop", "batch_size": 1, "input_nc": 3},
    **{"output_nc": 3, "ngf": 64, "ndf": 64, "netG": "set", "netD": "set", "n_layers_D": 3},
    **{"norm": "instance", "init_type": "normal", "init_gain": 0.02, "direction": "AtoB"},
    **{
        "epoch": "latest",
        "load_iter": 0,
        "checkpoints_dir": "./checkpoints",
        "serial_batches": False,
    },
    **{
        "max_dataset_size": None,
        "no_flip": False,
        "verbose": False,
        "suffix": "",
        "display_freq": 400,
    },
    **{"display_ncols": 6, "display_id": 1, "display_server": "http://localhost", "pool_size": 50},
    **{"display_port": 8097, "update_html_freq": 1000, "print_freq": 100},
    **{"save_latest_freq": 5000, "save_epoch_freq": 5, "save_by_iter": False, "epoch_count": 1},
    **{"continue_train": False, "phase": "train", "niter": 100, "niter_decay": 100, "beta1": 0.5},
    **{"lr": 0.0002, "gan_mode": "lsgan", "no_html": False, "lr_policy": "lambda"},
    **{"lr_decay_iters": 50, "dropout": False, "lr_D": 0.0001, "seed": 0, "n_blocks": 9},
}


def parse(words: str = "", options=TrainOptions):
    return options().parse(["--dataroot", ".", "--gpu_ids", "-1", *words.split()])


def test_official_defaults():
    opt = vars(parse())
    assert {name: opt[name] for name in OFFICIAL} == OFFICIAL


def test_names_of_today_and_of_2017():
    opt = parse(
        "--n_epochs 3 --n_epochs_decay 4 --load_size 260 --crop_size 64 48 --gan_mode vanilla --preprocess crop "
        "--batchSize 2 --nThreads 1 --lambda_identity 0.5 --lr_policy linear --no_dropout"
    )
    assert (opt.niter, opt.niter_decay, opt.loadSizeH, opt.loadSizeW) == (3, 4, 260, 260)
    assert (opt.fineSizeH, opt.fineSizeW, opt.resize_or_crop) == (64, 48, "crop")
    assert (opt.batch_size, opt.num_threads, opt.lambda_idt, opt.gan_mode) == (2, 1, 0.5, "vanilla")
    assert parse("--no_lsgan").gan_mode == "vanilla" and parse("--dropout").dropout
    assert parse("--suffix {model}_{ngf}").name == "experiment_name_insta_gan_64"
    assert parse("--which_epoch 7 --how_many 3", TestOptions).epoch == "7"


def test_help_shows_all_groups(capsys):
    with pytest.raises(SystemExit) as stop:
        parse("--help")
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for part in (
        "losses:",
        "instances:",
        "networks:",
        "optimisation:",
        "--ins_per",
        "--no_mask",
        "--seed",
    ):
        assert part in text


@pytest.mark.parametrize(
    "words,said",
    [
        ("--dataroot nowhere", "--dataroot nowhere there is no such folder"),
        ("--model insta_gam", "--model insta_gam did you mean insta_gan"),
        (
            "--dataset_mode unaligned_segs",
            "--dataset_mode unaligned_segs did you mean unaligned_seg?",
        ),
        ("--dataset_mode unaligned", "--dataset_mode unaligned masks"),
        ("--bath_size 2", "--bath_size did you mean --batch_size"),
        ("--name ..", "--name '..' folder below"),
        ("--name ../out", "--name '../out' folder below"),
        ("--name .", "--name '.' folder below"),
        ("--name /tmp/x", "--name '/tmp/x' folder below"),
        ("--display_server ftp://x", "--display_server ftp://x http://localhost"),
        ("--display_id -3", "--display_id -3"),
        ("--display_winsize 0", "--display_winsize 0 at least 1"),
        ("--zzzz", "--zzzz unknown flag"),
        ("loose", "unexpected word loose"),
        ("--ins_per 5", "--ins_per 5 --ins_max 4"),
        ("--fineSizeH 90", "--fineSizeH 90 multiple of 4 88"),
        ("--crop_size 20", "--fineSizeH 20 at least 24"),
        ("--crop_size 32 --n_layers_D 4", "--fineSizeH 32 at least 48"),
        ("--load_size 100 --crop_size 120", "--loadSizeH 100 --fineSizeH 120"),
        ("--load_size 1 2 3", "--load_size 3 numbers"),
        ("--gpu_ids 0,99", "--gpu_ids 0,99 -1 for the CPU"),
        ("--gpu_ids x", "--gpu_ids x"),
        ("--batch_size 0", "--batch_size 0 at least 1"),
        ("--ngf many", "--ngf many"),
        ("--netG sett", "--netG sett"),
        ("--input_nc 4", "--input_nc 4 3 (colour)"),
        ("--lr -1", "--lr -1 negative"),
        ("--print_freq 0", "--print_freq 0"),
        ("--epoch_count 300", "--epoch_count 300 --niter"),
        ("--suffix {nothing}", "--suffix {nothing}"),
        ("--beta1 1.5", "--beta1 1.5"),
        ("--init_gain -1", "--init_gain -1"),
        ("--seed 99999999999999999999", "--seed 2^63"),
        ("--lr_policy cosine --niter 0", "--niter 0 cosine"),
        ("--resize_or_crop crop --crop_size 48", "00000.png smaller than the crop"),
        ("--checkpoints_dir {file} --crop_size 32 --load_size 32", "file"),
    ],
)
def test_every_mistake_is_one_line(shapes, tmp_path, capsys, words, said):
    (tmp_path / "file").touch()
    words = f"--dataroot {shapes} --gpu_ids -1 {words}".replace("{file}", str(tmp_path / "file"))
    with pytest.raises(SystemExit) as stop:
        train.main(words.split())
    assert stop.value.code == 2
    line = one_line_error(capsys)
    for part in said.split():
        assert part in line, (part, line)


def test_all_mistakes_are_told_at_once(capsys):
    with pytest.raises(SystemExit):
        train.main("--dataroot . --gpu_ids -1 --batch_size 0 --ins_per 9".split())
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_test_options_come_from_the_run_and_typed_ones_win(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = TrainOptions()
    words = "--name r --ngf 8 --n_blocks 2 --ins_per 3 --ins_max 6 --crop_size 48 64 --load_size 64"
    options.save(options.parse(["--dataroot", ".", "--gpu_ids", "-1", *words.split()]))
    opt = parse("--name r", TestOptions)
    assert (opt.ngf, opt.n_blocks, opt.ins_per, opt.ins_max) == (8, 2, 3, 6)
    assert (opt.fineSizeH, opt.fineSizeW, opt.loadSizeH, opt.loadSizeW) == (48, 64, 48, 64)
    typed = parse("--name r --ins_max 20 --ngf 16 --loadSizeH 100", TestOptions)
    assert (typed.ins_max, typed.ngf, typed.loadSizeH, typed.ins_per) == (20, 16, 100, 3)
    assert opt.direction == "both" and opt.num_test is None and opt.no_flip
    text = (tmp_path / "checkpoints/r/opt.txt").read_text()
    assert "ngf: 8" in text and "[default: 64]" in text
    assert json.loads((tmp_path / "checkpoints/r/options.json").read_text())["ins_max"] == 6


def test_a_cpu_loads_in_its_own_process_unless_told(capsys, monkeypatch):
    from training.device import prepare_device

    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    for words in ("", "--num_threads 3"):  # other threads would be other sums
        assert prepare_device(train_options(words)) == torch.device("cpu")
    assert not asked and capsys.readouterr().out.count("device: CPU") == 2
    assert train_options().num_threads == 0


def test_precision_probe_answers():
    assert faster_precision(torch.device("cpu"), seconds=0.05) in ("fp32", "bf16")


def test_test_command_mistakes(shapes, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words, said in (
        ("--name none", "latest_net_G_A.pth there is no such checkpoint"),
        ("--num_test 0", "--num_test 0"),
        ("--aspect_ratio 0", "--aspect_ratio"),
    ):
        with pytest.raises(SystemExit) as stop:
            test_command.main(["--dataroot", str(shapes), *TINY[:2], *words.split()])
        assert stop.value.code == 2
        line = one_line_error(capsys)
        for part in said.split():
            assert part in line


READ_BY_THE_OPTIONS = {  # themselves, and what they make of these is read elsewhere
    **{"crop_size": "fineSizeH and fineSizeW", "load_size": "loadSizeH and loadSizeW"},
    **{"load_iter": "label", "suffix": "name", "resume": "continue_train"},
    **{"lambda_A": "content_weight", "lambda_B": "content_weight"},  # models/unpaired.py
}


def options_of(options) -> list[argparse.Action]:
    """The options of a command, with those of every model and dataset."""
    found = []
    for model, dataset in product(models.names(), data.names()):
        command, parser = options(), OptionParser("")
        command.add_arguments(parser)
        for part in (models.find_model(model), data.find_dataset(dataset)):
            part.modify_commandline_options(parser, command.is_train)
        found += parser._actions
    return found


def names_that_are_read() -> set[str]:
    """What the code takes of any object by name, but for the files of options."""
    found = set()
    folders = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
    own = [path for folder in folders for path in folder.rglob("*.py")]
    for path in [*ROOT.glob("*.py"), *own]:
        if path.relative_to(ROOT).parts[0] not in ("options", "tests"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    found.add(node.attr)
                elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
                    found.add(getattr(node.args[1], "value", ""))
    return found


def test_every_option_is_read_by_some_code():
    read = names_that_are_read()
    of_commands = options_of(TrainOptions) + options_of(TestOptions)
    of_commands += evaluate_options.build_parser()._actions
    names = {action.dest for action in of_commands} - {"help"}
    assert {*READ_BY_THE_OPTIONS} <= names
    unread = names - read
    assert sorted(unread - {*READ_BY_THE_OPTIONS}) == []
