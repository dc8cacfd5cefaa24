"""Whether a picture fits into memory, asked before the machine comes to a halt over it."""

import os
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from data.direction import Direction
from data.scene import Scene
from models.estimate import WORKSPACE, megabytes
from models.trained_run import TrainedRun
from util.errors import UserError
from util.memory import PeakBytes

SMALL = 128  # pixels of the longer side of the picture that is measured
LARGE = 1_000_000  # pixels; smaller pictures always fit


def check_memory(run: TrainedRun, batch: Scene, way: Direction) -> None:
    """Raise UserError, with a size that fits, for a batch that would take more than there is."""
    height, width = batch.image.shape[-2:]
    if height * width * len(batch) < LARGE:
        return
    needed, free = bytes_needed(run, batch, way), bytes_free(run.model.device)
    if needed <= free:
        return
    longest = int(max(height, width) * (0.9 * free / needed) ** 0.5)
    raise UserError(
        f"a picture of {width}x{height} would take about {megabytes(needed)} of memory and "
        f"{megabytes(free)} are free: --size {max(1, longest // 100) * 100} or less fits"
    )


def bytes_needed(run: TrainedRun, batch: Scene, way: Direction) -> float:
    """Of a translation: measured on a small copy, times the ratio of the pixels."""
    height, width = batch.image.shape[-2:]
    scale = SMALL / max(height, width)
    size = tuple(max(8, round(scale * side)) for side in (height, width))
    small = replace(batch, image=shrunk(batch.image, size), masks=shrunk(batch.masks, size))
    small = replace(small, extras={n: shrunk(x, size) for n, x in batch.extras.items()})
    with PeakBytes() as made:
        run(small, way)
    return WORKSPACE * made.peak * (height * width) / (size[0] * size[1])


def shrunk(tensor: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures or masks of this size; numbers as they are."""
    if tensor.dim() != 4:
        return tensor
    return interpolate(tensor.float(), size, mode="nearest").to(tensor.dtype)


def bytes_free(device: torch.device) -> float:
    """Of the device, or of the machine as far as the system says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        facts = dict(line.split(":", 1) for line in lines)
        return 1024 * int(facts["MemAvailable"].split()[0])
    except (OSError, KeyError, ValueError):  # no Linux
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return float("inf")
