"""How networks are run: in which precision and layout, compiled, on several GPUs or machines."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from models.networks.precision import HALF
from util.distributed import world_size

COMPILED_SHAPES = 64  # more shapes of a batch than this are run without being compiled


class Execution(nn.Module):
    """A network called in full precision that runs in another one; its weights stay as they are.

    Autocast is entered in here, where the threads of DataParallel have it as well.
    """

    def __init__(self, network: nn.Module, precision: str, layout: torch.memory_format):
        super().__init__()
        self.network = network
        self.half = HALF.get(precision)
        self.layout = layout
        self.compiled: Callable | None = None

    def compile_network(self) -> None:
        """From now on run a compiled version, one for each shape of the batch that comes along."""
        import torch._dynamo  # takes a second: not for those who do without

        torch._dynamo.config.cache_size_limit = COMPILED_SHAPES
        self.compiled = torch.compile(self.network.forward, dynamic=False)

    def forward(self, image: Tensor, masks: Tensor, present: Tensor) -> Tensor | tuple[Tensor, ...]:
        tensors = [image.contiguous(memory_format=self.layout), masks, present]
        if self.half is None:
            return self.run(tensors)
        with torch.autocast(image.device.type, dtype=self.half):
            result = self.run(tensors)
        if isinstance(result, Tensor):
            return result.to(image.dtype)
        return tuple(tensor.to(image.dtype) for tensor in result)

    def run(self, tensors: list[Tensor]) -> Tensor | tuple[Tensor, ...]:
        if self.compiled is None:
            return self.network(*tensors)
        try:
            return self.compiled(*tensors)
        except torch._dynamo.exc.TorchDynamoException as error:
            why = str(error).strip().split("\n")[0]
            tqdm.write(f"note: --compile does not work here, on without it ({why})")
            self.compiled = None
            return self.network(*tensors)


class TotalLoss(nn.Module):
    """The sum of an optimiser's losses, as a function of all networks that it trains."""

    def __init__(self, networks: Mapping[str, nn.Module]):
        super().__init__()
        self.networks = nn.ModuleDict(networks)

    def forward(self, terms: Mapping[str, Tensor]) -> Tensor:
        return sum(terms.values())


def across_processes(total: TotalLoss, some_idle: bool) -> nn.Module:
    """The loss whose backward pass leaves the mean gradient of all processes in every one.

    DistributedDataParallel sees all networks of an optimiser as one module: so gradients are sent
    in one order, whatever part of the networks a process used. Calling it just before the backward
    pass also makes the spectral norms' vectors those of process 0. With `some_idle` a step may
    leave out a network, in all processes alike: it gets no gradient.
    """
    if world_size() == 1 or next(total.parameters()).is_meta:
        return total
    return DistributedDataParallel(total, find_unused_parameters=some_idle)


def keeping_gradients(total: nn.Module) -> AbstractContextManager:
    """A block whose backward passes are not exchanged: their gradients go with the next one's."""
    return total.no_sync() if isinstance(total, DistributedDataParallel) else nullcontext()
