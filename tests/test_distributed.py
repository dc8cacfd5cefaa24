"""Several processes train as one would: same weights, no overlap, one clear line when one is lost."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import distributed

import test as test_command
import train
from conftest import ROOT, TINY, one_line_error
from data.loader import EpochSampler
from options.train_options import TrainOptions
from training.distributed import (
    average_gradients,
    gather,
    is_main,
    local_rank,
    rank,
    sum_over_processes,
    world_size,
)

DOUBLE = f"""
import atexit, glob, os, sys, torch
def end():  # at which threads of gloo abort the process, now and then
    threads = [open(path).read().strip() for path in glob.glob("/proc/self/task/*/comm")]
    if "pt_gloo_runloop" in threads:
        os._exit(99)
atexit.register(end)
sys.path.insert(0, {str(ROOT)!r})
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
import train
train.main(sys.argv[1:])
"""
COMMON = "--niter 1 --niter_decay 0 --no_html --no_mask keep --serial_batches --print_freq 4"


def start(
    processes: int, folder: Path | Sequence[Path], dataroot: Path, words: str
) -> list[subprocess.Popen]:
    """`train.py` in float64 in so many processes, as torchrun would start them.

    They work in one folder, or each in one of its own.
    """
    folders = [folder] * processes if isinstance(folder, Path) else folder
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", DOUBLE, "--dataroot", str(dataroot), *TINY, *words.split()]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    return [
        subprocess.Popen(
            command,
            cwd=folders[i],
            env=os.environ | place | {"RANK": str(i), "LOCAL_RANK": str(i), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(processes)
    ]


def finish(started: list[subprocess.Popen]) -> list[str]:
    """What they printed; all must end well."""
    ended = [process.communicate(timeout=240) for process in started]
    for process, (_, errors) in zip(started, ended, strict=True):
        assert process.returncode == 0, errors
    return [out for out, _ in ended]


def weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    return {
        f"{path.stem}.{key}": value
        for path in sorted((folder / "checkpoints" / name).glob("latest_net_*.pth"))
        for key, value in torch.load(path).items()
    }


@pytest.fixture(scope="module")
def twelve(shapes, tmp_path_factory) -> Path:
    """Twelve pictures per domain; of A the process with rank 1 sees none with an instance at first,
    and of B no process does in the last batch."""
    root = tmp_path_factory.mktemp("twelve")
    for domain in "AB":
        pictures, masks = root / f"train{domain}", root / f"train{domain}_seg"
        pictures.mkdir()
        masks.mkdir()
        sources = sorted((shapes / f"train{domain}").glob("*.png"))
        for i in range(12):
            source = sources[i % len(sources)]
            shutil.copy(source, pictures / f"{i:02}.png")
            if not (domain == "A" and i in (1, 3) or domain == "B" and i > 7):
                for mask in (shapes / f"train{domain}_seg").glob(f"{source.stem}_*.png"):
                    shutil.copy(mask, masks / f"{i:02}_{mask.stem.rpartition('_')[2]}.png")
    return root


@pytest.mark.parametrize(
    "words,tolerance",
    [
        ("--ins_max 2 --pool_size 0 --paste 1 --ema 8", 1e-9),
        ("--model cycle_gan_seg --pool_size 0", 1e-9),
        ("--ins_max 3 --pool_size 0 --accumulate 2", 1e-9),
    ],
)
def test_two_processes_train_as_one_with_the_large_batch(twelve, tmp_path, words, tolerance):
    """Three batches, in float64; also where a process has no instance, and in several parts."""
    words = f"{COMMON} {words}"
    (alone,) = finish(start(1, tmp_path, twelve, f"--name one --batch_size 4 {words}"))
    said, silent = finish(start(2, tmp_path, twelve, f"--name two --batch_size 2 {words}"))
    assert silent == ""
    losses = re.compile(r"D_A:.*")
    assert losses.findall(said) == losses.findall(alone) and len(losses.findall(said)) == 3
    one, two = weights(tmp_path, "one"), weights(tmp_path, "two")
    assert one.keys() == two.keys() and one
    for name, value in one.items():
        assert value.dtype == torch.float64
        assert torch.allclose(value, two[name], atol=tolerance, rtol=0), name


def test_compressed_gradients_are_rounded_to_bfloat16(tmp_path):
    distributed.init_process_group("gloo", f"file://{tmp_path}/meet", world_size=1, rank=0)
    try:
        layer = torch.nn.Linear(5, 3)
        before = [torch.randn_like(weight) for weight in layer.parameters()]
        for compress in (False, True):
            for weight, gradient in zip(layer.parameters(), before, strict=True):
                weight.grad = gradient.clone()
            average_gradients([layer], compress)
            for weight, gradient in zip(layer.parameters(), before, strict=True):
                wanted = gradient.bfloat16().float() if compress else gradient
                assert weight.grad.dtype == torch.float32 and torch.equal(weight.grad, wanted)
    finally:
        distributed.destroy_process_group()


def test_more_processes_continue_inside_an_epoch(monkeypatch):
    """What is left is cut anew; a rest that is too small for all is left out."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    places = []
    for own in range(2):
        monkeypatch.setenv("RANK", str(own))
        sampler = EpochSampler(6, 1, seed=5, shuffle=True)
        sampler.skip = 3
        places.append([[draw.position for draw in batch] for batch in sampler])
        assert len(sampler) == 1 and sampler.stop == 5
    assert places == [[[3]], [[4]]]


