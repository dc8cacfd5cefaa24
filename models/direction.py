"""A direction of translation: A to B and B to A are two values of one type."""

from dataclasses import dataclass

from torch import nn

from util.image_pool import ImagePool


@dataclass(frozen=True)
class Direction:
    """One way of translating; the other is the same type with the roles swapped.

    letter is the suffix of its generator, its discriminator and its losses. The trap of the
    official names: D_A, like G_A, belongs to the direction A -> B and so judges domain *B*.
    The last three fields are for training.
    """

    source: str
    target: str
    letter: str
    generator: nn.Module
    back_generator: nn.Module
    discriminator: nn.Module | None = None
    pool: ImagePool | None = None
    content_weight: float = 0.0
