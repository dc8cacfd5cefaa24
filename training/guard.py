"""Updates that are not finite are not made, and what they were made of is kept to look at."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer


@dataclass
class Update:
    """What an update depends on besides the networks and optimisers, when it is about to be made.

    kind    the optimiser's name
    method  the name of the model's method that gives the losses
    inputs  its arguments: nested tensors, scenes and plain values
    names   the pictures of the batch
    divisor what sums over samples are divided by
    pools   by name, the items and the random state of the pools of past fakes
    random  state of torch's generator on the CPU
    """

    kind: str
    method: str
    inputs: Sequence[Any]
    names: Sequence[str]
    divisor: float
    pools: Mapping[str, tuple[list, Tensor]]
    random: Tensor = field(default_factory=torch.get_rng_state)
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    broken: Tensor | None = None

    def bad_losses(self) -> list[str]:
        """The names of the losses that are not finite."""
        return [name for name, loss in self.losses.items() if not math.isfinite(float(loss))]

    def describe(self) -> str:
        """What is not finite, and of which pictures, in words."""
        what = f"loss {', '.join(bad)}" if (bad := self.bad_losses()) else "a gradient"
        return f"{what} is not finite in the update of {self.kind} by {', '.join(self.names)}"


class Guard:
    """Checks every update on the device, so that no step waits for the answer.

    On a GPU the answer is `late`: it is read one step later. Once an update is found to be broken
    it is not made, nor is any other until `clear`: the weights stay what they were at that moment,
    however late one asks. With a scaler of fp16, which skips updates that overflow by itself, only
    losses count, and only that update is left out.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.late = device.type == "cuda"
        self.numbers = [0, 0]  # of the step before, and of this
        self.clear()

    def clear(self) -> None:
        self.flag = torch.zeros((), dtype=torch.float32, device=self.device)
        self.told = torch.zeros((), dtype=torch.float32, pin_memory=self.device.type == "cuda")
        self.copied: torch.cuda.Event | None = None
        self.steps: list[list[Update]] = [[], []]  # the updates of the step before, and of this

    def check(
        self, update: Update, losses: Mapping[str, Tensor], optimizer: Optimizer, scaled: bool
    ) -> None:
        """After the backward pass: have the optimiser leave out this update if it is broken."""
        values = [torch.stack([loss.float() for loss in losses.values()]).sum()]
        if not scaled:
            values.append(sum_of_norms(optimizer))
        broken = ~torch.isfinite(torch.stack([x.to(self.device) for x in values]).sum())
        self.flag = torch.maximum(self.flag, broken.float())
        if not scaled:
            optimizer.found_inf = self.flag  # which fused Adam reads on the device
        update.losses, update.broken = dict(losses), self.flag
        self.steps[-1].append(update)

    def begin_step(self, number: int) -> None:
        self.numbers = [self.numbers[-1], number]
        self.steps = [self.steps[-1], []]

    def end_step(self) -> int | None:
        """The number of a step with a broken update; if `late`, of the step before."""
        if not self.late:
            return self.settled()
        if self.copied is not None:
            self.copied.synchronize()
        broken = bool(self.told)
        self.told.copy_(self.flag, non_blocking=True)
        if self.device.type == "cuda":
            self.copied = torch.cuda.Event()
            self.copied.record()
        return self.numbers[0] if broken else None

    def settled(self) -> int | None:
        """The same, up to the step just taken; waits for the device."""
        return self.numbers[-1] if self.flag else None

    def broken(self) -> list[Update]:
        """The updates that were not made since the last `clear`; waits for the device."""
        return [update for step in self.steps for update in step if bool(update.broken)]


def weights_of(optimizer: Optimizer) -> Iterable[nn.Parameter]:
    return (weight for group in optimizer.param_groups for weight in group["params"])


def sum_of_norms(optimizer: Optimizer) -> Tensor:
    """The sum of the norms of all gradients: finite if every gradient is."""
    gradients = [weight.grad for weight in weights_of(optimizer) if weight.grad is not None]
    return torch.stack(torch._foreach_norm(gradients)).sum() if gradients else torch.zeros(())
