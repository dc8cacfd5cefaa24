"""What every model has: networks, optimisers, schedules, pools, and the contract."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Adam, Optimizer

from data.scene import Scene
from models.image_pool import ImagePool
from models.persistence import Persistent
from models.sequential import Stage
from training.averages import Averages
from training.distributed import sum_over_processes, world_size
from training.execution import Execution, TotalLoss, across_processes, keeping_gradients
from training.guard import Guard, Moment
from training.schedules import build_schedule


class BaseModel(Persistent, ABC):
    """The contract of the CycleGAN family. A model builds its networks in the constructor.

    networks, optimizers, schedules, scalers and pools are dictionaries; what stands in them is
    trained, saved and resumed without further ado. `networks` are plain modules; what `runnable`
    makes of one is what a step calls. Gradients, losses and pictures live on `device`. `fake` holds
    what `test` translated, by target domain, and `stages` the groups of instances that it took,
    each with the canvas after it; the first is the source itself.
    """

    needs_masks = False
    loss_names: tuple[str, ...] = ()
    visual_names: tuple[str, ...] = ()

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        """Add the model's own options to an argparse parser and return it."""
        return parser

    @staticmethod
    def option_problems(opt) -> Iterator[str]:
        """One line for each option that cannot go with the model."""
        yield from ()

    def __init__(self, opt, device: torch.device):
        self.opt = opt
        self.is_train: bool = opt.is_train
        self.device = device
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Optimizer] = {}
        self.totals: dict[str, nn.Module] = {}  # sums of losses, by what they train
        self.schedules: dict[str, object] = {}
        self.scalers: dict[str, GradScaler] = {}
        self.pools: dict[str, ImagePool] = {}
        self.rates: dict[str, float] = {}  # learning rates of the options
        self.losses: dict[str, Tensor] = {}
        self.fake: dict[str, Scene] = {}
        self.stages: dict[str, list[Stage]] = {}
        self.averages: Averages | None = None
        self.loaded = ""  # the weights that a test uses, in words
        self.guard = Guard(device)
        self.objective = torch.zeros(2, device=device)  # sum and count of the generators' loss

    @abstractmethod
    def set_input(self, scenes: Mapping[str, Scene]) -> None:
        """Take a batch from the loader."""

    @abstractmethod
    def optimize_parameters(self) -> None:
        """Compute the losses of the batch and update the networks."""

    @abstractmethod
    def test(self) -> None:
        """Translate the batch without gradients."""

    @abstractmethod
    def get_current_scenes(self) -> dict[str, Scene]:
        """The batch, its translation and its translation back: real_A, fake_B, rec_A, …"""

    def get_current_visuals(self) -> dict[str, Tensor]:
        """Their images and unions of masks by name, [B, 1 or 3, H, W] in [-1, 1]."""
        scenes = self.get_current_scenes()
        visuals = {f"{name}_img": scene.image for name, scene in scenes.items()}
        visuals |= {
            f"{name}_seg": scene.union() * 2 - 1
            for name, scene in scenes.items()
            if scene.masks.shape[1]
        }
        return {name: visuals[name] for name in self.visual_names if name in visuals}

    def get_current_facts(self) -> dict:
        """What else is worth knowing of the steps since the last call, for the logs.

        Waits for the device; of several processes each has to ask.
        """
        return {}

    def get_current_losses(self) -> dict[str, float]:
        """The last step's losses, in the order of `loss_names`; waits for the device.

        Of several processes each has to ask: they get the losses of their batches together.
        """
        names = [name for name in self.loss_names if name in self.losses]
        if not names:
            return {}
        mean = sum_over_processes(torch.stack([self.losses[name] for name in names])) / world_size()
        return dict(zip(names, mean.tolist(), strict=True))

    # ---- what a constructor uses

    def runnable(self, network: nn.Module, compiled: bool = False) -> nn.Module:
        """How to call a network: in `--precision`, on all of `--gpu_ids`; `compiled` on demand."""
        layout = torch.channels_last if self.opt.channels_last else torch.contiguous_format
        network.to(device=self.device, memory_format=layout)
        execution = Execution(network, self.opt.precision, layout)
        if compiled and self.opt.compile:
            execution.compile_network(self.is_train)
        ids = self.opt.gpu_ids
        return nn.DataParallel(execution, ids) if len(ids) > 1 else execution

    def add_optimizer(self, kind: str, lr: float, apart: bool = False) -> None:
        """Adam over all networks named `kind`_…, and its learning rate's schedule.

        Networks that stand apart have one loss each, of their own name, and rest in a step without
        it; the others share all losses.
        """
        networks = {name: net for name, net in self.networks.items() if name.startswith(kind)}
        groups = (
            {name: {name: net} for name, net in networks.items()} if apart else {kind: networks}
        )
        for name, some in groups.items():
            self.totals[name] = across_processes(TotalLoss(some))
        weights = [w for network in networks.values() for w in network.parameters()]
        fused = self.device.type != "meta"
        self.optimizers[kind] = Adam(weights, lr=lr, betas=(self.opt.beta1, 0.999), fused=fused)
        self.rates[kind] = lr
        self.schedules[kind] = build_schedule(self.optimizers[kind], self.opt)
        self.scalers[kind] = GradScaler(self.device.type, enabled=self.opt.precision == "fp16")

    def average(self, *names: str) -> None:
        """Keep averages of these networks, if `--ema` asks for them."""
        if self.is_train and self.opt.ema:
            chosen = {name: self.networks[name] for name in names}
            self.averages = Averages(chosen, self.opt.ema)

    # ---- what a step uses

    def minimize(
        self, kind: str, parts: Iterable[dict[str, Tensor]], moment: Moment | None = None
    ) -> dict[str, Tensor]:
        """One step of optimiser `kind` on the sum of all losses, which it returns.

        `parts` gives the losses of `--accumulate` parts of the batch: each is asked for after the
        backward pass of the one before, which releases its activations. Networks without a gradient
        stay as they are, their moments too; all do if the loss or a gradient is not finite.
        moment says how the update could be made again.
        """
        optimizer, scaler = self.optimizers[kind], self.scalers[kind]
        optimizer.zero_grad(set_to_none=True)
        losses: dict[str, Tensor] = {}
        for number, terms in enumerate(parts, 1):
            last = number == self.opt.accumulate
            for total, own in self.sums(kind, terms):
                with nullcontext() if last else keeping_gradients(total):
                    scaler.scale(total(own)).backward()
            for name, value in terms.items():
                losses[name] = losses.get(name, 0) + value.detach()
        self.guard.check(moment, losses, optimizer, scaler.is_enabled())
        scaler.step(optimizer)
        scaler.update()
        return losses

    def sums(
        self, kind: str, terms: Mapping[str, Tensor]
    ) -> Iterator[tuple[nn.Module, Mapping[str, Tensor]]]:
        """What to go backward from: the sum of all losses, or each of networks that stand apart."""
        if kind in self.totals:
            yield self.totals[kind], terms
            return
        for name, loss in terms.items():
            yield self.totals[name], {name: loss}

    def observe(self, losses: Mapping[str, Tensor]) -> None:
        """Count a value of what is minimised, the sum of the losses, for `--lr_policy plateau`."""
        objective = sum(losses.values())
        counted = torch.isfinite(objective)
        self.objective += torch.stack([torch.where(counted, objective, 0), counted.float()])

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """A look at a model in training that leaves no trace in it: no dropout, no statistics."""
        training = {name: network.training for name, network in self.networks.items()}
        with torch.random.fork_rng(self.opt.gpu_ids):
            try:
                if self.is_train:
                    self.eval()
                yield
            finally:
                for name, mode in training.items():
                    self.networks[name].train(mode)

    @contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """No gradient for the weights of these networks, as none is needed in the other's step."""
        for name in names:
            self.networks[name].requires_grad_(False)
        try:
            yield
        finally:
            for name in names:
                self.networks[name].requires_grad_(True)

    # ---- what the trainer uses

    def step(
        self, scenes: Mapping[str, Scene], number: int, pictures: int | None = None
    ) -> int | None:
        """Train on a batch from the loader; see `Guard.end_step` for what is returned.

        number counts the pictures before it; pictures are those of all processes in this step, if
        there are several.
        """
        self.guard.begin_step(number)
        self.set_input(scenes)
        self.optimize_parameters()
        if self.averages:
            pictures = pictures or len(next(iter(scenes.values())))
            self.averages.update(number + pictures, pictures)
        return self.guard.end_step()

    def recover(self) -> Moment | None:
        """Forget a broken update and the translations that came of it; returns it."""
        broken = self.guard.broken()
        self.guard.clear()
        for name, look in next((m.pools for m in broken if m.pools), {}).items():
            self.pools[name].restore(look)
        return broken[0] if broken else None

    def update_learning_rate(self) -> None:
        """Advance the schedules, once at the end of every epoch."""
        total, count = sum_over_processes(self.objective).tolist()
        with warnings.catch_warnings():  # PyTorch misses the steps taken before a resume
            warnings.filterwarnings("ignore", "Detected call of", UserWarning)
            for schedule in self.schedules.values():
                schedule.step(*([total / max(count, 1)] if self.opt.lr_policy == "plateau" else []))
        self.objective.zero_()

    def learning_rates(self) -> dict[str, float]:
        return {name: opt.param_groups[0]["lr"] for name, opt in self.optimizers.items()}

    def eval(self) -> None:
        for network in self.networks.values():
            network.eval()
