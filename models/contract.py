"""What a model declares of itself, and what it returns of a translation."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from torch import Tensor

from data.direction import BOTH_WAYS, Direction
from data.scene import Scene
from training.checkpoint import Checkpoints


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
    styles  what the fakes are called, if not translation and style 1, style 2, …
    numbers further numbers of each picture by name, [B, …], such as the windows it was seen through
    """

    real: Scene
    fakes: Sequence[Scene]
    back: Scene | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    steps: Sequence[Step] = ()
    styles: Sequence[str] = ()
    numbers: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def titles(self) -> list[str]:
        """What each of the fakes is called."""
        further = (f"style {number}" for number in range(1, len(self.fakes)))
        return list(self.styles) or ["translation", *further]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Translated":
        """`function` applied to each of the tensors."""
        return Translated(
            self.real.map(function),
            [fake.map(function) for fake in self.fakes],
            self.back.map(function) if self.back else None,
            {name: function(picture) for name, picture in self.extras.items()},
            [step._replace(canvas=step.canvas.map(function)) for step in self.steps],
            self.styles,
            {name: function(values) for name, values in self.numbers.items()},
        )


class Declared:
    """The declarations of a model, with what most models say; options, pages, dashboards, metrics
    and tests read them.
    """

    directions: ClassVar[Sequence[Direction]] = BOTH_WAYS
    loss_names: ClassVar[Sequence[str]] = ()  # in the order of the logs
    # Curves in panels: title -> label -> where the number stands in a record, `losses.G_A`.
    panels: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    # Shares in a record that should not stay at 1, and what to say if they do.
    alarms: ClassVar[Mapping[str, str]] = {}
    alarm_advice: ClassVar[str] = "look at the pictures"
    # Sums of losses in the progress bar: short name -> losses.
    loss_summary: ClassVar[Mapping[str, Sequence[str]]] = {}
    less_memory: ClassVar[str] = "lower --batch_size or --crop_size, or raise --accumulate"
    needs: ClassVar[frozenset[str]] = frozenset()  # `masks`, or names of extras
    tells_instances_apart: ClassVar[bool] = False
    finds_masks: ClassVar[bool] = False  # and translates nothing: A to A is a picture and its masks
    extras: ClassVar[Mapping[str, str]] = {}  # name -> picture, mask, value, …; ?: it may have
    scored_by: ClassVar[Sequence[str]] = ("shapes", "background", "mask")  # evaluate.py's auto
    tests_in_eval_mode: ClassVar[bool] = False  # else only with --eval
    # Options whose default is another where single pictures are translated, not a test set.
    defaults_for_pictures: ClassVar[Mapping[str, object]] = {}
    architecture_options: ClassVar[Sequence[str]] = ()  # a test takes them from the run
    recipe_options: ClassVar[Sequence[str]] = ()  # and a run that goes on these

    @classmethod
    def extras_of(cls, opt) -> dict[str, str]:
        """The extras with these options."""
        return dict(cls.extras)

    @classmethod
    def ways(cls, opt) -> Sequence[Direction]:
        """The directions with these options; a model may be trained for some of its own alone."""
        return cls.directions

    @classmethod
    def needs_masks(cls, opt) -> bool:
        """Whether masks have to be there with these options; else they are read if they are."""
        return "masks" in cls.needs

    @classmethod
    def needs_at_start(cls, opt) -> Sequence[str]:
        """Networks that a run cannot train without weights of them, which --start_from brings."""
        return ()

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
    def remarks(cls, opt) -> dict[str, str]:
        """What a reader of results has to know of how they were made, by a word for it."""
        return {}

    @classmethod
    def options_of_a_short_step(cls, opt) -> dict:
        """Options with which a step is short and takes as much memory, to estimate that."""
        return {}

    @classmethod
    def bytes_of_pools(cls, opt, sample: Mapping[str, Scene]) -> float:
        """What full pools of past fakes take; sample has pictures of the run's size."""
        return 0.0
