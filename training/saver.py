"""Saving beside the run: a copy of what is saved, and a thread that writes it."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from util.errors import UserError

RETRY = 10.0  # seconds between attempts at a save that failed


class KeptCopy:
    """Copies nested states into memory that is kept from one copy to the next.

    A GPU copies while the run goes on; `wait` is for whoever reads the copy.
    """

    def __init__(self):
        self.buffers: dict[tuple, Tensor] = {}
        self.done: torch.cuda.Event | None = None

    def copy(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The same with tensors on the CPU, which the next call overwrites."""
        copied = self.copied(state, ())
        if torch.cuda.is_initialized():
            self.done = torch.cuda.Event()
            self.done.record()
        return copied

    def copied(self, value, place: tuple):
        if isinstance(value, Tensor):
            return self.copied_tensor(value, place)
        if isinstance(value, Mapping):
            return {key: self.copied(own, (*place, key)) for key, own in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.copied(own, (*place, i)) for i, own in enumerate(value))
        return value

    def copied_tensor(self, tensor: Tensor, place: tuple) -> Tensor:
        buffer = self.buffers.get(place)
        if buffer is None or (buffer.shape, buffer.dtype) != (tensor.shape, tensor.dtype):
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
            self.buffers[place] = buffer
        return buffer.copy_(tensor.detach(), non_blocking=True)

    def wait(self) -> None:
        if self.done is not None:
            self.done.synchronize()


class Saver:
    """Calls one write after the other in a thread; one that fails is tried again until the next.

    Only an OSError, such as a full disk's, is a failure that may pass; it is told once.
    """

    def __init__(self, asked_to_end: Callable[[], bool] = bool, retry: float = RETRY):
        self.asked_to_end = asked_to_end
        self.retry = retry
        self.news = threading.Condition()
        self.write: Callable[[], None] | None = None
        self.busy = False
        self.failure: OSError | None = None
        self.bug: BaseException | None = None
        self.thread: threading.Thread | None = None

    # ---- called by the run

    def ready(self) -> None:
        """Wait until nothing is being written; what failed before is given up for what comes."""
        with self.news:
            self.news.wait_for(lambda: not self.busy)
            self.write = None
        if self.bug:
            raise self.bug

    def start(self, write: Callable[[], None]) -> None:
        """Write this, after `ready`."""
        if self.thread is None:
            self.thread = threading.Thread(target=self.work, daemon=True, name="saver")
            self.thread.start()
        with self.news:
            self.write, self.busy = write, True  # from now on: `ready` must not give it up
            self.news.notify_all()

    def finish(self, patience: float) -> None:
        """Wait until all is written. Raises UserError if that fails for `patience` seconds."""
        end = time.monotonic() + patience
        with self.news:
            while self.write is not None and not self.bug:
                enough = time.monotonic() >= end or self.asked_to_end()
                if self.failure and not self.busy and enough:
                    raise UserError(f"the last save could not be written ({self.failure})")
                self.news.wait(0.05)
        if self.bug:
            raise self.bug

    # ---- the thread

    def work(self) -> None:
        while True:
            with self.news:
                self.news.wait_for(lambda: self.write is not None)
                write, self.busy = self.write, True
            failure = self.attempt(write)
            with self.news:
                self.busy = False
                self.failure = failure
                self.write = write if failure else None
                self.news.notify_all()
                if failure:
                    self.news.wait_for(lambda own=write: self.write is not own, self.retry)
                if self.bug:
                    return

    def attempt(self, write: Callable[[], None]) -> OSError | None:
        """Call it; what goes wrong with the disk is told once until it goes well again."""
        try:
            write()
        except OSError as error:
            if not self.failure:
                tqdm.write(
                    f"warning: nothing can be saved ({error}); the run goes on, the last good save "
                    "stays, and saving is tried again and again: make room"
                )
            return error
        except BaseException as error:  # a mistake of ours: the run ends by it, not in silence
            self.bug = error
        else:
            if self.failure:
                tqdm.write("saving works again")
        return None
