"""What a model is: what it declares, what it computes, and what the rest of the house may ask.

A model is a subclass in `models/NAME_model.py`. It declares its directions, losses and needs as
class attributes, builds its networks in the constructor and has two methods: `train_step` makes the
updates of a batch, `translate` translates one. Everything else here works for any model.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from data.direction import BOTH_WAYS, Direction
from data.scene import Scene
from models.exporting import Exportable
from models.persistence import Persistent
from training.averages import Averages
from training.checkpoint import Checkpoints
from training.execution import as_it_runs
from training.update import Updating
from util.errors import UserError


class Step(NamedTuple):
    """A step of a sequential translation: the masks start ... stop - 1, and the canvas after it."""

    start: int
    stop: int
    canvas: Scene


@dataclass(frozen=True)
class Translated:
    """What a model makes of a batch.

    real    the batch as the model takes it
    fakes   a scene for each style that it was asked for; the first one is scored
    back    the first fake translated back, if the model can
    extras  further pictures by name, [B, 1 or C, H, W] in [-1, 1], such as where it looked
    steps   those of a sequential translation, in order
    """

    real: Scene
    fakes: Sequence[Scene]
    back: Scene | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    steps: Sequence[Step] = ()

    def map(self, function: Callable[[Tensor], Tensor]) -> "Translated":
        """`function` applied to each of the tensors."""
        return Translated(
            self.real.map(function),
            [fake.map(function) for fake in self.fakes],
            self.back.map(function) if self.back else None,
            {name: function(picture) for name, picture in self.extras.items()},
            [step._replace(canvas=step.canvas.map(function)) for step in self.steps],
        )


class BaseModel(Updating, Persistent, ABC):
    """The contract of all models, see `models/__init__.py` for the shapes.

    `networks` are plain modules; what `add_network` returns is what a step calls.
    """

    # ---- what a model declares
    directions: ClassVar[Sequence[Direction]] = BOTH_WAYS
    loss_names: ClassVar[Sequence[str]] = ()  # in the order of the logs
    # Curves in panels: title -> label -> where the number stands in a record, `losses.G_A`.
    panels: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    # Shares in a record that should not stay at 1, and what to say if they do.
    alarms: ClassVar[Mapping[str, str]] = {}
    alarm_advice: ClassVar[str] = "look at the pictures"
    # Sums of losses in the progress bar: short name -> losses.
    loss_summary: ClassVar[Mapping[str, Sequence[str]]] = {}
    needs: ClassVar[frozenset[str]] = frozenset()  # `masks`, or names of extras
    extras: ClassVar[Mapping[str, str]] = {}  # of each picture: name -> picture, mask or value
    scored_by: ClassVar[Sequence[str]] = ("shapes", "background", "mask")  # evaluate.py's auto
    tests_in_eval_mode: ClassVar[bool] = False  # else only with --eval
    architecture_options: ClassVar[Sequence[str]] = ()  # a test takes them from the run
    recipe_options: ClassVar[Sequence[str]] = ()  # and a run that goes on these

    @classmethod
    def size_multiple(cls, opt) -> int:
        """Height and width of pictures have to be multiples of it."""
        return 1

    @classmethod
    def least_size(cls, opt) -> int:
        """The smallest height and width of pictures."""
        return 1

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        """Add the model's own options to an argparse parser and return it."""
        return parser

    @classmethod
    def complete_options(cls, opt) -> None:
        """Fill in options of the model that depend on others."""

    @classmethod
    def option_problems(cls, opt) -> Iterator[str]:
        """One line for each option that cannot go with the model."""
        yield from ()

    @classmethod
    def fit_options_to_weights(cls, opt, checkpoints: Checkpoints) -> None:
        """Read options of the architecture from weights that no options were saved with."""

    @classmethod
    def options_of_a_short_step(cls, opt) -> dict:
        """Options with which a step is short and takes as much memory, to estimate that."""
        return {}

    @classmethod
    def bytes_of_pools(cls, opt, sample: Mapping[str, Scene]) -> float:
        """What full pools of past fakes take; sample has pictures of the run's size."""
        return 0.0

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
        self.loaded = ""  # the weights that a test uses, in words

    def add_network(self, name: str, network: nn.Module, translates: bool = False) -> nn.Module:
        """Keep a network; returns how to call it: in `--precision`, on all of `--gpu_ids`.

        Networks that translate are needed for a test, averaged with --ema, and compiled on demand.
        The others are for training; a run may start from weights without them.
        """
        self.networks[name] = network
        if translates:
            self.translating.append(name)
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

    def eval(self) -> None:
        for network in self.networks.values():
            network.eval()


def mean_by_name(updates: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Each loss averaged over the updates that computed it."""
    names = {name for losses in updates for name in losses}
    return {n: torch.stack([own[n] for own in updates if n in own]).mean() for n in names}
