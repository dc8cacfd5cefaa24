"""Classifiers of the two domains, fine-tuned on real pictures (paper, section 3.1).

A network with two outputs, one binary classifier for each domain: is this a picture of A, of B?
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import (
    ResNet18_Weights,
    VGG16_Weights,
    WeightsEnum,
    resnet18,
    vgg16,
)

from training.pretrained import load_weights

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
BATCH = 32
SMALL_WIDTHS = (16, 32, 64, 128)


@dataclass(frozen=True)
class Kind:
    """How a classifier is made: input side, ImageNet weights, steps and rate of its training."""

    side: int
    weights: WeightsEnum | None
    steps: int
    rate: float


KINDS = {
    "vgg16": Kind(224, VGG16_Weights.IMAGENET1K_V1, 200, 1e-4),
    "resnet18": Kind(224, ResNet18_Weights.IMAGENET1K_V1, 300, 3e-4),
    "small": Kind(64, None, 300, 1e-3),
}


class Normalize(nn.Module):
    """uint8 pictures [B, 3, H, W] as networks of ImageNet take them, [B, 3, side, side]."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        size = (self.side, self.side)
        x = F.interpolate(pixels.float(), size, mode="bilinear", antialias=True)
        return (x / 255 - self.mean) / self.std


def small_network() -> nn.Sequential:
    """Four strided convolutions, for pictures of 64x64 pixels and trainings of a minute."""
    layers: list[nn.Module] = []
    for before, after in zip((3, *SMALL_WIDTHS), SMALL_WIDTHS, strict=False):
        convolution = nn.Conv2d(before, after, 4, stride=2, padding=1)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *pool, nn.Linear(SMALL_WIDTHS[-1], 2))


def layers_of(kind: str, weights: str) -> tuple[list[nn.Module], int]:
    """A network's layers in order, with two outputs, and how many of them stay as they are.

    weights is `imagenet`, the path of a state dict, or `none`: then all layers are trained.
    """
    frozen = 0
    if kind == "small":
        layers = list(small_network())
        if weights != "none":
            load_weights(nn.Sequential(*layers), Path(weights), "--classifier_weights")
    elif kind == "vgg16":
        network = vgg16()
        load_pretrained(network, kind, weights, "classifier.6.")
        network.classifier[6] = nn.Linear(4096, 2)
        layers = [*network.features, network.avgpool, nn.Flatten(), *network.classifier]
        frozen = len(network.features) + 2  # the fully connected layers are fine-tuned
    else:
        network = resnet18()
        load_pretrained(network, kind, weights, "fc.")
        network.fc = nn.Linear(512, 2)
        *layers, pool, last = network.children()
        layers += [pool, nn.Flatten(), last]
        frozen = len(layers) - 4  # the last stage of blocks is fine-tuned
    return layers, 0 if weights == "none" else frozen


def load_pretrained(network: nn.Module, kind: str, weights: str, head: str) -> None:
    """Fill a network but for its last layer, whose number of classes is ours."""
    if weights != "none":
        source = KINDS[kind].weights if weights == "imagenet" else Path(weights)
        load_weights(network, source, "--classifier_weights", (head,))


class Classifier:
    """A classifier of the domains A and B; the same seed gives the same one."""

    def __init__(self, kind: str, weights: str, device: torch.device, seed: int = 0):
        self.name = kind
        self.kind = KINDS[kind]
        self.device = device
        self.seed = seed
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            layers, frozen = layers_of(kind, weights)
        layers = [Normalize(self.kind.side), *layers]
        cut = frozen + 1 if frozen else 0
        self.body = nn.Sequential(*layers[:cut]).to(device).eval().requires_grad_(False)
        self.head = nn.Sequential(*layers[cut:]).to(device)

    def fit(self, pictures: dict[str, list[Tensor]]) -> None:
        """Train the head; pictures are uint8 [3, H, W] by domain, also seen mirrored."""
        examples = {domain: self.examples(own) for domain, own in pictures.items()}
        optimizer = torch.optim.Adam(self.head.parameters(), lr=self.kind.rate)
        wanted = torch.eye(2, device=self.device).repeat_interleave(BATCH // 2, 0)
        draws = torch.Generator().manual_seed(self.seed)
        self.head.train()
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)  # of dropout
            for _ in range(self.kind.steps):
                batch = [
                    own[torch.randint(len(own), (BATCH // 2,), generator=draws)]
                    for own in (examples["A"], examples["B"])
                ]
                scores = self.head(torch.cat(batch).to(self.device))
                loss = F.binary_cross_entropy_with_logits(scores, wanted)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.head.eval()

    @torch.no_grad()
    def examples(self, pictures: list[Tensor]) -> Tensor:
        """What the head is trained on: what the frozen layers make of pictures, also mirrored."""
        made = []
        for batch in self.batches(pictures):
            made += [self.body(side).cpu() for side in (batch, batch.flip(-1))]
        return torch.cat(made)

    def batches(self, pictures: Iterable[Tensor]) -> Iterable[Tensor]:
        """Pictures of any sizes as batches of one size, in order, on the device."""
        some: list[Tensor] = []
        for picture in pictures:
            if some and (len(some) == BATCH or picture.shape != some[0].shape):
                yield torch.stack(some).to(self.device)
                some = []
            some.append(picture)
        if some:
            yield torch.stack(some).to(self.device)

    @torch.no_grad()
    def scores(self, pictures: Tensor) -> Tensor:
        """Logits of A and B, [B, 2], of pictures uint8 [B, 3, H, W]."""
        return self.head(self.body(pictures.to(self.device)))

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Tensor:
        """What the last layer sees, [B, D], of pictures uint8 [B, 3, H, W]."""
        return self.head[:-1](self.body(pictures.to(self.device)))

    def accuracy(self, pictures: list[Tensor], domain: str) -> float:
        """The share of pictures that are recognised as their domain's."""
        column = "AB".index(domain)
        right = [self.scores(batch)[:, column] > 0 for batch in self.batches(pictures)]
        return float(torch.cat(right).float().mean())
