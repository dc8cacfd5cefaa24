"""Two generators, each the other's way back, and two discriminators."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from data.direction import BOTH_WAYS, Direction
from models.base_model import BaseModel
from models.building import discriminator_keywords, generator_keywords
from models.exporting import Exportable, count_masks, exportable_generator
from models.image_pool import ImagePool
from models.mask_facts import mask_facts
from models.networks import build_discriminator, build_generator
from models.pasting import pasting_of
from models.unpaired_options import UnpairedOptions
from training.distributed import rank


@dataclass(frozen=True)
class Cycle:
    """One direction with all that it is trained by; the other has the roles swapped.

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
    weight: float = 0.0


class CycleModel(UnpairedOptions, BaseModel):
    """The networks of CycleGAN's family, its optimisers and pools; `cycles` are keyed by source."""

    directions = BOTH_WAYS

    @staticmethod
    def mask_slots(opt) -> tuple[int, int]:
        """Mask channels of generators and of discriminators, where masks are channels (`basic`)."""
        return 0, 0

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        self.pasting = pasting_of(opt)
        slots, judged = self.mask_slots(opt)
        of_generators = generator_keywords(opt, slots)
        generators = {x: build_generator(**of_generators) for x in "AB"}
        runs = {x: self.add_network(f"G_{x}", g, translates=True) for x, g in generators.items()}
        judges: dict[str, nn.Module] = {}
        if self.is_train:
            of_discriminators = discriminator_keywords(opt, judged)
            discriminators = {x: build_discriminator(**of_discriminators) for x in "AB"}
            judges = {x: self.add_network(f"D_{x}", d) for x, d in discriminators.items()}
            for i, x in enumerate("AB"):
                self.pools[f"fake_{x}"] = ImagePool(opt.pool_size, opt.seed + 2 * rank() + i)
            betas = (opt.beta1, 0.999)
            self.add_optimizer("G", ["G_A", "G_B"], opt.lr, betas=betas)
            self.add_optimizer("D", ["D_A", "D_B"], opt.lr_D, betas=betas)
            self.average()
        self.cycles = {way.source: self.cycle(way, runs, judges) for way in self.directions}

    def cycle(
        self, way: Direction, runs: Mapping[str, nn.Module], judges: Mapping[str, nn.Module]
    ) -> Cycle:
        letter, back = (way.target, way.source) if self.opt.swap_networks else way
        cycle = Cycle(*way, letter, runs[letter], runs[back])
        if not self.is_train:
            return cycle
        weight = getattr(self.opt, f"lambda_{letter}")
        return replace(
            cycle,
            discriminator=judges[letter],
            pool=self.pools[f"fake_{way.target}"],
            weight=weight,
        )

    def exportable(self, source: str, masks: int | None) -> Exportable:
        """One call of the generator, with a group's masks."""
        network = self.networks[f"G_{self.cycles[source].letter}"]
        count = count_masks(network, self.opt, masks)
        return exportable_generator(network, self.opt.input_nc, count, self.pasting)

    def get_current_facts(self) -> dict:
        facts = mask_facts(self.read_counts(5))
        return {"masks": facts} if facts else {}
