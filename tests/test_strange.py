"""The house knows no model: a strange one trains, resumes, is tested, scored, shown and exported."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_checkpoints import assert_same, state

import evaluate
import models
import test as test_command
import train
from conftest import ROOT, refused
from data import create_dataset
from data.base_dataset import Draw
from data.extras import Extras
from loggers.drawing import draw_grid
from loggers.records import Curves, panels, read_records
from models import create_model, find_model
from models.estimate import WORKSPACE, estimate
from models.showcase import Showcase
from options.train_options import TrainOptions
from scripts import export, replay_step
from util.errors import UserError
from util.memory import PeakBytes

HERE = ROOT / "tests" / "strange"
WORDS = "--model strange --gpu_ids -1 --load_size 36 --crop_size 32 --batch_size 4 --display_id 0"
SHORT = "--niter 1 --niter_decay 1 --print_freq 4"
CHILD = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import models, torch, train
models.__path__.append({str(HERE)!r})
torch.set_num_threads(1)
train.memory_line = lambda *_: ""
train.main(sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """The folder of the strange model is one more place to find models in."""
    monkeypatch.setattr(models, "__path__", [*models.__path__, str(HERE)])


@pytest.fixture
def data(shapes, tmp_path) -> Path:
    """The drawn shapes, with a label for each picture; their backgrounds are there."""
    root = tmp_path / "data"
    shutil.copytree(shapes, root)
    for folder in ("trainA", "trainB", "testA", "testB"):
        stems = sorted(path.stem for path in (root / folder).glob("*.png"))
        lines = "".join(f"{stem},{i % 4}\n" for i, stem in enumerate(stems))
        (root / f"{folder}_label.csv").write_text(lines)
    return root


@pytest.fixture
def strange(run, data):
    """Trains or tests it on that data."""
    return lambda main, words: run_in(main, data, words)


def run_in(main, data: Path, words: str) -> None:
    own = WORDS if main is train.main else "--gpu_ids -1"
    main(["--dataroot", str(data), *own.split(), *words.split()])


@pytest.mark.parametrize("words", ["", "--accumulate 2", "--precision bf16", "--cache --ema 8"])
def test_it_is_stopped_and_continued_bit_for_bit(strange, monkeypatch, words):
    words = f"{SHORT} --save_latest_freq 4 {words}"
    strange(train.main, f"--name whole {words}")
    honest, calls = find_model("strange").train_step, []

    def die(self, scenes):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        honest(self, scenes)

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(find_model("strange"), "train_step", die)
        strange(train.main, f"--name parts {words}")
    strange(train.main, f"--name parts {words} --continue_train")
    assert_same(state("whole"), state("parts"))
    assert len(read_records(Path("checkpoints/whole/metrics.jsonl"))) == 3


def test_half_precision_scales_and_trains(strange):
    strange(train.main, f"--name r {SHORT} --precision fp16")
    assert state("r")["model"]["scalers"]["hands"]["scale"] > 1
    last = read_records(Path("checkpoints/r/metrics.jsonl"))[-1]["losses"]
    assert set(last) == {"likeness", "calm", "verdict"} and all(
        np.isfinite(x) for x in last.values()
    )


def test_accumulated_parts_see_labels_and_extras_of_their_samples(data):
    """Gradients of two halves are those of the batch, where no BatchNorm counts them apart."""
    found = []
    for words in ("", "--accumulate 2"):
        opt = TrainOptions().parse(["--dataroot", str(data), *f"{WORDS} --lr 0 {words}".split()])
        torch.manual_seed(0)
        model = create_model(opt, torch.device("cpu"))
        model.eval()
        for network in model.networks.values():
            network.double()
        dataset = create_dataset(opt)
        batch = {d: type(x[0]).cat(x) for d, x in dataset.showcase(3).items()}
        batch = {d: x.normalized().map(doubled) for d, x in batch.items()}
        model.step(batch)
        weights = model.networks["Painter"].parameters()
        found.append([w.grad.clone() for w in weights if w.grad is not None])
    for one, other in zip(*found, strict=True):
        assert one.abs().max() > 0 and torch.allclose(one, other, atol=1e-12)


def doubled(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def test_the_rate_follows_the_updates_of_its_optimiser(strange):
    strange(train.main, "--name r --niter 6 --niter_decay 0 --print_freq 1")
    rates = [record["lr"] for record in read_records(Path("checkpoints/r/metrics.jsonl"))]
    eyes = [rate["eyes"] / 6e-4 for rate in rates]
    assert eyes[:4] == pytest.approx([1, 1, 1, 0.5]) and eyes[-1] == pytest.approx(
        0.5 ** (len(rates) // 4)
    )
    assert {rate["hands"] for rate in rates} == {2e-4}


def test_two_processes_train_alike(data, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    words = f"{WORDS} {SHORT} --name r --no_html --batch_size 2".split()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, "--dataroot", str(data), *words],
            cwd=tmp_path,
            env=os.environ | place | {"RANK": str(i), "LOCAL_RANK": str(i), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    told = [process.communicate(timeout=240)[0] for process in started]
    assert not any(process.returncode for process in started), told
    assert state_in(tmp_path, "r")["progress"]["total"] == 12


def state_in(folder: Path, name: str) -> dict:
    return torch.load(folder / "checkpoints" / name / "state.pt")


def test_a_broken_update_is_found_written_and_replayed(strange, monkeypatch, capsys):
    honest, calls = find_model("strange").verdicts, []

    def verdicts(self, *inputs):
        losses, result = honest(self, *inputs)
        calls.append(1)
        return (
            {n: x * float("nan") for n, x in losses.items()} if len(calls) == 2 else losses
        ), result

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(find_model("strange"), "verdicts", verdicts)
        strange(train.main, f"--name r {SHORT}")
    told = capsys.readouterr().err
    assert "loss verdict is not finite in the update of eyes" in told
    replay_step.main(["checkpoints/r/broken_4.pt"])
    assert "verdict" in capsys.readouterr().out


def test_memory_is_estimated(data):
    words = f"{WORDS} --strange_width 32 --crop_size 64 --load_size 64".split()
    opt = TrainOptions().parse(["--dataroot", str(data), *words])
    dataset = create_dataset(opt)
    sample = {d: x[0] for d, x in dataset.showcase(1).items()}
    sample = {
        d: x.map(lambda t: torch.cat([t] * 2, -1) if t.dim() == 4 else t) for d, x in sample.items()
    }
    batch = {d: type(x).cat([x] * 4) for d, x in sample.items()}
    with PeakBytes() as made:
        model = create_model(opt, torch.device("cpu"))
        for number in range(2):
            model.step(batch, number)
    assert estimate(opt, sample)[0] / WORKSPACE == pytest.approx(made.peak, rel=0.25)


def test_results_have_all_styles_the_map_and_scores(strange, data, look):
    strange(train.main, f"--name r {SHORT} --no_html")
    strange(test_command.main, "--name r")
    folder = Path("results/r/test_latest")
    listing = json.loads((folder / "results.json").read_text())
    columns = ["source", "translation", "style 1", "style 2", "attention"]
    assert [title for title, _ in listing["directions"]["AtoB"]["columns"]] == columns
    assert list(listing["directions"]) == ["AtoB"] and listing["scored_by"] == ["background"]
    files = listing["pictures"][0]["files"]
    assert {"fake_B_style_2_img", "attention_B_img"} <= files.keys() and len(
        listing["pictures"]
    ) == 3
    assert Image.open(folder / files["attention_B_img"]).size == (32, 32)
    evaluate.main(["--dataroot", str(data), "--gpu_ids", "-1", "--results", str(folder)])
    scores = json.loads((folder / "metrics.json").read_text())
    assert set(scores) == {"AtoB"} and "background_l1" in scores["AtoB"]
    assert not any(name.startswith(("mask", "image_shape")) for name in scores["AtoB"])
    page = look(folder / "index.html")
    assert page.locator("#results thead th").all_inner_texts()[3:8] == columns
    page.locator("#results tbody td").first.click()
    assert page.locator("tr.detail .views figcaption").all_inner_texts()[1:] == columns[1:]


def test_a_test_has_its_statistics_and_needs_no_jury(strange):
    """BatchNorm's running means, whatever else is in the batch; weights without what judges."""
    strange(train.main, f"--name r {SHORT} --no_html")
    (Path("checkpoints/r/latest_net_Jury.pth")).unlink()
    for name, words in (("one", "--batch_size 1"), ("all", "--batch_size 3")):
        strange(test_command.main, f"--name r {words} --results_dir {name}")
    for path in Path("one/r/test_latest/images").glob("*_img.png"):
        pixels = [
            np.asarray(Image.open(f"{d}/r/test_latest/images/{path.name}"), int)
            for d in ("one", "all")
        ]
        assert np.abs(pixels[0] - pixels[1]).max() <= 1


