"""Several processes that train one model, started by torchrun; alone, everything here is a no-op.

torchrun tells each process its place in the environment: RANK among WORLD_SIZE processes,
LOCAL_RANK on its machine. Process 0 alone prints and writes.
"""

import importlib
import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn

import torch
from torch import Tensor, distributed, nn

from util.errors import UserError, exit_status, last_words


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


def local_world_size() -> int:
    """The processes on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", world_size())) if world_size() > 1 else 1


def quiet_unless_main() -> None:
    """Let only process 0 print, and until they are connected one process of each machine complain.

    What is wrong until then is wrong in every process, and is told once.
    """
    if not is_main():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, for as long as the process lives
    if local_rank() > 0:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, `connected` gives it back


@contextmanager
def connected(timeout: int) -> Iterator[None]:
    """Connect the processes for the time of the block: gloo between CPUs, nccl between GPUs.

    A process that waits for the others longer than `timeout` seconds gives up. An error in the
    block ends the process at once: nccl would wait for the others for ever, and threads of gloo
    that Python's own end still finds may abort the process, whose exit status would be lost.
    """
    if world_size() == 1:
        yield
        return
    connect(timeout)
    sys.stderr = sys.__stderr__
    try:
        yield
    except BaseException as error:
        if is_lost_connection(error):
            late = "timed out" in str(error).lower()
            what = f"has not answered for {timeout} s (see --dist_timeout)" if late else "ended"
            error = UserError(
                f"process {rank()} of {world_size()} stops, for another one {what}: "
                "see what that one said, mend it and go on with --continue_train"
            )
        leave(error)
    distributed.destroy_process_group()


def is_lost_connection(error: BaseException) -> bool:
    """Whether another process is gone: DistError is a RuntimeError, gloo raises the plain class."""
    told = isinstance(error, distributed.DistError) or "gloo" in str(error).lower()
    return isinstance(error, RuntimeError) and told


def leave(error: BaseException) -> NoReturn:
    """End the process at once, with what `command` or Python would say of the error."""
    words = last_words(error)
    if not words and not isinstance(error, SystemExit):
        words = "".join(traceback.format_exception(error)).rstrip()
    if words and (is_main() or not isinstance(error, KeyboardInterrupt)):
        sys.stderr.write(words + "\n")
    for child in multiprocessing.active_children():  # Python's own end would have ended them
        child.kill()
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(exit_status(error))


def connect(timeout: int) -> None:
    """Meet the other processes. Raises UserError if they are not to be found."""
    # Its functions' default arguments keep the group there is at its import, which would then
    # outlive `destroy_process_group`; PyTorch imports it by itself for the first optimiser.
    importlib.import_module("torch.distributed.nn")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        distributed.init_process_group(backend, timeout=timedelta(seconds=timeout))
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"WORLD_SIZE={world_size()}: the processes cannot meet ({reason}); "
            "start them with torchrun"
        ) from None


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of every process's `values`; on the CPU if they lie there, no GPU waits for it."""
    if world_size() > 1:
        values = values.clone()
        distributed.all_reduce(values)
    return values


def average_gradients(networks: Sequence[nn.Module], compress: bool = False) -> None:
    """Give every process the mean of all processes' gradients, and process 0's buffers.

    All processes train the same networks in an update, though some may have no sample for it. One
    exchange of all gradients together is all there is; to compress is to send them in bfloat16.
    Buffers, such as the vectors of spectral norms, are made from equal weights, but may differ in
    their last bits between kinds of devices.
    """
    weights = [weight for network in networks for weight in network.parameters()]
    buffers = [buffer for network in networks for buffer in network.buffers()]
    for some in by_kind([weight.grad for weight in weights if weight.grad is not None]):
        flat = torch.cat([tensor.flatten() for tensor in some]) / world_size()
        flat = flat.bfloat16() if compress else flat
        distributed.all_reduce(flat)
        spread(flat, some)
    for some in by_kind(buffers):
        flat = torch.cat([tensor.flatten() for tensor in some])
        distributed.broadcast(flat, 0)
        spread(flat, some)


def by_kind(tensors: Iterable[Tensor]) -> Iterable[list[Tensor]]:
    """Tensors of one type each, in an order that is the same in every process."""
    kinds: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault(tensor.dtype, []).append(tensor)
    return kinds.values()


def spread(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    """Copy one long vector into tensors, one after the other."""
    pieces = flat.split([tensor.numel() for tensor in tensors])
    with torch.no_grad():
        for tensor, piece in zip(tensors, pieces, strict=True):
            tensor.copy_(piece.view_as(tensor))


class FlagExchange:
    """Small integers of all processes, as a maximum over them.

    They are all-reduced on the CPU while the next step runs, so that every process has them one
    step later and none waits. A single process has its own at once.
    """

    def __init__(self):
        self.flags: Tensor | None = None
        self.work = None

    def exchange(self, *flags: int) -> list[int]:
        """The maxima of the step before; every process calls it in every step."""
        if world_size() == 1:
            return list(flags)
        earlier = [0] * len(flags)
        if self.work is not None:
            self.work.wait()
            earlier = self.flags.tolist()
        self.flags = torch.tensor(flags)
        self.work = distributed.all_reduce(self.flags, distributed.ReduceOp.MAX, async_op=True)
        return earlier

    def drop(self) -> None:
        """Forget the flags of this step."""
        if self.work is not None:
            self.work.wait()
            self.work = None


def from_main(value: Any) -> Any:
    """Process 0's `value`, in every process."""
    if world_size() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box)
    return box[0]


def call_in_main(call: Callable[[], Any]) -> Any:
    """What process 0's call returns, in every process; they wait for it as long as it takes."""
    if world_size() == 1:
        return call()
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(call) if is_main() else None
        while True:  # a single exchange that took longer than --dist_timeout would end the run
            if is_main():
                wait([future], timeout=1)
            if from_main(is_main() and future.done()):
                return from_main(is_main() and future.result())


def share(value: Any) -> list:
    """Every process's `value`, in all of them."""
    if world_size() == 1:
        return [value]
    values = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


def gather(value: Any) -> list | None:
    """Every process's `value` in process 0, None in the others."""
    if world_size() == 1:
        return [value]
    gathered = [None] * world_size() if is_main() else None
    distributed.gather_object(value, gathered)
    return gathered
