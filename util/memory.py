"""Memory: how much a computation will take, and one line when there is not enough."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from util.errors import UserError

# How allocators, and the libraries that use them, say that there is not enough.
SHORTAGE = ("out of memory", "alloc_failed", "allocate memory", "not enough memory")
OF_GPUS = ("cuda", "cudnn", "cublas", "nccl")


class PeakBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that operations inside the block make and that still live.

    `peak` is the most there were. With tensors on the device `meta` nothing is computed.
    """

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.storages: weakref.WeakSet = weakref.WeakSet()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.count(tensor.untyped_storage())
        return result

    def count(self, storage: torch.UntypedStorage) -> None:
        if storage in self.storages:
            return
        size = storage.nbytes()
        self.storages.add(storage)
        weakref.finalize(storage, self.released, size)
        self.now += size
        self.peak = max(self.peak, self.now)

    def released(self, size: int) -> None:
        self.now -= size


@contextmanager
def enough_memory(remedy: str) -> Iterator[None]:
    """Turn a lack of memory, of a GPU or of the machine, into a UserError that ends in `remedy`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if not isinstance(error, MemoryError) and not any(words in text for words in SHORTAGE):
            raise
        where = "the GPU" if any(library in text for library in OF_GPUS) else "this machine"
        raise UserError(f"out of memory on {where}: {remedy}") from None
