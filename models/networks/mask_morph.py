"""MGD-GAN's networks of masks (Su et al., IJCAI 2021, section 2.1): G_mask and D_mask.

image [B, C, H, W] in [-1, 1]; masks [B, N, H, W] in [0, 1]; present [B, N] says which of them are
instances; labels are one-hot, a domain each. H and W are multiples of 16. Nothing mixes instances:
what becomes of one depends on the picture and on its own mask alone.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu, max_pool2d

from models.networks.insta_gan import instance_rows, of_pictures, spread
from models.networks.layers import (
    Conv2d,
    InstanceNorm2d,
    ReflectionPad,
    ResnetBlock,
    SpectralConv2d,
    Stage,
    UnbiasedConv2d,
    laid_like,
)
from models.networks.spectral import normed_weights, spectral_norm

STRIDE = 4  # of the features that masks are morphed in
KERNELS = (1, 3, 5, 7)  # of the branches of a MiniIncep block
LABEL = 16  # channels of an embedded label
SLOPE = 0.2
LEAST = 0.02  # slope of a recoverable sigmoid towards one half; a sigmoid has it at y = 0.02
VISIBLE = 0.5  # a mask that covers less of every feature's cell is seen by its largest pixel


class MaskGenerator(nn.Module):
    """G_mask (Eq. 1 and 2): the picture is encoded once, and every instance becomes a sample.

    The paper says what it is made of, not how large; widths and depths are those of CycleGAN's
    ResNet generator.
    """

    def __init__(
        self, *, image_channels: int = 3, width: int = 64, n_blocks: int = 6, n_labels: int = 2
    ):
        super().__init__()
        inner = STRIDE * width
        self.encoder = Stage(
            ReflectionPad(3),
            *normed(UnbiasedConv2d(image_channels, width, 7)),
            *normed(UnbiasedConv2d(width, 2 * width, 3, stride=2, padding=1)),
            *normed(UnbiasedConv2d(2 * width, inner, 3, stride=2, padding=1)),
            *(ResnetBlock(inner, "instance", dropout=False) for _ in range(2)),
        )
        self.label = nn.Linear(n_labels, LABEL)
        # No norm here: an instance norm would take the label, which is constant, away again.
        self.join = Conv2d(inner + LABEL, inner, 1)
        self.morph = nn.Sequential(*(MiniIncep(inner) for _ in range(n_blocks)))
        self.up = nn.ModuleList(
            Stage(nn.Upsample(scale_factor=2), *normed(UnbiasedConv2d(before, after, 3, padding=1)))
            for before, after in ((inner, 2 * width), (2 * width, width))
        )
        self.heads = nn.ModuleList(
            Conv2d(channels, 1, side, padding=side // 2)
            for channels, side in ((inner, 3), (2 * width, 3), (width, 7))
        )
        self.sigmoid = RecoverableSigmoid()

    def forward(
        self, image: Tensor, masks: Tensor, present: Tensor, labels: Tensor
    ) -> tuple[Tensor, ...]:
        """Masks of every level, coarse to fine, for each of T labels [B, T, K] of a picture.

        -> 3 times [B, T, N, h, w] in [0, 1], of a quarter, half and all of H and W; an absent mask
        is 0.
        """
        rows = instance_rows(present)  # [R], the instances' places among the B N masks
        samples = rows // present.shape[1]  # [R], which picture they belong to
        own = as_seen(masks.flatten(0, 1)[rows].unsqueeze(1))  # [R, 1, h, w]
        features = own * of_pictures(self.encoder(image), rows, present)  # Eq. 2
        embedded = self.label(labels)[samples]  # [R, T, LABEL]
        count = labels.shape[1]
        planes = embedded[..., None, None] * own[:, None]  # [R, T, LABEL, h, w]
        repeated = features[:, None].expand(-1, count, -1, -1, -1)
        joined = torch.cat([repeated, planes], 2).flatten(0, 1)  # [R T, C + LABEL, h, w]
        joined = laid_like(joined, features)
        levels = self.levels(self.morph(torch.relu(self.join(joined))))
        there = present[:, :, None, None, None]
        return tuple(
            (spread(level.unflatten(0, (-1, count)).squeeze(2), rows, present) * there).transpose(
                1, 2
            )
            for level in levels
        )

    def levels(self, features: Tensor) -> list[Tensor]:
        """The coarse-to-fine masks of features [M, C, h, w]: 3 times [M, 1, ...] in [0, 1]."""
        found = [self.sigmoid(self.heads[0](features))]
        for up, head in zip(self.up, self.heads[1:], strict=True):
            features = up(features)
            found.append(self.sigmoid(head(features)))
        return found


class RecoverableSigmoid(nn.Module):
    """A sigmoid that cannot get stuck near 0 or 1; the numbers are a sigmoid's.

    A sigmoid's gradient is y (1 - y): far from one half next to nothing, so a network of masks that
    has once made all of them empty may stay so for good. Here the gradient is multiplied by no less
    than `LEAST` where a step against it leads back towards one half. Where it leads further away it
    is the sigmoid's own, so nothing is driven to infinity.
    """

    def forward(self, x: Tensor) -> Tensor:
        return Recoverable.apply(x) if x.requires_grad else torch.sigmoid(x)


class Recoverable(torch.autograd.Function):
    """What `RecoverableSigmoid` does, element by element."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        y = torch.sigmoid(x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        x, y = ctx.saved_tensors
        slope = y * (1 - y)
        leads_back = x * gradient > 0
        return gradient * torch.where(leads_back, slope.clamp(min=LEAST), slope)


