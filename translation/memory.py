"""Whether a picture fits into memory, asked before the machine comes to a halt over it."""

import os
from contextlib import suppress
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
GROUP = Path("/sys/fs/cgroup")  # of a container, whose memory may be less than the machine's


class MemoryCheck:
    """Refuses pictures that a run has no memory for, in one direction; measures a size once."""

    def __init__(self, run: TrainedRun, way: Direction):
        self.run, self.way = run, way
        self.fitting: set[tuple[int, ...]] = set()  # shapes of masks, which have the picture's size

    def check(self, batch: Scene) -> None:
        """Raise UserError, with a size that fits, for a batch that takes more than there is."""
        height, width = batch.image.shape[-2:]
        if height * width * len(batch) < LARGE or tuple(batch.masks.shape) in self.fitting:
            return
        needed, free = bytes_needed(self.run, batch, self.way), bytes_free(self.run.model.device)
        if needed > free:
            longest = int(max(height, width) * (0.9 * free / needed) ** 0.5)
            raise UserError(
                f"a picture of {width}x{height} would take about {megabytes(needed)} of memory and "
                f"{megabytes(free)} are free: --size {max(1, longest // 100) * 100} or less fits"
            )
        self.fitting.add(tuple(batch.masks.shape))


def bytes_needed(run: TrainedRun, batch: Scene, way: Direction) -> float:
    """Of a translation: measured on a small copy, times the ratio of the padded pixels."""
    size = batch.image.shape[-2:]
    scale = SMALL / max(size)
    small = tuple(max(8, round(scale * side)) for side in size)
    copy = replace(batch, image=shrunk(batch.image, small), masks=shrunk(batch.masks, small))
    copy = replace(copy, extras={n: shrunk(x, small) for n, x in batch.extras.items()})
    with PeakBytes() as made:
        run(copy, way)
    large, little = (padded(own, *run.sizes) for own in (size, small))
    return WORKSPACE * made.peak * (large[0] * large[1]) / (little[0] * little[1])


def padded(size: tuple[int, int], multiple: int, least: int) -> tuple[int, int]:
    """The (height, width) that networks see of a picture of this one; see `pad_scene`."""
    height, width = (-(-max(side, least) // multiple) * multiple for side in size)
    return height, width


def shrunk(tensor: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures or masks of this size; numbers as they are."""
    if tensor.dim() != 4:
        return tensor
    return interpolate(tensor.float(), size, mode="nearest").to(tensor.dtype)


def bytes_free(device: torch.device) -> float:
    """Of the device, or of the machine and the container, as far as the system says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = [float("inf")]
    with suppress(OSError, KeyError, ValueError):  # where there is no Linux
        lines = Path("/proc/meminfo").read_text().splitlines()
        facts = dict(line.split(":", 1) for line in lines)
        free.append(1024 * int(facts["MemAvailable"].split()[0]))
    with suppress(OSError, ValueError):  # `max` is no number
        limit, used = (int((GROUP / f"memory.{x}").read_text()) for x in ("max", "current"))
        free.append(limit - used)
    if len(free) == 1 and "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):
        free.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(free)
