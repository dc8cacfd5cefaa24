"""Short runs whose every loss is written down, so that a change of the code cannot change them.

`losses.json` and `runs/` were recorded by the code of November 2026, before the house was rebuilt:

    python tests/pinned/record.py            # records all again, after a wanted change
    python tests/pinned/record.py accumulate # or one of them
"""

import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

DATA = HERE / "data"
LOSSES = HERE / "losses.json"
RESULTS = HERE / "results"
HALF_WAY = 20  # steps after which a run's folder is kept, to be continued
STEPS = 40

# Networks of a handful of weights: what is kept of all runs takes a few hundred KB.
TINY = (
    "--gpu_ids -1 --ngf 1 --ndf 1 --n_blocks 0 --n_layers_D 1 --lr 1e-5 --init_gain 0.3 --load_size 26 --crop_size 24 "
    "--ins_max 2 --no_html --logger none --display_id 0 --niter 3 --save_latest_freq 1000000 --save_epoch_freq 1000"
).split()

# Each takes 40 steps. Two pictures a step of two processes are four pictures of an epoch's.
ONE = "--max_dataset_size 5 --niter_decay 5"  # 5 steps in each of 8 epochs
TWO = "--max_dataset_size 4 --niter_decay 17"  # 2 steps in each of 20 epochs
CASES = {
    "sequential": f"--ins_per 1 --pool_size 2 {ONE}",
    "one_step": f"--ins_per 2 --pool_size 0 {ONE}",
    "batch_3": "--pool_size 0 --ins_per 1 --batch_size 3 --max_dataset_size 6 --niter_decay 17",
    "accumulate": f"--pool_size 0 --ins_per 1 --batch_size 2 --accumulate 2 {TWO}",
    "processes": f"--pool_size 1 --ins_per 1 --batch_size 1 {TWO}",
    "cycle_gan": f"--pool_size 2 --model cycle_gan {ONE}",
    "cycle_gan_seg": f"--pool_size 0 --model cycle_gan_seg {ONE}",
    "vanilla": f"--pool_size 0 --ins_per 1 --gan_mode vanilla {ONE}",
    "plateau": f"--pool_size 0 --ins_per 1 --lr_policy plateau {ONE}",
    "swapped": f"--pool_size 0 --ins_per 1 --direction BtoA {ONE}",
    "recipe": f"--pool_size 0 --ins_per 1 --paste --paste_on fill --ema 8 --diffaug translation,color {ONE}",
}
PROCESSES = {"processes": 2}


@contextmanager
def chdir(folder: Path) -> Iterator[None]:
    """Work in a folder inside the block."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def words_of(case: str) -> list[str]:
    """The command line of a case, but for where it writes."""
    return ["--dataroot", "data", "--name", case, *TINY, *CASES[case].split()]


def batch_of(case: str) -> int:
    """Pictures that a step of all processes takes."""
    words = CASES[case].split()
    own = int(words[words.index("--batch_size") + 1]) if "--batch_size" in words else 1
    return own * PROCESSES.get(case, 1)


def machine() -> dict[str, str]:
    """What the last bits of a number hang on."""
    model = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {
        "cpu": model.split(":")[-1].strip(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": str(torch.__version__),
    }


def losses_of(folder: Path) -> list[dict[str, float]]:
    """All losses of a run, in order."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["losses"] for line in lines]


def translate_and_score(folder: Path) -> dict:
    """test.py and evaluate.py with the run `sequential` of the folder; its scores."""
    import test

    words = ["--dataroot", "data", "--gpu_ids", "-1"]
    with chdir(folder):
        test.main([*words, "--name", "sequential"])
        return score(Path("results/sequential/test_latest"))


def score(results: Path) -> dict:
    """The scores of a folder of results, as evaluate.py writes them."""
    import evaluate

    evaluate.main(["--dataroot", str(DATA), "--gpu_ids", "-1", "--results", str(results)])
    return json.loads((results / "metrics.json").read_text())


def train_here(case: str, *more: str) -> None:
    """Run a case, or one process of it, in the folder that is the current one."""
    import train

    torch.set_num_threads(1)
    train.memory_line = lambda *_: ""  # it takes longer than these runs
    train.main([*words_of(case), "--print_freq", str(batch_of(case)), *more])


def train_case(case: str, folder: Path, *more: str) -> list[dict[str, float]]:
    """Run a case in a folder; the losses of all of its steps that the folder knows."""
    if not (folder / "data").exists():  # so that no path of the recording machine is written down
        (folder / "data").symlink_to(DATA)
    if case not in PROCESSES:
        with chdir(folder):
            train_here(case, *more)
        return losses_of(folder / "checkpoints" / case)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    place["WORLD_SIZE"] = str(PROCESSES[case])
    started = [
        subprocess.Popen(
            [sys.executable, str(HERE / "record.py"), "--one_of_several", case, *more],
            cwd=folder,
            env=os.environ | place | {"RANK": str(i), "LOCAL_RANK": str(i)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(PROCESSES[case])
    ]
    told = [process.communicate(timeout=240)[0] for process in started]
    assert not any(process.returncode for process in started), told
    return losses_of(folder / "checkpoints" / case)
