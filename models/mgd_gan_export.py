"""MGD-GAN as a function of plain tensors, for other programs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.exporting import NEAR, Exportable, Inputs
from models.exporting import example as example_of_set
from models.mgd_gan_losses import blended
from models.networks.apade import segmentation_map

MASKS = 2  # per call, if no number is asked for


class Pipeline(nn.Module):
    """What a run has of masks and pictures, one after the other.

    image [1, C, H, W], masks [1, N, H, W], present [1, N]; where there is a picture generator also
    the background, like the image, and the hole, like a mask -> the translated image, the
    translated masks, each where there is a network for it. Masks come out between -1 and 1, and the
    picture is painted by what is over 0.
    """

    def __init__(self, morph: nn.Module | None, paint: nn.Module | None, target: Tensor):
        super().__init__()
        self.morph = morph
        self.paint = paint
        self.register_buffer("target", target[None])  # [1, K]

    def forward(
        self,
        image: Tensor,
        masks: Tensor,
        present: Tensor,
        background: Tensor | None = None,
        hole: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        shares = (masks + 1) / 2
        found = []
        if self.morph is not None:
            shares = self.morph(image, shares, present, self.target[:, None])[-1][:, 0]
            found = [shares * 2 - 1]
        if self.paint is None:
            return tuple(found)
        sharp = (shares > 0.5).to(image.dtype)
        layout = segmentation_map(sharp, present, self.target, (hole > 0).to(image.dtype))
        foreground, fusion = self.paint(background, layout)
        there = present.any(1)[:, None, None, None]  # a picture without instances stays
        return (torch.where(there, blended(foreground, fusion, background), image), *found)

    def undecided(self, outputs: Sequence[Tensor]) -> list[Tensor | None]:
        """All of a picture of whose masks a pixel's last bits decide: it changes what is around."""
        if self.morph is None or self.paint is None:
            return [None] * len(outputs)
        image, masks = outputs
        near = (masks.abs() < NEAR).any()
        return [near.expand_as(image), None]


def exportable_pipeline(
    morph: nn.Module | None, paint: nn.Module | None, target: Tensor, channels: int, masks: int
) -> Exportable:
    """The networks, called with so many masks."""

    def example(height: int, width: int, absent: bool = False) -> Inputs:
        image, sets, present = example_of_set(channels, masks, height, width, absent)
        if paint is None:
            return image, sets, present
        hole = sets.amax(1, keepdim=True)
        return image, sets, present, torch.where(hole > 0, image.mean(), image), hole

    outputs = [*(["translated_image"] if paint else []), *(["translated_masks"] if morph else [])]
    network = Pipeline(morph, paint, target)
    return Exportable(network, example, outputs, network.undecided)