def test_pages_and_dashboards_show_it(strange, data, look):
    strange(train.main, f"--name r {SHORT} --update_html_freq 4")
    page = look(Path("checkpoints/r/web/index.html"))
    page.wait_for_selector("#pictures img")
    titles = page.locator(".panel h3").all_inner_texts()
    assert "what the painter minimises" in titles and "verdict" in titles
    assert page.locator("#pictures img").count() == 5 * 3
    record = read_records(Path("checkpoints/r/metrics.jsonl"))[0]
    found = panels(record, Curves.of(find_model("strange")))
    assert set(found["what the painter minimises"]) == {"like", "calm"}
    opt = TrainOptions().parse(["--dataroot", str(data), *WORDS.split()])
    shown = Showcase(opt, create_dataset(opt), create_model(opt, torch.device("cpu"))).look()
    assert draw_grid(shown, 5).shape[2] == 3


def test_it_is_exported(strange, capsys):
    strange(train.main, f"--name r {SHORT} --no_html")
    export.main("--name r --format torch".split())
    assert Path("exported/r_AtoB.pt2").is_file()
    refused(
        capsys, lambda: export.main("--name r --direction BtoA".split()), "--direction BtoA", "AtoB"
    )


def test_a_second_phase_starts_from_the_first_with_half_of_it_frozen(strange, capsys):
    strange(train.main, f"--name one {SHORT} --no_html")
    strange(train.main, f"--name two {SHORT} --no_html --start_from one --half second")
    out = capsys.readouterr().out
    assert "starting from Attention, Jury, Painter of checkpoints/one, `latest`" in out
    first, second = (state(name)["model"]["networks"] for name in ("one", "two"))
    for key, weight in first["Painter"].items():
        if "running" not in key and "tracked" not in key:  # statistics follow what is seen
            assert torch.equal(weight, second["Painter"][key]), key
    assert not torch.equal(first["Attention"]["weight"], second["Attention"]["weight"])
    refused(
        capsys,
        lambda: strange(train.main, f"--name x {SHORT} --start_from none"),
        "--start_from none",
        "Painter",
    )


