"""One update of a model's networks: forward, backward, finite check, optimiser step.

The only place that knows that a batch may be divided (`--accumulate`) or spread over processes,
that fp16 scales losses, and that an update may be broken and has to be made again.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Adam, Optimizer
from torch.utils._pytree import tree_map, tree_map_only

from data.scene import Scene
from training.distributed import average_gradients, sum_over_processes, world_size
from training.guard import Guard, Update
from training.schedules import PerUpdate, build_schedule

Losses = dict[str, Tensor]
LossesOf = Callable[..., tuple[Losses, Any]]


class Updating:
    """The part of a model that trains its networks.

    networks    plain modules by name
    optimizers  by kind, with a schedule and a scaler each; `trained` has the names of the networks
    pools       of past fakes, by name
    steps       the losses of each update of the last step
    """

    def __init__(self, opt, device: torch.device):
        self.opt = opt
        self.device = device
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Optimizer] = {}
        self.trained: dict[str, Sequence[str]] = {}
        self.schedules: dict[str, object] = {}
        self.scalers: dict[str, GradScaler] = {}
        self.rates: dict[str, float] = {}  # learning rates of the options
        self.pools: dict[str, Any] = {}  # with `look` and `restore`
        self.guard = Guard(device)
        self.processes = world_size()
        self.objective = torch.zeros(2, device=device)  # sum and count of the first kind's loss
        self.updates: list[Losses] = []
        self.names: list[str] = []  # the pictures of the batch
        self.size = 0  # how many of each domain
        self.divisor = 1.0  # the mean batch size of all processes

    def add_optimizer(
        self,
        kind: str,
        networks: Sequence[str],
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        per_update: Callable[[int], float] | None = None,
    ) -> None:
        """Adam over networks. The sum of the losses of the first one is watched by plateau.

        per_update gives a factor on the rate by the number of updates made; without it the rate
        follows `--lr_policy`, once an epoch.
        """
        weights = [w for name in networks for w in self.networks[name].parameters()]
        fused = self.device.type != "meta"
        optimizer = Adam(weights, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused)
        self.optimizers[kind] = optimizer
        self.trained[kind] = tuple(networks)
        self.rates[kind] = lr
        self.schedules[kind] = (
            PerUpdate(optimizer, per_update) if per_update else build_schedule(optimizer, self.opt)
        )
        self.scalers[kind] = GradScaler(self.device.type, enabled=self.opt.precision == "fp16")

    def begin_batch(self, scenes: Mapping[str, Scene], pictures: int) -> None:
        """Get ready for the updates of a batch; pictures are those of all processes."""
        self.updates = []
        self.divisor = pictures / self.processes
        self.size = len(next(iter(scenes.values())))
        self.names = [name for scene in scenes.values() for name in scene.names]

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
        """
        optimizer, scaler = self.optimizers[kind], self.scalers[kind]
        update = self.remember(kind, losses_of, inputs)
        optimizer.zero_grad(set_to_none=True)
        losses: Losses = {}
        results = []
        with self.others_frozen(kind), same_spectral_vectors(self.networks) as begin_part:
            for part in self.parts(inputs):
                begin_part()
                terms, result = losses_of(*part)
                means = {name: term.sum() / self.divisor for name, term in terms.items()}
                scaler.scale(sum(means.values())).backward()
                for name, value in means.items():
                    losses[name] = losses.get(name, 0) + value.detach()
                results.append(tree_map_only(Tensor, Tensor.detach, result))
        if self.processes > 1:
            average_gradients([self.networks[name] for name in self.trained[kind]])
        self.guard.check(update, losses, optimizer, scaler.is_enabled())
        scaler.step(optimizer)
        scaler.update()
        self.observe(kind, losses)
        return joined(results)

    def remember(self, kind: str, losses_of: LossesOf, inputs: Sequence[Any]) -> Update:
        """What the update can be made again from."""
        pools = {name: pool.look() for name, pool in self.pools.items()}
        return Update(kind, losses_of.__name__, inputs, self.names, self.size, self.divisor, pools)

    def observe(self, kind: str, losses: Losses) -> None:
        """Note the losses; count those that `--lr_policy plateau` watches."""
        self.updates.append(losses)
        if isinstance(self.schedules[kind], PerUpdate):
            self.schedules[kind].step()
        if kind == next(iter(self.optimizers)):
            total = sum(losses.values())
            finite = torch.isfinite(total)
            self.objective += torch.stack([torch.where(finite, total, 0), finite.float()])

    def update_learning_rate(self) -> None:
        """Advance the schedules that follow `--lr_policy`, once at the end of every epoch."""
        total, count = self.over_processes(self.objective).tolist()
        plateau = [total / max(count, 1)] if self.opt.lr_policy == "plateau" else []
        with warnings.catch_warnings():  # PyTorch misses the steps taken before a resume
            warnings.filterwarnings("ignore", "Detected call of", UserWarning)
            for schedule in self.schedules.values():
                if not isinstance(schedule, PerUpdate):
                    schedule.step(*plateau)
        self.objective.zero_()

    def learning_rates(self) -> dict[str, float]:
        return {name: opt.param_groups[0]["lr"] for name, opt in self.optimizers.items()}

    def parts(self, inputs: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """The inputs in `--accumulate` parts by samples, in order; none of them is empty."""
        pieces, size = self.opt.accumulate, self.size
        if pieces == 1:
            yield inputs
            return
        for i in range(pieces):
            if own := range(size * i // pieces, size * (i + 1) // pieces):
                yield tree_map(lambda leaf, own=own: selected(leaf, own), inputs, is_leaf=divides)

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
        for name, look in update.pools.items():
            self.pools[name].restore(look)
        torch.set_rng_state(update.random)
        self.names, self.size = list(update.names), update.size
        self.divisor = update.divisor
        self.update(update.kind, getattr(self, update.method), *update.inputs)
        return self.updates[-1]

    def recover(self) -> Update | None:
        """Forget a broken update and the fakes that came of it; returns it."""
        broken = self.guard.broken()
        self.guard.clear()
        for name, look in broken[0].pools.items() if broken else ():
            self.pools[name].restore(look)
        return broken[0] if broken else None


def divides(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) or hasattr(leaf, "select")


def selected(leaf: Any, samples: range) -> Any:
    """The part of an input that belongs to some samples; plain values belong to all."""
    if isinstance(leaf, Tensor):
        return leaf[samples.start : samples.stop] if leaf.dim() else leaf
    return leaf.select(samples) if hasattr(leaf, "select") else leaf


def joined(results: list) -> Any:
    """The results of all parts as one, in the order of samples."""
    if len(results) == 1:
        return results[0]

    def join(first, *others):
        if isinstance(first, Tensor):
            return torch.cat([first, *others])
        return type(first).cat([first, *others]) if hasattr(first, "cat") else first

    return tree_map(join, *results, is_leaf=divides)


@contextmanager
def same_spectral_vectors(networks) -> Iterator[Callable[[], None]]:
    """What is to be called before each part of an update.

    Every forward pass advances the vectors of spectral norms. The weights are the same for all
    parts of an update: every part starts from the same vectors, so that they advance as often as
    for an undivided batch.
    """
    saved: list[tuple[Tensor, Tensor]] = []

    def begin_part() -> None:
        for vector, before in saved:
            vector.copy_(before)

    yield begin_part
