"""The networks of CycleGAN and InstaGAN, all called with plain tensors.

Generators       (image, masks, present) -> (image, masks)
Discriminators   (image, masks, present) -> patch scores [B, 1, h, w]

image [B, C, H, W] and masks [B, N, H, W] in [-1, 1]; present [B, N] says which masks are instances.
An absent mask has no influence; generators make -1 of it. H and W are multiples of 4. `recompute`
trades time for memory in training, see `Stage`. Of the first `settled` masks a discriminator
keeps nothing for a backward pass, so that memory does not grow with the masks of earlier groups.
Build discriminators with `build_discriminator`, which adds the spectral norm after initialisation.
"""

from functools import partial

import torch
from torch import Tensor, nn

from models.networks.blocks import (
    patch_classifier,
    patch_features,
    patch_width,
    resnet_decoder,
    resnet_encoder,
)
from models.networks.layers import Stage, keeping_layout, laid_like
from models.networks.spectral import normed_weights


class SetGenerator(nn.Module):
    """The paper's generator (section 2.1, Eq. 1): equivariant to the order of the masks."""

    def __init__(
        self,
        *,
        image_channels: int = 3,
        width: int = 64,
        n_blocks: int = 9,
        norm: str = "instance",
        dropout: bool = False,
        recompute: bool = False,
    ):
        super().__init__()
        self.recompute = recompute
        depth = {"n_blocks": n_blocks, "norm": norm, "dropout": dropout}
        self.encoder_img = resnet_encoder(image_channels, width, **depth)
        self.encoder_seg = resnet_encoder(1, width, **depth)
        self.decoder_img = resnet_decoder(image_channels, 2 * width, norm=norm)
        self.decoder_seg = resnet_decoder(1, 3 * width, norm=norm)

    def forward(self, image: Tensor, masks: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        rows = instance_rows(present)  # [K], the instances' places among the B N masks
        own = masks.flatten(0, 1)[rows].unsqueeze(1)  # [K, 1, H, W]
        mask_features = self.encoder_seg(own, self.recompute)  # [K, C, h, w]
        mask_sum = sum_over_set(mask_features, rows, present)  # [B, C, h, w]

        image_features = self.encoder_img(image, self.recompute)
        context = torch.cat([image_features, mask_sum], 1)  # h_GX of Eq. 1
        new_masks = self.decode_masks(mask_features, context, rows, present)
        new_masks = erase_absent(spread(new_masks, rows, present), present)
        return self.decoder_img(context, self.recompute), new_masks

    def decode_masks(self, own: Tensor, context: Tensor, rows: Tensor, present: Tensor) -> Tensor:
        """The masks [K, H, W] of h_GA of Eq. 1: an instance's own features, and its picture's.

        own [K, C, h, w], context [B, 2 C, h, w]. Where pictures have several instances the first
        layer looks at a context once.
        """
        repeat = partial(of_pictures, rows=rows, present=present)
        if len(own) > len(context):
            first = self.decoder_seg[0](own, context, repeat)
            return self.decoder_seg(first, self.recompute, begin=1).squeeze(1)
        both = torch.cat([own, repeat(context)], 1)
        return self.decoder_seg(both, self.recompute).squeeze(1)


class StackedGenerator(nn.Module):
    """CycleGAN's ResNet generator on the image and a fixed number of masks, stacked as channels.

    Without masks (`slots=0`) CycleGAN's own, with one CycleGAN+Seg's; with more the ablation of the
    set architecture, which depends on their order.
    """

    def __init__(
        self,
        *,
        slots: int,
        image_channels: int = 3,
        width: float = 64,
        n_blocks: int = 9,
        norm: str = "instance",
        dropout: bool = False,
        recompute: bool = False,
    ):
        super().__init__()
        self.recompute = recompute
        channels = image_channels + slots
        self.slots = slots
        self.model = Stage(
            *resnet_encoder(channels, width, n_blocks=n_blocks, norm=norm, dropout=dropout),
            *resnet_decoder(channels, width, norm=norm),
        )

    def forward(self, image: Tensor, masks: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        out = self.model(stack(image, masks, present, self.slots), self.recompute)
        new_image, new_masks = out.split([image.shape[1], self.slots], 1)
        return new_image, erase_absent(new_masks[:, : masks.shape[1]], present)


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
        with normed_weights(self):  # divided or not, a set takes one iteration
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
        self.model = Stage(
            *patch_features(image_channels + slots, width, n_layers=n_layers, norm=norm),
            *patch_classifier(patch_width(width, n_layers), norm=norm),
        )

    def forward(self, image: Tensor, masks: Tensor, present: Tensor, settled: int = 0) -> Tensor:
        with normed_weights(self):
            return self.model(stack(image, masks, present, self.slots))


def instance_rows(present: Tensor) -> Tensor:
    """Which of the B N masks to compute, [K]: on a CPU the present ones, at least one.

    A GPU would have to be asked, and the step would wait for the answer; a compiled or exported
    network cannot ask. There all of them are computed, and `present` keeps the absent ones out of
    every sum.
    """
    everything = torch.arange(present.numel(), device=present.device)
    if present.device.type != "cpu" or torch.compiler.is_compiling():
        return everything
    return everything[present.flatten()] if present.any() else everything[:1]


def spread(values: Tensor, rows: Tensor, present: Tensor) -> Tensor:
    """Values [K, ...] of the computed masks at their places in the batch, [B, N, ...], else 0."""
    if rows.numel() < present.numel():
        places = values.new_zeros(present.numel(), *values.shape[1:])
        values = places.index_copy(0, rows, values)
    return values.unflatten(0, present.shape)


def of_pictures(features: Tensor, rows: Tensor, present: Tensor) -> Tensor:
    """Features [B, C, h, w] of the pictures that the computed masks belong to, [K, C, h, w]."""
    if rows.numel() < present.numel():
        return keeping_layout(lambda x: x[rows // present.shape[1]], features)
    return keeping_layout(lambda x: x.repeat_interleave(present.shape[1], 0), features)


def sum_over_set(features: Tensor, rows: Tensor, present: Tensor) -> Tensor:
    """Sum of the features [K, C, h, w] of each picture's present instances, [B, C, h, w]."""
    own = features * present.flatten()[rows].to(features.dtype)[:, None, None, None]
    return keeping_layout(lambda x: spread(x, rows, present).sum(1), own)


def erase_absent(masks: Tensor, present: Tensor) -> Tensor:
    """Masks [B, N, H, W] with -1 where there is no instance."""
    return masks.masked_fill(~present[:, :, None, None], -1.0)


def stack(image: Tensor, masks: Tensor, present: Tensor, slots: int) -> Tensor:
    """Picture and masks [B, N, H, W], N <= slots, as [B, C + slots, H, W]; empty slots are -1."""
    if slots == 0:
        return image
    masks = erase_absent(masks, present)
    if missing := slots - masks.shape[1]:
        masks = nn.functional.pad(masks, (0, 0, 0, 0, 0, missing), value=-1.0)
    return torch.cat([image, laid_like(masks, image)], 1)
