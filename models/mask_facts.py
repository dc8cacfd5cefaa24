"""What becomes of the masks while a model is trained: the first thing to go wrong in InstaGAN."""

from collections.abc import Mapping

import torch
from torch import Tensor

from data.scene import Scene
from training.distributed import sum_over_processes

FULL = 0.95  # of the picture: such a mask marks no instance any more


class MaskFacts:
    """Compares translated masks with their sources, summed over batches on the device.

    Nothing is read back before `read` asks, so that no step waits.
    """

    DOMAINS = "AB"

    def __init__(self):
        self.sums: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, sources: Mapping[str, Scene], canvases: Mapping[str, Scene]) -> None:
        """Count a batch; both are keyed by the domain of the source."""
        for domain, source in sources.items():
            if source.masks.shape[1]:
                counted = count(source, canvases[domain])
                self.sums[domain] = self.sums.get(domain, 0) + counted

    def read(self, device: torch.device) -> dict[str, dict[str, float]]:
        """By name and source domain, since the last call; {} for a model without masks.

        area   area of translated masks over that of their sources
        kept   share of instances whose translated mask has any pixel
        empty  share whose mask has none
        full   share whose mask covers nearly the whole picture

        Of several processes each has to ask: they get the facts of their batches together.
        """
        nothing = torch.zeros(5, device=device)
        rows = torch.stack([self.sums.get(domain, nothing) for domain in self.DOMAINS])
        self.sums = {}
        facts: dict[str, dict[str, float]] = {}
        for domain, row in zip(self.DOMAINS, sum_over_processes(rows).tolist(), strict=True):
            instances, real, fake, empty, full = row
            if instances:
                shares = {
                    "area": fake / max(real, 1),
                    "kept": 1 - empty / instances,
                    "empty": empty / instances,
                    "full": full / instances,
                }
                for name, share in shares.items():
                    facts.setdefault(name, {})[domain] = share
        return facts


def count(source: Scene, fake: Scene) -> Tensor:
    """Instances, their area, that of their translations, and how many are empty or full: [5]."""
    there = source.present
    real, new = ((masks > 0).flatten(2).sum(2) * there for masks in (source.masks, fake.masks))
    full = new > FULL * source.masks.shape[-2:].numel()
    empty = there & (new == 0)
    return torch.stack([x.sum().float() for x in (there, real, new, empty, full)])
