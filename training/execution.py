"""How networks are run: in which precision and layout, compiled, on several GPUs or machines."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from models.networks.precision import HALF
from training.distributed import world_size

COMPILED_SHAPES = 256  # of both generators' batches; further ones run without being compiled


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
        self.compiled_for_training = False

    def compile_network(self, training: bool) -> None:
        """From now on run a compiled version, one for each shape of the batch that comes along.

        In training it computes gradients; a look at the results now and then is not worth others.
        """
        import torch._dynamo  # takes a second: not for those who do without

        torch._dynamo.config.cache_size_limit = COMPILED_SHAPES
        self.compiled = torch.compile(self.network.forward, dynamic=False)
        self.compiled_for_training = training

    def forward(
        self, image: Tensor, masks: Tensor, present: Tensor, *more
    ) -> Tensor | tuple[Tensor, ...]:
        image = image.contiguous(memory_format=self.layout)
        inputs = [image, masks.contiguous(), present.contiguous(), *more]
        if self.half is None:
            return self.run(inputs)
        with torch.autocast(image.device.type, dtype=self.half):
            result = self.run(inputs)
        if isinstance(result, Tensor):
            return result.to(image.dtype)
        return tuple(tensor.to(image.dtype) for tensor in result)

    def run(self, inputs: list) -> Tensor | tuple[Tensor, ...]:
        looking = self.compiled_for_training and not torch.is_grad_enabled()
        if self.compiled is None or looking:
            return self.network(*inputs)
        try:
            return self.compiled(*(alike(tensor) for tensor in inputs))
        except torch._dynamo.exc.TorchDynamoException as error:
            why = " ".join(str(error).split("\n")[:2])
            tell_once(f"note: --compile does not work here, going on without it ({why})")
            self.compiled = None
            return self.network(*inputs)


def alike(tensor: Tensor) -> Tensor:
    """The tensor with a gradient, wanted or not: else both kinds would be compiled in training."""
    if tensor.requires_grad or not torch.is_grad_enabled() or not tensor.is_floating_point():
        return tensor
    return tensor.detach().requires_grad_()


@cache
def tell_once(text: str) -> None:
    tqdm.write(text)


class TotalLoss(nn.Module):
    """The sum of several losses, as a function of the networks that it trains."""

    def __init__(self, networks: Mapping[str, nn.Module]):
        super().__init__()
        self.networks = nn.ModuleDict(networks)

    def forward(self, terms: Mapping[str, Tensor]) -> Tensor:
        return sum(terms.values())


def across_processes(total: TotalLoss) -> nn.Module:
    """The loss whose backward pass leaves the mean gradient of all processes in every one.

    DistributedDataParallel sees all networks of a loss as one module: so gradients are sent in one
    order, whatever the graph of a process. It also keeps the vectors of spectral norms those of
    process 0.
    """
    if world_size() == 1 or next(total.parameters()).is_meta:
        return total
    return DistributedDataParallel(total)


def keeping_gradients(total: nn.Module) -> AbstractContextManager:
    """A block whose backward passes are not exchanged: their gradients go with the next one's."""
    return total.no_sync() if isinstance(total, DistributedDataParallel) else nullcontext()
