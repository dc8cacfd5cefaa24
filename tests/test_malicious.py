"""Files from strangers: what would run code is refused in every place that loads a file."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch

import evaluate
import test as test_command
import train
from conftest import one_line_error
from metrics.detectors import MaskRCNN
from metrics.features import inception_features
from metrics.pairs import PairFolder
from pages.results import LISTING
from scripts import check_parity, export, replay_step
from util.errors import UserError


class Payload:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def plant(path: Path, how: str) -> Path:
    """Put a file that would run code in the place of another; returns what it would make."""
    marker = path.resolve().with_name("executed")
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "pickle":
        path.write_bytes(pickle.dumps({"x": Payload(marker)}))
    else:
        torch.save({"x": Payload(marker)}, path)
    return marker


@pytest.fixture
def trained(run, capsys):
    run(train.main, "--name r --niter 1 --niter_decay 0 --max_dataset_size 1")
    capsys.readouterr()
    return run


STATE, WEIGHTS = Path("checkpoints/r/state.pt"), Path("checkpoints/r/latest_net_G_A.pth")
COMMANDS = {
    "a state that is continued": (STATE, train.main, "--name r --niter 2 --continue_train"),
    "the save before": (
        Path("checkpoints/r/state_before.pt"),
        train.main,
        "--name r --niter 2 --continue_train",
    ),
    "weights that are continued": (WEIGHTS, train.main, "--name r --niter 2 --continue_train"),
    "weights that translate": (WEIGHTS, test_command.main, "--name r"),
    "a state that translates": (STATE, test_command.main, "--name r"),
    "weights that are scored": (WEIGHTS, evaluate.main, "--name r"),
}


@pytest.mark.parametrize("how", ["pickle", "torch"])
@pytest.mark.parametrize("what", COMMANDS)
def test_commands_refuse(trained, capsys, what, how):
    path, main, words = COMMANDS[what]
    if path == WEIGHTS and main is train.main:
        STATE.unlink()
    if path == STATE and main is not train.main:
        for other in Path("checkpoints/r").glob("*.pth"):
            other.unlink()
    if path.name == "state_before.pt":
        STATE.unlink()
    marker = plant(path, how)
    with pytest.raises(SystemExit) as stop:
        trained(main, words)
    assert stop.value.code == 2 and not marker.exists()
    one_line_error(capsys, str(path))


@pytest.mark.parametrize("how", ["pickle", "torch"])
@pytest.mark.parametrize("script", ["export", "check_parity", "replay_step", "classifier"])
def test_scripts_refuse(trained, shapes, capsys, script, how):
    path = WEIGHTS if script == "export" else Path("file.pt")
    marker = plant(path, how)
    score = f"--dataroot {shapes} --name r --gpu_ids -1 --metrics classification"
    calls = {
        "export": lambda: export.main(["--name", "r"]),
        "check_parity": lambda: check_parity.main([str(path)]),
        "replay_step": lambda: replay_step.main([str(path)]),
        "classifier": lambda: evaluate.main([*score.split(), "--classifier_weights", str(path)]),
    }
    with pytest.raises(SystemExit) as stop:
        calls[script]()
    assert stop.value.code == 2 and not marker.exists()
    one_line_error(capsys, path.name)


@pytest.mark.parametrize("how", ["pickle", "torch"])
@pytest.mark.parametrize(
    "load",
    [
        lambda path: MaskRCNN(str(path), torch.device("cpu")),
        lambda path: inception_features(path, torch.device("cpu")),
    ],
)
def test_yardsticks_refuse(tmp_path, load, how):
    pytest.importorskip("torch_fidelity")
    marker = plant(tmp_path / "file.pt", how)
    with pytest.raises(UserError, match=r"file\.pt"):
        load(tmp_path / "file.pt")
    assert not marker.exists()


def test_lists_of_results_name_no_file_elsewhere(trained, capsys):
    """Neither the page nor the scores follow a path out of the folder."""
    trained(test_command.main, "--name r")
    folder = Path("results/r/test_latest")
    listing = json.loads((folder / LISTING).read_text())
    picture = listing["pictures"][0]
    shutil.copy(
        folder / picture["files"]["fake_B_img" if picture["source"] == "A" else "fake_A_img"],
        "secret.png",
    )
    for key in picture["files"]:
        picture["files"][key] = "images/../../../../secret.png"
    (folder / LISTING).write_text(json.dumps(listing))
    read = {
        file
        for pairs in PairFolder(folder).pairs.values()
        for one in pairs
        for file in one.files.values()
    }
    assert all("/" not in file for file in read)
    with pytest.raises(SystemExit) as stop:
        trained(evaluate.main, f"--results {folder}")
    assert stop.value.code == 2
    one_line_error(capsys, "secret.png")


def test_nothing_of_ours_evaluates_text():
    """No shell, no eval, no pickle in what is shipped."""
    root = Path(__file__).resolve().parents[1]
    words = ("shell=True", "os.system", "pickle.load", "eval(", "exec(", "allow_pickle=True")
    for path in root.rglob("*.py"):
        inside = path.relative_to(root).parts
        if inside[0] in ("tests", ".venv", "checkpoints", "results"):
            continue
        text = path.read_text().replace(".eval()", "").replace("def eval(", "")
        found = [word for word in words if word in text.replace("model.eval(", "")]
        assert not found, (path, found)
