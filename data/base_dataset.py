"""The contract of a dataset: draws in, scenes out, repeatable to the bit."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from data.scene import Scene


@dataclass(frozen=True)
class Draw:
    """What a sample depends on besides the seed: epoch, place in it, index of A's picture.

    It travels to the loader's workers, who keep no state: any number of them, and a run resumed in
    the middle of an epoch, see the same samples.
    """

    epoch: int
    position: int
    index: int

    def generator(self, seed: int) -> torch.Generator:
        return generator_for(seed, self.epoch, self.position)


class BaseDataset(Dataset, ABC):
    """Pairs of scenes, keyed by domain. with_masks says whether they have instances."""

    with_masks = False

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        """Add the dataset's own options to an argparse parser and return it."""
        return parser

    @abstractmethod
    def __len__(self) -> int:
        """Samples in an epoch."""

    @abstractmethod
    def __getitem__(self, draw: Draw) -> dict[str, Scene]:
        """One scene per domain, each a batch of one."""

    def sources_of(self, draw: Draw) -> list[str]:
        """What a sample is read from, in words, to name it when reading it goes wrong."""
        return [f"sample {draw.index}"]

    @abstractmethod
    def domain(self, letter: str) -> list[Scene]:
        """A sequence of one domain's scenes in order, for translation."""

    @abstractmethod
    def showcase(self, count: int) -> dict[str, list[Scene]]:
        """Up to `count` scenes of each domain to look at while a model is trained."""

    @abstractmethod
    def check(self) -> tuple[str, list[str]]:
        """Read every file; returns what was found, and why it cannot be trained on, if it cannot.

        Raises UserError for files that cannot be read.
        """


def generator_for(*key: int) -> torch.Generator:
    """A generator of its own for every key of numbers."""
    state = np.random.SeedSequence(key).generate_state(2, dtype=np.uint32)
    return torch.Generator().manual_seed(int(state[0]) << 32 | int(state[1]))
