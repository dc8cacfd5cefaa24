"""Where the tensors live, and in which precision the networks run."""

import os
import time

import torch

from training.distributed import from_main, local_rank, local_world_size, world_size
from util.errors import UserError


def parse_gpu_ids(text: str) -> list[int]:
    """GPU numbers from `0`, `0,2`, `auto` (GPU 0 if there is one) or `-1` (none: the CPU).

    Under torchrun every process takes one of them, `auto` being all.
    """
    available = torch.cuda.device_count()
    if text == "auto":
        ids = list(range(available))
        return own_gpu(ids, text) if ids else []
    try:
        ids = [int(part) for part in str(text).split(",") if part.strip()]
    except ValueError:
        raise UserError(
            f"--gpu_ids {text}: give numbers such as 0 or 0,1, or -1 for the CPU"
        ) from None
    ids = [i for i in ids if i >= 0]
    if missing := [i for i in ids if i >= available]:
        raise UserError(
            f"--gpu_ids {text}: there is no GPU {missing[0]}, PyTorch sees {available}; "
            "choose others, or --gpu_ids -1 for the CPU"
        )
    return own_gpu(ids, text) if ids and world_size() > 1 else ids


def own_gpu(ids: list[int], text: str) -> list[int]:
    """The one that this process uses."""
    if local_world_size() > len(ids):
        raise UserError(
            f"--gpu_ids {text}: torchrun started more processes here than there are GPUs to use, "
            f"{len(ids)}: give it --nproc_per_node {len(ids)}"
        )
    return [ids[local_rank()]]


def choose_device(gpu_ids: list[int]) -> torch.device:
    """The first GPU of the list, or the CPU."""
    if not gpu_ids:
        return torch.device("cpu")
    torch.cuda.set_device(gpu_ids[0])
    return torch.device("cuda", gpu_ids[0])


def memory_facts(device: torch.device) -> dict[str, int]:
    """The bytes that tensors have taken on a GPU at most; nothing is known of a CPU."""
    if device.type != "cuda":
        return {}
    return {"memory": torch.cuda.max_memory_allocated(device)}


def describe_device(gpu_ids: list[int], precision: str) -> str:
    """One line for the console."""
    names = ", ".join(f"GPU {i} ({torch.cuda.get_device_name(i)})" for i in gpu_ids)
    here = names or f"CPU, {torch.get_num_threads()} threads"
    several = f"{world_size()} processes, this one on " if world_size() > 1 else ""
    return f"device: {several}{here}, {precision}"


def faster_precision(device: torch.device, seconds: float = 0.5) -> str:
    """`bf16` where a typical convolution, forward and backward, runs faster so than in fp32.

    Takes about `seconds`. A processor without bfloat16 units emulates it and is slower for it.
    """
    times = {"fp32": [], "bf16": []}
    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(device)
    x = torch.ones(4, 64, 32, 32, device=device)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["bf16"]) < 3:
        for precision, taken in times.items():
            start = time.perf_counter()
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
                loss = layer(x).float().mean()
            loss.backward()
            if device.type == "cuda":
                torch.cuda.synchronize()
            taken.append(time.perf_counter() - start)
    return min(times, key=lambda precision: sorted(times[precision])[len(times[precision]) // 2])


def prepare_device(opt) -> torch.device:
    """Choose the device and settle `--precision auto`; says so in one line.

    On a CPU torch's threads stay as many as they are whatever `--num_threads`: the order in which
    they add up, and with it the last bit of a sum, depends on their number.
    """
    device = choose_device(opt.gpu_ids)
    if opt.precision == "auto":
        opt.precision = from_main(faster_precision(device))
    if opt.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # we read none of it
    torch.backends.cudnn.allow_tf32 = opt.precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = opt.precision == "tf32"
    print(describe_device(opt.gpu_ids, opt.precision))
    return device
