"""Several processes that train one model, started by torchrun; alone, everything here is a no-op.

torchrun tells each process its place in the environment: RANK among WORLD_SIZE processes,
LOCAL_RANK on its machine. Process 0 alone prints and writes.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed

from util.errors import UserError


def world_size() -> int:
    """Processes of this run, on all machines."""
    return int(os.environ.get("WORLD_SIZE", 1))


def rank() -> int:
    """This process's number among them, from 0."""
    return int(os.environ.get("RANK", 0)) if world_size() > 1 else 0


def local_rank() -> int:
    """Its number among those of its machine."""
    return int(os.environ.get("LOCAL_RANK", rank())) if world_size() > 1 else 0


def is_main() -> bool:
    """Whether this process is the one that prints and writes."""
    return rank() == 0


def quiet_unless_main() -> None:
    """Let only process 0 print; an error of another still reaches the terminal."""
    if not is_main():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, for as long as the process lives


@contextmanager
def connected(timeout: int) -> Iterator[None]:
    """Connect the processes for the time of the block: gloo between CPUs, nccl between GPUs.

    A process that waits for the others longer than `timeout` seconds gives up. Raises UserError if
    they cannot be reached or are lost on the way.
    """
    if world_size() == 1:
        yield
        return
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        distributed.init_process_group(backend, timeout=timedelta(seconds=timeout))
        yield
        distributed.destroy_process_group()
    except RuntimeError as error:  # DistError is one; gloo raises the plain class
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error).lower():
            raise
        late = "timed out" in str(error).lower()
        what = f"has not answered for {timeout} s (see --dist_timeout)" if late else "ended"
        raise UserError(
            f"process {rank()} of {world_size()} stops, for another one {what}: see what that one "
            "said, mend it and go on with --continue_train"
        ) from None


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of every process's `values`; on the CPU if they lie there, no GPU waits for it."""
    if world_size() > 1:
        values = values.clone()
        distributed.all_reduce(values)
    return values


def from_main(value: Any) -> Any:
    """Process 0's `value`, in every process."""
    if world_size() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box)
    return box[0]


def gather(value: Any) -> list | None:
    """Every process's `value` in process 0, None in the others."""
    if world_size() == 1:
        return [value]
    gathered = [None] * world_size() if is_main() else None
    distributed.gather_object(value, gathered)
    return gathered
