"""Small things that many tests need: a drawn dataset, options, scenes and models in float64."""

import os
import sys
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():  # Triton asks once, when it is imported
    os.environ.setdefault("TRITON_INTERPRET", "1")

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


import train
from data.scene import Scene
from datasets import generate_shapes_dataset
from models import create_model
from options.train_options import TrainOptions
from util.errors import UserError

torch.set_num_threads(1)  # tiny networks gain nothing from more, and a busy machine stalls them
SHARED = ROOT.parent / "shared"
TINY = [
    "--gpu_ids",
    "-1",
    "--ngf",
    "4",
    "--ndf",
    "4",
    "--n_blocks",
    "1",
    "--load_size",
    "32",
    "--crop_size",
    "32",
    "--display_id",
    "0",
]


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    """A shapes dataset of 6 + 6 training and 3 + 3 test pictures of 32x32."""
    root = tmp_path_factory.mktemp("shapes")
    arguments = ["--size", "32", "--train", "6", "--test", "3", "--max_instances", "3"]
    generate_shapes_dataset.main(["--save_root", str(root), *arguments])
    return root


@pytest.fixture
def run(shapes, tmp_path, monkeypatch):
    """Calls a command's main in a folder of its own; training with the tiny options.

    Memory is not estimated each time: it takes longer than these trainings.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train, "memory_line", lambda *_: "memory: see test_memory.py")

    def call(main, words: str = "", dataroot: Path = shapes) -> None:
        tiny = tiny_options(words) if main is train.main else TINY[:2]
        main(["--dataroot", str(dataroot), *tiny, *words.split()])

    return call


def tiny_options(words: str = "") -> list[str]:
    """Those of the tiny options that the model of these words has."""
    try:
        return TrainOptions().known(TINY, words.split())
    except UserError:  # which the command will tell
        return TINY


def train_options(words: str = ""):
    """Training options with the tiny networks; no data is looked at."""
    return TrainOptions().parse(["--dataroot", ".", *tiny_options(words), *words.split()])


def double_model(words: str = "", seed: int = 0):
    """A model in float64 whose discriminators keep their spectral-norm vectors."""
    torch.manual_seed(seed)
    model = create_model(train_options(words), torch.device("cpu"))
    for name, network in model.networks.items():
        network.double()
        if name.startswith("D"):
            network.eval()
    for network in model.averages.networks.values() if model.averages else ():
        network.double()
    return model


def random_scene(counts: list[int], size: int = 32, seed: int = 0, slots: int = 0) -> Scene:
    """A float64 scene of random pictures with rectangles as masks, `counts` instances per sample."""
    generator = torch.Generator().manual_seed(seed)
    slots = max([slots, 1, *counts])
    image = torch.rand(len(counts), 3, size, size, generator=generator, dtype=torch.float64) * 2 - 1
    masks = torch.full((len(counts), slots, size, size), -1.0, dtype=torch.float64)
    present = torch.zeros(len(counts), slots, dtype=torch.bool)
    for i, count in enumerate(counts):
        for n in range(count):
            top, left = torch.randint(0, size // 2, (2,), generator=generator).tolist()
            masks[i, n, top : top + size // 2 - n, left : left + size // 2 - n] = 1.0
            present[i, n] = True
    names = [f"picture{i}" for i in range(len(counts))]
    return Scene(image, masks, present, names, [tuple(range(count)) for count in counts])


def one_line_error(capsys, *words: str) -> str:
    """The single `error:` line on stderr; every one of `words` must stand in it."""
    lines = [x for x in capsys.readouterr().err.splitlines() if x.strip()]
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0], (word, lines[0])
    return lines[0]


def refused(capsys, command, *words: str) -> None:
    """The call ends with exit code 2 and one line, in which every one of `words` stands."""
    with pytest.raises(SystemExit) as stop:
        command()
    assert stop.value.code == 2
    one_line_error(capsys, *words)


from annotated import ccp, coco, mhp  # noqa: F401, fixtures, which need what stands above
from browser import chromium, look  # noqa: F401
from foreign import write  # noqa: F401
from scoring import many, short_trainings  # noqa: F401
