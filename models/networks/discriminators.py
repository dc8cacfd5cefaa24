"""Discriminators: (image, masks, present) -> patch scores [B, 1, h, w], all as plain tensors.

image [B, C, H, W] and masks [B, N, H, W] in [-1, 1]; present [B, N] says which masks are instances.
The first `settled` masks need no gradient: nothing is kept of them for a backward pass, so that
memory does not grow with the masks of earlier groups.
Build them with `build_discriminator`, which adds the spectral norm after the initialisation.
"""

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from models.networks.blocks import patch_classifier, patch_features, patch_width
from models.networks.generators import fill_slots, instance_rows, sum_over_set


class SetDiscriminator(nn.Module):
    """The paper's discriminator (section 2.1, Eq. 2): invariant to the order of the masks."""

    def __init__(
        self,
        *,
        image_channels: int = 3,
        width: int = 64,
        n_layers: int = 3,
        norm: str = "instance",
    ):
        super().__init__()
        self.feature_img = patch_features(image_channels, width, n_layers=n_layers, norm=norm)
        self.feature_seg = patch_features(1, width, n_layers=n_layers, norm=norm)
        self.classifier = patch_classifier(2 * patch_width(width, n_layers), norm=norm)

    def forward(self, image: Tensor, masks: Tensor, present: Tensor, settled: int = 0) -> Tensor:
        # Divided or not, a set takes one power iteration of the spectral norm.
        with parametrize.cached() if settled else nullcontext():
            mask_sum = self.sum_of_masks(masks[:, settled:], present[:, settled:])
            if settled:
                with torch.no_grad():
                    past = self.sum_of_masks(masks[:, :settled], present[:, :settled])
                mask_sum = mask_sum + past
            return self.classifier(torch.cat([self.feature_img(image), mask_sum], 1))

    def sum_of_masks(self, masks: Tensor, present: Tensor) -> Tensor:
        """The features of a set of masks, [B, C, h, w]."""
        rows = instance_rows(present)
        features = self.feature_seg(masks.flatten(0, 1)[rows].unsqueeze(1))  # [K, C, h, w]
        return sum_over_set(features, rows, present)


class StackedDiscriminator(nn.Module):
    """PatchGAN on the image and a fixed number of masks as channels (`--netD basic`)."""

    def __init__(
        self,
        *,
        slots: int,
        image_channels: int = 3,
        width: int = 64,
        n_layers: int = 3,
        norm: str = "instance",
    ):
        super().__init__()
        self.slots = slots
        self.model = nn.Sequential(
            *patch_features(image_channels + slots, width, n_layers=n_layers, norm=norm),
            *patch_classifier(patch_width(width, n_layers), norm=norm),
        )

    def forward(self, image: Tensor, masks: Tensor, present: Tensor, settled: int = 0) -> Tensor:
        return self.model(torch.cat([image, fill_slots(masks, present, self.slots)], 1))
