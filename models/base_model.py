"""What every model has: networks, optimisers, schedules, pools, and the contract."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from data.scene import Scene
from models.networks.official import from_official, to_official
from models.schedules import build_schedule, follow_options
from util.checkpoint import Checkpoints
from util.image_pool import ImagePool
from util.progress import Progress


class BaseModel(ABC):
    """The contract of the CycleGAN family. A model builds its networks in the constructor.

    networks, optimizers, schedules and pools are dictionaries; what stands in them is trained,
    saved and resumed without further ado. Gradients, losses and pictures live on `device`. `fake`
    holds what `test` translated, by target domain.
    """

    needs_masks = False
    loss_names: tuple[str, ...] = ()
    visual_names: tuple[str, ...] = ()

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        """Add the model's own options to an argparse parser and return it."""
        return parser

    def __init__(self, opt, device: torch.device):
        self.opt = opt
        self.is_train: bool = opt.is_train
        self.device = device
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, Optimizer] = {}
        self.schedules: dict[str, object] = {}
        self.pools: dict[str, ImagePool] = {}
        self.rates: dict[str, float] = {}  # learning rates of the options
        self.losses: dict[str, Tensor] = {}
        self.fake: dict[str, Scene] = {}
        self.objective = torch.zeros(2, device=device)  # sum and count of the generators' loss
        self.autocast = partial(
            torch.autocast, device.type, dtype=torch.bfloat16, enabled=opt.precision == "bf16"
        )

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
    def get_current_visuals(self) -> dict[str, Tensor]:
        """The batch's pictures by name, [B, 1 or 3, H, W] in [-1, 1]."""

    def get_current_losses(self) -> dict[str, float]:
        """The last step's losses, in the order of `loss_names`; waits for the device."""
        return {name: float(self.losses[name]) for name in self.loss_names if name in self.losses}

    # ---- what a constructor uses

    def parallel(self, network: nn.Module) -> nn.Module:
        """The network on the device, split over all of `--gpu_ids` if there are several."""
        network = network.to(self.device)
        return nn.DataParallel(network, self.opt.gpu_ids) if len(self.opt.gpu_ids) > 1 else network

    def add_optimizer(self, kind: str, lr: float) -> None:
        """Adam over all networks named `kind`_…, and its learning rate's schedule."""
        weights = [
            w
            for name, net in self.networks.items()
            if name.startswith(kind)
            for w in net.parameters()
        ]
        self.optimizers[kind] = Adam(weights, lr=lr, betas=(self.opt.beta1, 0.999))
        self.rates[kind] = lr
        self.schedules[kind] = build_schedule(self.optimizers[kind], self.opt)

    # ---- what a step uses

    def minimize(self, kind: str, terms: Mapping[str, Tensor]) -> Tensor:
        """One step of optimiser `kind` on the sum of `terms`, which it returns.

        Networks without a gradient stay as they are, their moments too.
        """
        optimizer = self.optimizers[kind]
        optimizer.zero_grad(set_to_none=True)
        total = sum(terms.values())
        total.backward()
        optimizer.step()
        return total.detach()

    def observe(self, objective: Tensor) -> None:
        """Count a value of what is minimised, for `--lr_policy plateau`."""
        self.objective += torch.stack([objective, torch.ones_like(objective)])

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

    def update_learning_rate(self) -> None:
        """Advance the schedules, once at the end of every epoch."""
        total, count = self.objective.tolist()
        for schedule in self.schedules.values():
            schedule.step(*([total / max(count, 1)] if self.opt.lr_policy == "plateau" else []))
        self.objective.zero_()

    def learning_rates(self) -> dict[str, float]:
        return {name: opt.param_groups[0]["lr"] for name, opt in self.optimizers.items()}

    def eval(self) -> None:
        for network in self.networks.values():
            network.eval()

    # ---- checkpoints

    def setup(self, checkpoints: Checkpoints, progress: Progress | None = None) -> str:
        """Load what the options ask for; returns a line to print.

        In training with --continue_train the run's state, model and progress; in testing weights.
        """
        label = self.opt.label
        if not self.is_train:
            self.load_networks(checkpoints, label)
            return f"weights: {label}"
        if not self.opt.continue_train:
            return "starting anew"
        if label == "latest" and checkpoints.has_state():
            checkpoints.resume(self, progress)
            return f"continuing at epoch {progress.epoch}, {progress.images} pictures into it"
        return self.load_networks(checkpoints, label) + f", at epoch {progress.epoch}"

    def save_networks(self, checkpoints: Checkpoints, label: str) -> None:
        """Write the official .pth files `LABEL_net_NAME.pth`."""
        checkpoints.save_weights(self.network_states(), label)

    def load_networks(self, checkpoints: Checkpoints, label: str) -> str:
        """Load the weights `label`; discriminators may be missing. Returns a line to print."""
        fresh = [
            name
            for name in self.networks
            if name.startswith("D") and not checkpoints.has_weights(label, name)
        ]
        states = {n: checkpoints.weights(label, n) for n in self.networks if n not in fresh}
        for name, state in states.items():
            checkpoints.explain_mismatch(checkpoints.weights_path(label, name), self, {name: state})
        self.load_network_states(states)
        new = f"fresh optimisers and fresh {', '.join(fresh)}" if fresh else "fresh optimisers"
        return f"starting from the weights `{label}` with {new}"

    def network_states(self) -> dict[str, dict[str, Tensor]]:
        """All weights with the official keys, on the CPU."""
        return {name: to_official(unwrap(network)) for name, network in self.networks.items()}

    def load_network_states(self, states: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Load weights with official keys into the networks of these names."""
        for name, state in states.items():
            network = unwrap(self.networks[name])
            network.load_state_dict(from_official(dict(state), network))

    def architecture_difference(self, name: str, state: Mapping[str, Tensor]) -> str:
        """The first tensor in which a state differs from network `name`, in words, or ''."""
        network = unwrap(self.networks[name])
        own = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        given = from_official(dict(state), network)
        for key in [*own, *given]:
            shape = tuple(given[key].shape) if hasattr(given.get(key), "shape") else None
            if shape != own.get(key):
                there, here = (f"of shape {s}" if s else "missing" for s in (shape, own.get(key)))
                return f"{key} is {there} there and {here} here"
        return ""

    def state_dict(self) -> dict:
        """Everything a step depends on, but for the position in the data."""
        parts = {"optimizers": self.optimizers, "schedules": self.schedules, "pools": self.pools}
        return {
            "networks": self.network_states(),
            "objective": self.objective.cpu(),
            **{
                kind: {n: part.state_dict() for n, part in group.items()}
                for kind, group in parts.items()
            },
        }

    def load_state_dict(self, state: Mapping) -> None:
        self.load_network_states(state["networks"])
        self.objective.copy_(state["objective"])
        parts = {"optimizers": self.optimizers, "schedules": self.schedules, "pools": self.pools}
        for kind, group in parts.items():
            for name, part in group.items():
                part.load_state_dict(state[kind][name])
        for kind, schedule in self.schedules.items():
            follow_options(schedule, self.rates[kind])


def unwrap(network: nn.Module) -> nn.Module:
    """The network inside DataParallel."""
    return network.module if isinstance(network, nn.DataParallel) else network
