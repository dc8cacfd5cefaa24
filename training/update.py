"""One update of a model's networks: forward, backward, finite check, optimiser step.

The only place that knows that a batch may be divided (`--accumulate`) or spread over processes,
that fp16 scales losses, and that an update may be broken and has to be made again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.utils._pytree import tree_map_only

from data.scene import Scene
from training.distributed import average_gradients, sum_over_processes
from training.guard import Update, weights_of
from training.optimizers import Losses, Trainable
from training.parts import joined, parts_of
from training.schedules import PerUpdate

LossesOf = Callable[..., tuple[Losses, Any]]


class Updating(Trainable):
    """The part of a model that trains its networks."""

    def begin_batch(self, scenes: Mapping[str, Scene], pictures: int) -> None:
        """Get ready for the updates of a batch; pictures are those of all processes."""
        self.updates = []
        self.divisor = pictures / self.processes
        self.names = [name for scene in scenes.values() for name in scene.names]
        self.past = self.snapshots()

    def over_processes(self, values: Tensor) -> Tensor:
        """The sum of every process's values."""
        return sum_over_processes(values) if self.processes > 1 else values

    def update(self, kind: str, losses_of: LossesOf, *inputs) -> Any:
        """One step of an optimiser by the losses that a method of the model gives.

        losses_of(*inputs) -> (losses, result). Losses by name are sums over samples, or have one
        value per sample; their mean over the whole batch is minimised, in sum. The result, nested
        as one likes, has samples in the first dimension of its tensors. It is returned without
        gradients.

        With --accumulate N the method is called N times, with as many parts of the inputs: scenes,
        tensors and what else has a method `select` are divided by samples. The activations of one
        part are released before the next. Networks that other optimisers train stay as they are;
        so do all if a loss or a gradient is not finite, see `Guard`.

        With --cuda_graphs it is called a few times, and what it did on the GPU is done again; see
        training/graphs.py for what it must not do.
        """
        optimizer, scaler = self.optimizers[kind], self.scalers[kind]
        update = self.remember(kind, losses_of, inputs)
        optimizer.zero_grad(set_to_none=True)
        call = partial(self.differentiated, scaler, losses_of)
        with self.others_frozen(kind):
            if self.graphs:
                name, weights = (losses_of.__name__, self.divisor), [*weights_of(optimizer)]
                losses, result = self.graphs.run(name, call, inputs, weights)
            else:
                losses, result = call(inputs)
        if self.processes > 1:
            networks = [self.networks[name] for name in self.trained[kind]]
            average_gradients(networks, self.opt.compress_gradients)
        self.guard.check(update, losses, optimizer, scaler.is_enabled())
        scaler.step(optimizer)
        scaler.update()
        self.observe(kind, losses)
        self.past = self.snapshots()
        return result

    def differentiated(
        self, scaler: GradScaler, losses_of: LossesOf, inputs: Sequence[Any]
    ) -> tuple[Losses, Any]:
        """The means of losses over the batch, and the result; adds to the weights' gradients."""
        losses: Losses = {}
        results = []
        for part in self.parts(inputs):
            terms, result = losses_of(*part)
            means = {name: term.sum() / self.divisor for name, term in terms.items()}
            scaler.scale(sum(means.values())).backward()
            for name, mean in means.items():
                losses[name] = losses.get(name, 0) + mean.detach()
            results.append(tree_map_only(Tensor, Tensor.detach, result))
        return losses, results[0] if len(results) == 1 else joined(results)

    def parts(self, inputs: Sequence[Any]) -> Iterable[Sequence[Any]]:
        """The inputs, or their parts if there are to be several."""
        pieces = self.opt.accumulate
        return [inputs] if pieces == 1 else parts_of(inputs, pieces, self.networks)

    def remember(self, kind: str, losses_of: LossesOf, inputs: Sequence[Any]) -> Update:
        """What the update can be made again from, and the pools without the fakes it is made of."""
        return Update(kind, losses_of.__name__, inputs, self.names, self.divisor, self.past)

    def snapshots(self) -> dict[str, Any]:
        """The pools as they are."""
        return {name: pool.snapshot() for name, pool in self.pools.items()}

    def observe(self, kind: str, losses: Losses) -> None:
        """Note the losses; count those that `--lr_policy plateau` watches."""
        self.updates.append(losses)
        if isinstance(self.schedules[kind], PerUpdate):
            self.schedules[kind].step()
        if kind == next(iter(self.optimizers)):
            total = sum(losses.values())
            finite = torch.isfinite(total)
            self.objective += torch.stack([torch.where(finite, total, 0), finite.float()])

    @contextmanager
    def others_frozen(self, kind: str) -> Iterator[None]:
        """No gradient for the weights of networks that this optimiser does not train."""
        others = [net for name, net in self.networks.items() if name not in self.trained[kind]]
        frozen = [w for net in others for w in net.parameters() if w.requires_grad]
        for weight in frozen:
            weight.requires_grad_(False)
        try:
            yield
        finally:
            for weight in frozen:
                weight.requires_grad_(True)

    def repeat(self, update: Update) -> Losses:
        """Make an update again, by the networks as they are; returns its losses."""
        for name, snapshot in update.pools.items():
            self.pools[name].restore(snapshot)
        torch.set_rng_state(update.random)
        self.names, self.divisor = list(update.names), update.divisor
        self.update(update.kind, getattr(self, update.method), *update.inputs)
        return self.updates[-1]

    def recover(self) -> Update | None:
        """Forget a broken update and the fakes that came of it; returns it."""
        broken = self.guard.broken()
        self.guard.clear()
        for name, snapshot in broken[0].pools.items() if broken else ():
            self.pools[name].restore(snapshot)
        return broken[0] if broken else None