class MiniIncep(nn.Module):
    """Residual block whose convolutions of several sizes lie side by side, [M, C, h, w]."""

    def __init__(self, channels: int):
        super().__init__()
        part = channels // len(KERNELS)
        self.branches = nn.ModuleList(
            Stage(*normed(UnbiasedConv2d(channels, part, side, padding=side // 2)))
            for side in KERNELS
        )
        self.join = Stage(
            UnbiasedConv2d(part * len(KERNELS), channels, 3, padding=1), InstanceNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.join(torch.cat([branch(x) for branch in self.branches], 1)))


class MaskDiscriminator(nn.Module):
    """D_mask: judges every mask by itself, in two sizes of patches, knowing the label.

    masks [B, N, H, W] in [0, 1], present [B, N], label [B, K] -> scores of the last two strided
    layers, [B, N, H/8, W/8] and [B, N, H/16, W/16]; of an absent mask 0.
    """

    def __init__(self, *, width: int = 64, n_labels: int = 2):
        super().__init__()
        widths = [1 + n_labels, *(width * 2**i for i in range(4))]
        self.layers = nn.ModuleList(
            spectral_norm(SpectralConv2d(before, after, 4, stride=2, padding=1))
            for before, after in zip(widths, widths[1:], strict=False)
        )
        self.heads = nn.ModuleList(
            spectral_norm(SpectralConv2d(channels, 1, 3, padding=1)) for channels in widths[-2:]
        )

    def forward(self, masks: Tensor, present: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        rows = instance_rows(present)
        own = masks.flatten(0, 1)[rows].unsqueeze(1)
        planes = label[rows // present.shape[1], :, None, None].expand(-1, -1, *own.shape[2:])
        features, found = torch.cat([own, planes], 1), []
        with normed_weights(self):
            for layer in self.layers:
                features = leaky_relu(layer(features), SLOPE)
                found.append(features)
            scores = [head(x).squeeze(1) for head, x in zip(self.heads, found[-2:], strict=True)]
        there = present[:, :, None, None]
        fine, coarse = (spread(score, rows, present) * there for score in scores)
        return fine, coarse


def normed(layer: nn.Conv2d) -> tuple[nn.Module, ...]:
    """A convolution, instance norm and ReLU."""
    return layer, InstanceNorm2d(layer.out_channels), nn.ReLU()


def as_seen(masks: Tensor) -> Tensor:
    """Masks [R, 1, H, W] at the size of the features: means over cells of STRIDE pixels.

    An instance that fills no cell to the half would vanish: of that one each cell's largest pixel.
    """
    share = avg_pool2d(masks, STRIDE)
    tiny = share.amax((2, 3), keepdim=True) < VISIBLE
    return torch.where(tiny, max_pool2d(masks, STRIDE), share)
