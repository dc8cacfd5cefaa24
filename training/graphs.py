"""CUDA graphs: the losses and gradients of an update as one launch, where shapes come up again.

With one picture at a time a GPU computes faster than a CPU launches its kernels. A graph has the
kernels of a call, with the places in memory that they read and write, and launches them together.
What the call does on the CPU besides is not done again. So a call may depend on its inputs, on the
networks and on the GPU's random numbers alone. It must not draw numbers on the CPU, ask for a
number that is on the GPU, or make a tensor there from numbers of Python's.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map, tree_map_only, tree_unflatten
from tqdm import tqdm

from data.scene import Scene
from training.state_file import first_line
from util.errors import UserError

ORDINARY = 2  # calls of a kind before there is a graph of it: many kinds come up only once
KINDS = 4096  # that are counted at a time: pictures of any size have one each
MOST_GRAPHS = 128
LEAST_ROOM = 0.1  # of a GPU's memory, that further graphs leave free

Call = Callable[[Sequence[Any]], Any]


class CudaRecorder:
    """Makes graphs of calls. All use the same memory, so one runs at a time, and what it gives has
    to be copied before the next one.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device)
        self.pool = torch.cuda.graph_pool_handle()

    def record(self, call: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        """A function that launches the kernels of the call, and the tensors that these write.

        Nothing is computed until then. Raises RuntimeError if the call waits for the GPU.
        """
        graph = torch.cuda.CUDAGraph()
        # Other threads may ask for memory meanwhile, as those do that read pictures.
        how = {"pool": self.pool, "stream": self.stream, "capture_error_mode": "thread_local"}
        with torch.cuda.graph(graph, **how):
            result = call()
        return graph.replay, result

    def memory(self) -> tuple[int, int]:
        """Bytes of the device that are free, but for what PyTorch could give back, and all."""
        torch.cuda.synchronize(self.device)
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(self.device)


@dataclass(frozen=True)
class Graph:
    """A call that can be launched: where it reads its inputs, and where it writes what it gives."""

    launch: Callable[[], None]
    inputs: list[Tensor]
    weights: list[nn.Parameter]
    gradients: list[Tensor]
    result: Any

    def run(self, inputs: list[Tensor]) -> Any:
        """As the call does: weights have their gradients then, and the result is the caller's."""
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            weight.grad = gradient
        self.launch()
        return tree_map_only(Tensor, torch.clone, self.result)


class Graphs:
    """Runs calls that add gradients to weights, by graphs where calls of their kind come again.

    Calls of a kind have the same name, and inputs that are equal but for the numbers in tensors on
    the device; so everything that a call decides on the CPU is the same. Calls that draw random
    numbers on the CPU have no graph. Where none can be made the run ends with a line that says why:
    CUDA is not fit for use any more after that.
    """

    def __init__(self, device: torch.device, recorder: Any = None):
        self.device = device
        self.recorder = recorder or CudaRecorder(device)
        self.calls: Counter = Counter()  # by kind, of those without a graph at the time
        self.graphs: dict[Hashable, Graph] = {}
        self.gradients: dict[nn.Parameter, Tensor] = {}  # that all graphs write
        self.draw_on_cpu: set[str] = set()  # names of calls

    def run(
        self, name: tuple[str, float], call: Call, inputs: Any, weights: Sequence[nn.Parameter]
    ) -> Any:
        """call(inputs), which adds to gradients that are None before.

        name: its method's, and a number that it reads elsewhere. Raises UserError.
        """
        inputs = tree_map(nameless, inputs, is_leaf=is_scene)
        if name[0] in self.draw_on_cpu:
            return call(inputs)
        leaves, structure = tree_flatten(inputs)
        key = (name, str(structure), *map(self.kind, leaves))
        if graph := self.graphs.get(key):
            return graph.run([leaf for leaf in leaves if self.is_input(leaf)])
        before = torch.get_rng_state()
        result = call(inputs)
        if not torch.equal(before, torch.get_rng_state()):
            self.draw_on_cpu.add(name[0])
            tqdm.write(f"note: no CUDA graph of {name[0]}, which draws numbers on the CPU")
        elif self.comes_again(key):
            self.add(key, call, (leaves, structure), weights)
        return result

    def kind(self, leaf: Any) -> Hashable:
        """What of a leaf of the inputs a graph depends on."""
        if not isinstance(leaf, Tensor):
            return leaf
        if self.is_input(leaf):
            return leaf.shape, leaf.stride(), leaf.dtype
        return leaf.shape, *leaf.flatten().tolist()

    def is_input(self, leaf: Any) -> bool:
        return isinstance(leaf, Tensor) and leaf.device == self.device

    def comes_again(self, key: Hashable) -> bool:
        """Whether it is time for a graph of a kind, after one more call of it."""
        if len(self.calls) == KINDS:
            self.calls.clear()
        self.calls[key] += 1
        return self.calls[key] == ORDINARY and len(self.graphs) < MOST_GRAPHS

    def add(
        self, key: Hashable, call: Call, inputs: tuple, weights: Sequence[nn.Parameter]
    ) -> None:
        """Make a graph of a call that was just made, if there is room; its gradients stay."""
        free, total = self.recorder.memory()
        if free < LEAST_ROOM * total:
            return
        found = {weight: weight.grad for weight in weights if weight.grad is not None}
        try:
            self.graphs[key] = self.graph(call, *inputs, list(found))
        except RuntimeError as error:
            why = first_line(error.__context__ or error)
            raise UserError(
                f"--cuda_graphs does not work here ({why}): go on without it, --continue_train"
            ) from None
        for weight, gradient in found.items():
            weight.grad = gradient
        if len(self.graphs) == 1:
            kept = (free - self.recorder.memory()[0]) / 1e6
            tqdm.write(f"note: CUDA graphs are used, the first one keeps {kept:,.0f} MB of memory")

    def graph(self, call: Call, leaves: list, structure, weights: list[nn.Parameter]) -> Graph:
        """The graph of a call with such inputs, which gives these weights gradients."""
        own = [leaf.clone() if self.is_input(leaf) else leaf for leaf in leaves]
        inputs = tree_unflatten(own, structure)
        for weight in weights:
            if weight not in self.gradients:
                self.gradients[weight] = torch.zeros_like(weight)
            weight.grad = self.gradients[weight]
        gradients = [weight.grad for weight in weights]

        def whole() -> Any:
            torch._foreach_zero_(gradients)
            return call(inputs)

        launch, result = self.recorder.record(whole)
        tensors = [leaf for leaf in own if self.is_input(leaf)]
        return Graph(launch, tensors, weights, gradients, result)


def is_scene(value: Any) -> bool:
    return isinstance(value, Scene)


def nameless(value: Any) -> Any:
    """A scene without the names of its files, which every batch has others of."""
    return replace(value, names=[], numbers=[]) if is_scene(value) else value
