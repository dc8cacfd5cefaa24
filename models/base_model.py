"""What a model is: what it declares, what it computes, and what the rest of the house may ask.

A model is a subclass in `models/NAME_model.py`. It declares its directions, losses and needs as
class attributes, builds its networks in the constructor and has two methods: `train_step` makes the
updates of a batch, `translate` translates one. Everything else here works for any model.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from data.scene import Scene
from models.contract import Declared, Translated
from models.exporting import Exportable
from models.networks.fused import fuse
from models.persistence import Persistent
from training.averages import Averages
from training.execution import as_it_runs
from training.precision import HALF
from training.update import Updating
from util.errors import UserError


class BaseModel(Declared, Updating, Persistent, ABC):
    """The contract of all models, see `models/__init__.py` for the shapes.

    `networks` are plain modules; what `add_network` returns is what a step calls.
    """

    # ---- what a model computes

    @abstractmethod
    def train_step(self, scenes: Mapping[str, Scene]) -> None:
        """Make the updates of a batch from the loader, a scene for each domain, on the CPU."""

    @abstractmethod
    def translate(self, scene: Scene, source: str) -> Translated:
        """Translate a batch from the loader, of the domain `source`, without gradients."""

    def exportable(self, source: str, masks: int | None) -> Exportable:
        """What translates pictures of a domain, for other programs; masks per call, if asked for.

        Raises UserError if the model cannot be exported.
        """
        raise UserError(f"--model {self.opt.model} cannot be exported: it has no `exportable`")

    def get_current_facts(self) -> dict:
        """What else is worth knowing of the steps since the last call, for the logs.

        Waits for the device; of several processes each has to ask.
        """
        return {}

    # ---- what a constructor uses

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        self.is_train: bool = opt.is_train
        self.translating: list[str] = []  # names of the networks that translate
        self.executions: dict[str, nn.Module] = {}  # how a step calls each network
        self.averages: Averages | None = None
        self.losses: dict[str, Tensor] = {}
        self.counts: dict[str, Tensor] = {}  # sums since the last report, by domain
        self.loaded = ""  # the weights that a test uses, in words

    def add_network(self, name: str, network: nn.Module, translates: bool = False) -> nn.Module:
        """Keep a network; returns how to call it: in `--precision`, on all of `--gpu_ids`.

        Networks that translate are needed for a test, averaged with --ema, and compiled on demand.
        The others are for training; a run may start from weights without them.
        """
        self.networks[name] = network
        if translates:
            self.translating.append(name)
        if not self.opt.no_fused:
            fuse(network, self.device, HALF.get(self.opt.precision, torch.float32))
        runs = as_it_runs(network, self.opt, self.device, translates, self.is_train)
        self.executions[name] = runs
        return runs

    def average(self) -> None:
        """Keep averages of the networks that translate, if `--ema` asks for them."""
        if self.is_train and self.opt.ema:
            chosen = {name: self.networks[name] for name in self.translating}
            self.averages = Averages(chosen, self.opt.ema)

    # ---- what the house uses

    def step(
        self, scenes: Mapping[str, Scene], number: int = 0, pictures: int | None = None
    ) -> int | None:
        """Train on a batch from the loader; see `Guard.end_step` for what is returned.

        number counts the pictures before it; pictures are those of all processes in this step, if
        there are several.
        """
        first = next(iter(scenes.values()))
        pictures = pictures or len(first)
        self.guard.begin_step(number)
        self.begin_batch(scenes, pictures)
        self.train_step(scenes)
        self.losses = mean_by_name(self.updates)
        if self.averages:
            self.averages.update(number + pictures, pictures)
        return self.guard.end_step()

    def count(self, domain: str, counts: Tensor) -> None:
        """Add to the counts of a domain, on the device: no step waits for them."""
        self.counts[domain] = self.counts.get(domain, 0) + counts

    def read_counts(self, length: int) -> dict[str, list[float]]:
        """The counts of all processes since the last call, by source domain; all have to ask."""
        nothing = torch.zeros(length, device=self.device)
        domains = [way.source for way in self.directions]
        rows = torch.stack([self.counts.get(domain, nothing) for domain in domains])
        self.counts = {}
        return dict(zip(domains, self.over_processes(rows).tolist(), strict=True))

    def on_device(self, scenes: Mapping[str, Scene]) -> dict[str, Scene]:
        """Scenes as networks take them."""
        return {d: scene.to(self.device).normalized() for d, scene in scenes.items()}

    def get_current_losses(self) -> dict[str, float]:
        """The last step's losses, in the order of `loss_names`; waits for the device.

        Of several processes each has to ask: they get the losses of their batches together.
        """
        names = [name for name in self.loss_names if name in self.losses]
        if not names:
            return {}
        mean = self.over_processes(torch.stack([self.losses[name] for name in names]))
        return dict(zip(names, (mean / self.processes).tolist(), strict=True))

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """For translations during training: evaluation mode; afterwards all is as it was before."""
        training = {name: network.training for name, network in self.networks.items()}
        with torch.random.fork_rng(self.opt.gpu_ids):
            try:
                if self.is_train:
                    self.eval()
                yield
            finally:
                for name, mode in training.items():
                    self.networks[name].train(mode)

    def eval(self) -> None:
        for network in self.networks.values():
            network.eval()


def mean_by_name(updates: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Each loss averaged over the updates that computed it."""
    names = {name for losses in updates for name in losses}
    return {n: torch.stack([own[n] for own in updates if n in own]).mean() for n in names}
