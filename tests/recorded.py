"""CUDA graphs without CUDA: a call's operations are noted, and done again on the same tensors.

As in a graph all that Python decides is decided once, and what else the call does is not done
again.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from training.graphs import Graphs


class Noted(TorchDispatchMode):
    """Notes every operation on tensors in the block."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.steps.append((function, args, kwargs or {}, result))
        return result


class Recorder:
    """Stands for `CudaRecorder`; what a call computes while it is noted does not count."""

    def __init__(self, model):
        self.model = model
        self.launches = 0
        self.room = (1, 1)  # free, and all

    def record(self, call: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        buffers = [b for network in self.model.networks.values() for b in network.buffers()]
        before = [buffer.clone() for buffer in buffers]
        with torch.random.fork_rng([]), Noted() as noted:
            result = call()
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)

        @torch.no_grad()
        def launch() -> None:
            self.launches += 1
            for function, args, kwargs, written in noted.steps:
                renewed = function(*args, **kwargs)
                for old, new in zip(tree_leaves(written), tree_leaves(renewed), strict=True):
                    if isinstance(old, Tensor) and not share_memory(old, new):
                        old.copy_(new)

        return launch, result

    def memory(self) -> tuple[int, int]:
        return self.room


def share_memory(one: Tensor, other: Tensor) -> bool:
    """Whether one is a view of the other, or the same after an operation in place."""
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def recorded(model) -> Graphs:
    """Graphs of a model on a CPU."""
    return Graphs(model.device, Recorder(model))
