"""How networks are run: in which precision and layout, compiled, on several GPUs or machines."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from tqdm import tqdm

from training.precision import HALF

FULL = ("fp32", "tf32")  # precisions that need no autocast
COMPILED_SHAPES = 256  # of both generators' batches; further ones run without being compiled


def as_it_runs(
    network: nn.Module, opt, device: torch.device, translates: bool, training: bool
) -> nn.Module:
    """How to call a network: on the device, as the options of a run say.

    One that runs in full precision and as it is needs nothing around it.
    """
    half = opt.precision not in FULL
    fused = any(getattr(layer, "fused", False) for layer in network.modules())
    innermost = opt.channels_last or (half and fused)
    layout = torch.channels_last if innermost else torch.contiguous_format
    network.to(device=device, memory_format=layout)
    called = network
    if half or innermost or (opt.compile and translates):
        called = Execution(network, opt.precision, layout)
        if opt.compile and translates:
            called.compile_network(training)
    return nn.DataParallel(called, opt.gpu_ids) if len(opt.gpu_ids) > 1 else called


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

    def forward(self, picture: Tensor, *inputs, **named) -> Any:
        """The network's output for a picture and any other inputs."""
        picture = picture.contiguous(memory_format=self.layout)
        inputs, named = tree_map_only(Tensor, Tensor.contiguous, (inputs, named))
        if self.half is None:
            return self.run(picture, *inputs, **named)
        with torch.autocast(picture.device.type, dtype=self.half):
            result = self.run(picture, *inputs, **named)
        return tree_map_only(Tensor, partial(as_before, dtype=picture.dtype), result)

    def run(self, *inputs, **named) -> Any:
        looking = self.compiled_for_training and not torch.is_grad_enabled()
        if self.compiled is None or looking:
            return self.network(*inputs, **named)
        try:
            inputs, named = tree_map_only(Tensor, alike, (inputs, named))
            return self.compiled(*inputs, **named)
        except torch._dynamo.exc.TorchDynamoException as error:
            why = " ".join(str(error).split("\n")[:2])
            tell_once(f"note: --compile does not work here, going on without it ({why})")
            self.compiled = None
            return self.network(*inputs, **named)


def alike(tensor: Tensor) -> Tensor:
    """The tensor with a gradient, wanted or not: else both kinds would be compiled in training."""
    if tensor.requires_grad or not torch.is_grad_enabled() or not tensor.is_floating_point():
        return tensor
    return tensor.detach().requires_grad_()


def as_before(result: Tensor, dtype: torch.dtype) -> Tensor:
    """What autocast made half as wide, as wide as the picture that came in."""
    return result.to(dtype) if result.is_floating_point() else result


@cache
def tell_once(text: str) -> None:
    tqdm.write(text)