def test_its_needs_are_checked(strange, data, capsys):
    refused(
        capsys,
        lambda: strange(train.main, "--crop_size 48 --load_size 48"),
        "--fineSizeH 48",
        "multiple of 32",
    )
    refused(capsys, lambda: strange(train.main, "--netG set"), "--netG")
    label = data / "trainB_label.csv"
    label.write_text(label.read_text().partition("\n")[2])
    refused(capsys, lambda: strange(train.main, SHORT), "trainB_label.csv", "label of 00000")
    label.write_text("00000,red\n")
    refused(capsys, lambda: strange(train.main, SHORT), "trainB_label.csv, line 1", "red")


def test_extras_are_cut_with_their_picture(data):
    """The same geometry for picture, masks and extras, decoded each time and from the cache."""
    found = []
    for words in ("", "--cache"):
        opt = TrainOptions().parse(["--dataroot", str(data), *f"{WORDS} {words}".split()])
        dataset = create_dataset(opt)
        found.append([dataset[Draw(1, i, i)]["A"] for i in range(6)])
    for scene, packed in zip(*found, strict=True):
        away = (~scene.masks.any(1, keepdim=True)).expand_as(scene.image)
        difference = (scene.image.int() - scene.extras["background"].int()).abs()[away]
        assert difference.float().mean() < 12 and scene.extras["background"].dtype == torch.uint8
        for name, tensor in scene.extras.items():
            assert torch.equal(tensor, packed.extras[name]), name
        assert torch.equal(scene.image, packed.image)


def test_what_data_may_have_can_be_absent(data):
    names = sorted(path.stem for path in (data / "trainA").glob("*.png"))
    kinds = {"background": "picture?", "label": "value?", "depth": "picture?", "age": "value?"}
    assert Extras(data, "trainA", kinds, names).kinds == {"background": "picture", "label": "value"}
    with pytest.raises(UserError, match="trainA_depth"):
        Extras(data, "trainA", {"depth": "picture"}, names)


def test_no_shared_code_mentions_it():
    folders = "data datasets loggers metrics models options pages scripts training util".split()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        text = path.read_text()
        assert not any(word in text for word in ("strange_", "Painter", "Jury")), path
