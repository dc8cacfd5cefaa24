"""A picture and its translation, as metrics see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.pictures import read_image


@dataclass(frozen=True)
class Pair:
    """A picture and its translation.

    image, translated  uint8 [H, W, 3]
    masks              bool [N, H, W], the instances of the picture, none of them empty
    translated_masks   bool [N, H, W], the same instances translated; None where they are not told
                       apart, or cannot be told by their numbers
    foreground         bool [H, W], where the picture has an instance
    translated_foreground  the same of the translation; None if the model translates no masks
    told_apart         whether the results of this direction tell instances apart
    found              bool [M, H, W], all masks of the translation, paired or not, by their numbers
    others             files of further translations of the picture, in other styles
    numbers            what else the model said of the picture, by name
    """

    name: str
    source: str
    image: np.ndarray
    translated: np.ndarray
    masks: np.ndarray
    translated_masks: np.ndarray | None
    foreground: np.ndarray
    translated_foreground: np.ndarray | None
    told_apart: bool = True
    found: np.ndarray | None = None
    others: tuple[Path, ...] = ()
    numbers: Mapping[str, list] = field(default_factory=dict)

    def results(self) -> list[np.ndarray]:
        """All translations of the picture, uint8 [H, W, 3]; the first one is `translated`."""
        return [self.translated, *map(read_rgb, self.others)]

    @property
    def untouched(self) -> bool:
        """Whether the model translates instances, and there is none, before or after."""
        own = self.translated_foreground
        return own is not None and not (self.foreground.any() or own.any())

    @property
    def unpaired(self) -> bool:
        """Whether masks were translated, but of what is not known."""
        if self.translated_foreground is None or self.untouched:
            return False
        return self.translated_masks is None if self.told_apart else not self.foreground.any()

    @property
    def background(self) -> np.ndarray:
        """Where neither has an instance, bool [H, W]."""
        if self.translated_foreground is None:
            return ~self.foreground
        return ~(self.foreground | self.translated_foreground)

    @property
    def place(self) -> np.ndarray:
        """Where the translation has its instances, or the picture if no masks were translated."""
        own = self.translated_foreground
        return self.foreground if own is None else own


def read_rgb(path: Path) -> np.ndarray:
    """A picture as uint8 [H, W, 3]."""
    return read_image(path, 3).transpose(1, 2, 0)
