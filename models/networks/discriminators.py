"""Discriminators: (image, masks, present) -> patch scores [B, 1, h, w], all as plain tensors.

image [B, C, H, W] and masks [B, N, H, W] in [-1, 1]; present [B, N] says which masks are instances.
Build them with `build_discriminator`, which adds the spectral norm after the initialisation.
"""

import torch
from torch import Tensor, nn

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

    def forward(self, image: Tensor, masks: Tensor, present: Tensor) -> Tensor:
        rows = instance_rows(present)
        mask_features = self.feature_seg(masks.flatten(0, 1)[rows].unsqueeze(1))  # [K, C, h, w]
        mask_sum = sum_over_set(mask_features, rows, present)
        return self.classifier(torch.cat([self.feature_img(image), mask_sum], 1))


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

    def forward(self, image: Tensor, masks: Tensor, present: Tensor) -> Tensor:
        return self.model(torch.cat([image, fill_slots(masks, present, self.slots)], 1))
