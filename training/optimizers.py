"""What a model in training has besides its networks: optimisers, schedules, scalers and pools."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Adam, Optimizer

from training.distributed import world_size
from training.graphs import Graphs
from training.guard import Guard
from training.schedules import PerUpdate, build_schedule

Losses = dict[str, Tensor]


class Trainable:
    """The part of a model that holds what it is trained with.

    networks    plain modules by name
    optimizers  by kind, with a schedule and a scaler each; `trained` has the names of the networks
    pools       of past fakes, by name
    updates     the losses of each update of the last step
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
        self.pools: dict[str, Any] = {}  # with `snapshot` and `restore`
        self.past: dict[str, Any] = {}  # the pools when the last update was made
        self.guard = Guard(device)
        self.graphs = Graphs(device) if getattr(opt, "cuda_graphs", False) else None
        self.processes = world_size()
        self.objective = torch.zeros(2, device=device)  # sum and count of the first kind's loss
        self.updates: list[Losses] = []
        self.names: list[str] = []  # the pictures of the batch
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