@pytest.mark.parametrize(
    "blow,word", [(signal.SIGKILL, "ended"), (signal.SIGSTOP, "has not answered for 6 s")]
)
def test_losing_a_process_ends_the_others_with_one_line(twelve, tmp_path, blow, word):
    words = f"{COMMON} --niter 1000 --dist_timeout 6"
    both = start(2, tmp_path, twelve, words)
    try:
        while "D_A:" not in both[0].stdout.readline():
            assert both[0].poll() is None, both[0].stderr.read()
        both[1].send_signal(blow)
        _, errors = both[0].communicate(timeout=60)
        assert both[0].returncode == 2
        (line,) = errors.splitlines()
        assert (
            line.startswith("error: ")
            and f"process 0 of 2 stops, for another one {word}" in line
            and "--continue" in line
        )
    finally:
        for process in both:
            process.kill()


@pytest.mark.parametrize("words", ["--batch_size 0", "--norm batch", "--phase nowhere"])
def test_a_mistake_is_told_once(twelve, tmp_path, words):
    both = start(2, tmp_path, twelve, words)
    told = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert told[0].startswith("error: ") and told[0].count("\n") == 1 and told[1] == ""
    assert words.split()[-1] in told[0]


def test_processes_that_cannot_meet_and_commands_that_run_alone(run, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as stop:
        run(train.main)
    assert stop.value.code == 2
    one_line_error(capsys, "WORLD_SIZE=2", "torchrun", "RANK")
    with pytest.raises(SystemExit) as stop:
        run(test_command.main)
    assert stop.value.code == 2
    one_line_error(capsys, "only train.py")


def test_torchrun_starts_it(twelve, tmp_path):
    """Also as the script for several GPUs calls it."""
    words = f"{COMMON} --dataroot {twelve} --name several {' '.join(TINY)}"
    environment = os.environ | {"PYTHON": sys.executable, "PROCESSES": "2"}
    subprocess.run(
        ["bash", str(ROOT / "scripts/train_multi_gpu.sh"), *words.split()],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=240,
        capture_output=True,
    )
    assert weights(tmp_path, "several")


def test_samplers_cut_one_order_without_overlap(monkeypatch):
    """Together the processes have the batches of one, but for a rest that is too small for all."""
    for length, kept in ((11, 11), (13, 12), (3, 3)):
        monkeypatch.setenv("WORLD_SIZE", "1")
        alone = list(EpochSampler(length, 6, seed=5, shuffle=True))
        monkeypatch.setenv("WORLD_SIZE", "3")
        shares = []
        for own in range(3):
            monkeypatch.setenv("RANK", str(own))
            sampler = EpochSampler(length, 2, seed=5, shuffle=True)
            shares.append(list(sampler))
            assert len(sampler) == len(shares[-1]) == len(shares[0]) and sampler.stop == kept
        for number, batches in enumerate(zip(*shares, strict=True)):
            assert all(batches)
            together = sorted(
                (draw for batch in batches for draw in batch), key=lambda d: d.position
            )
            assert together == alone[number]


def test_a_process_alone_exchanges_nothing(monkeypatch):
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    values = torch.tensor([1.0, 2.0])
    assert sum_over_processes(values) is values and gather(3) == [3]
    assert (rank(), local_rank(), world_size(), is_main()) == (0, 0, 1, True)


def test_every_process_takes_a_gpu_of_its_own(monkeypatch, shapes):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    parse = lambda words: TrainOptions().parse(["--dataroot", str(shapes), *words.split()]).gpu_ids  # noqa: E731
    assert parse("--gpu_ids 0,1") == [0, 1] and parse("") == [0]
    place = {"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    for name, value in place.items():
        monkeypatch.setenv(name, value)
    assert parse("") == [1] and parse("--gpu_ids 2,3") == [3] and parse("--gpu_ids -1") == []
    with pytest.raises(Exception, match="--gpu_ids 0: torchrun started more processes"):
        parse("--gpu_ids 0")
