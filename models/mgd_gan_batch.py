"""Pictures of both domains that go through MGD-GAN's networks together."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from data.scene import Scene
from models.networks.apade import segmentation_map
from models.pasting import colours_around

DOMAINS = "AB"
DRAW = "draw"  # an extra of scenes in training: a random number in [0, 1) for each picture, [B]


@dataclass(frozen=True)
class Batch:
    """A scene of one size of pictures, of one or both domains one after the other.

    domains  by name, how many of its pictures are each domain's
    label    [B, 2], one-hot: A is 0 and B is 1
    """

    domains: Mapping[str, int]
    scene: Scene
    label: Tensor

    @property
    def target(self) -> Tensor:
        """The label of the other domain."""
        return 1 - self.label

    @property
    def present(self) -> Tensor:
        return self.scene.present

    @property
    def masks(self) -> Tensor:
        """[B, N, H, W] in [0, 1]; absent ones are 0."""
        return (self.scene.masks + 1) / 2

    @property
    def takes_part(self) -> Tensor:
        """1 for pictures that have an instance: others take no part. [B]"""
        return self.present.any(1).to(self.label.dtype)

    def by_domain(self, values: Tensor) -> dict[str, Tensor]:
        """Values [B, ...] of the pictures of each domain."""
        return dict(zip(self.domains, values.split([*self.domains.values()]), strict=True))

    def joined(self, values: Mapping[str, Tensor]) -> Tensor | None:
        """What `by_domain` made, in one again; None if there is nothing."""
        return torch.cat([values[domain] for domain in self.domains]) if values else None

    def removed(self, foreign: float = 0.0) -> tuple[Tensor, Tensor]:
        """The pictures without their instances, and the holes of these, [B, 1, H, W] in {0, 1}.

        foreign is the share of pictures that get holes of the other domain as well.
        """
        hole = (self.scene.extras["hole"] > 0).to(self.label.dtype)
        background = torch.where(hole > 0, self.scene.extras["inpainted"], self.scene.image)
        return self.with_foreign_holes(background, hole, foreign) if foreign else (background, hole)

    def with_foreign_holes(
        self, background: Tensor, hole: Tensor, share: float
    ) -> tuple[Tensor, Tensor]:
        """Backgrounds with the other domain's holes besides, for this share of the pictures.

        Of these the map is told the foreign hole alone: so it is when objects are translated, where
        the hole is that of the old object. It takes both domains in the batch.
        """
        if len(self.domains) < 2:
            return background, hole
        chosen = self.scene.extras[DRAW][:, None, None, None] < share
        foreign = hole.roll(next(iter(self.domains.values())), 0)
        colours = colours_around(self.scene.image, torch.maximum(hole, foreign))
        filled = torch.where(foreign > hole, colours, background)
        return torch.where(chosen, filled, background), torch.where(chosen, foreign, hole)

    def layout(self, masks: Tensor, label: Tensor, hole: Tensor) -> Tensor:
        """The map that pictures are painted and takes_part by."""
        return segmentation_map(masks, self.present, label, hole)

    def translated(self, masks: Tensor) -> Scene:
        """The same scene with these masks [B, N, H, W] in [0, 1]."""
        return replace(self.scene, masks=masks * 2 - 1)


def batches_of(scenes: Mapping[str, Scene]) -> Iterator[Batch]:
    """Both domains in one batch where their pictures have one size, else one after the other."""
    same = len({scene.image.shape[1:] for scene in scenes.values()}) == 1
    for group in [scenes] if same else [{domain: scene} for domain, scene in scenes.items()]:
        counts = {domain: len(scene) for domain, scene in group.items()}
        scene = Scene.cat([*group.values()])
        like = {"device": scene.image.device, "dtype": scene.image.dtype}
        labels = torch.eye(len(DOMAINS), **like)
        rows = [labels[DOMAINS.index(domain)].expand(n, -1) for domain, n in counts.items()]
        yield Batch(counts, scene, torch.cat(rows))
