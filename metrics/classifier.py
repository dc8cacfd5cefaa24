"""Classifiers of the two domains, fine-tuned on real pictures (paper, section 3.1).

A network with an output for each class; for those of the domains, two binary classifiers: is this a
picture of A, of B? Classes that exclude one another are told apart by cross entropy.
"""

from collections.abc import Iterable, Sequence
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


def small_network(outputs: int) -> nn.Sequential:
    """Four strided convolutions, for pictures of 64x64 pixels and trainings of a minute."""
    layers: list[nn.Module] = []
    for before, after in zip((3, *SMALL_WIDTHS), SMALL_WIDTHS, strict=False):
        convolution = nn.Conv2d(before, after, 4, stride=2, padding=1)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU()]
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *pool, nn.Linear(SMALL_WIDTHS[-1], outputs))


def layers_of(kind: str, weights: str, outputs: int = 2) -> tuple[list[nn.Module], int]:
    """A network's layers in order, and how many of them stay as they are.

    weights is `imagenet`, the path of a state dict, or `none`: then all layers are trained.
    """
    frozen = 0
    if kind == "small":
        layers = list(small_network(outputs))
        if weights != "none":
            load_weights(nn.Sequential(*layers), Path(weights), "--classifier_weights")
    elif kind == "vgg16":
        network = vgg16()
        load_pretrained(network, kind, weights, "classifier.6.")
        network.classifier[6] = nn.Linear(4096, outputs)
        layers = [*network.features, network.avgpool, nn.Flatten(), *network.classifier]
        frozen = len(network.features) + 2  # the fully connected layers are fine-tuned
    else:
        network = resnet18()
        load_pretrained(network, kind, weights, "fc.")
        network.fc = nn.Linear(512, outputs)
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
    """A classifier of the domains A and B, or of other classes; the same seed gives the same one.

    exclusive: whether a picture is of one class alone; else each is told by itself.
    """

    def __init__(
        self,
        kind: str,
        weights: str,
        device: torch.device,
        seed: int = 0,
        classes: Sequence[str] = ("A", "B"),
        exclusive: bool = False,
    ):
        self.name = kind
        self.classes = list(classes)
        self.exclusive = exclusive
        self.kind = KINDS[kind]
        self.device = device
        self.seed = seed
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            layers, frozen = layers_of(kind, weights, len(self.classes))
        layers = [Normalize(self.kind.side), *layers]
        cut = frozen + 1 if frozen else 0
        self.body = nn.Sequential(*layers[:cut]).to(device).eval().requires_grad_(False)
        self.head = nn.Sequential(*layers[cut:]).to(device)

    def fit(self, pictures: dict[str, list[Tensor]]) -> None:
        """Train the head; pictures are uint8 [3, H, W] by class, also seen mirrored."""
        examples = [self.examples(pictures[name]) for name in self.classes]
        each = BATCH // len(examples)
        optimizer = torch.optim.Adam(self.head.parameters(), lr=self.kind.rate)
        wanted = torch.eye(len(examples), device=self.device).repeat_interleave(each, 0)
        draws = torch.Generator().manual_seed(self.seed)
        loss_of = F.cross_entropy if self.exclusive else F.binary_cross_entropy_with_logits
        self.head.train()
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.seed)  # of dropout
            for _ in range(self.kind.steps):
                batch = [own[torch.randint(len(own), (each,), generator=draws)] for own in examples]
                scores = self.head(torch.cat(batch).to(self.device))
                loss = loss_of(scores, wanted)
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
        """Logits of each class, [B, classes], of pictures uint8 [B, 3, H, W]."""
        return self.head(self.body(pictures.to(self.device)))

    @torch.no_grad()
    def features(self, pictures: Tensor) -> Tensor:
        """What the last layer sees, [B, D], of pictures uint8 [B, 3, H, W]."""
        return self.head[:-1](self.body(pictures.to(self.device)))

    @torch.no_grad()
    def stages(self, pictures: Tensor) -> list[Tensor]:
        """What each stage of the network makes of pictures uint8 [B, 3, H, W]: [B, C, h, w]."""
        found, x = [], pictures.to(self.device)
        for layer in (*self.body, *self.head):
            x = layer(x)
            if x.dim() == 4 and isinstance(layer, nn.ReLU | nn.Sequential):
                found.append(x)
        return found

    def accuracy(self, pictures: list[Tensor], name: str) -> float:
        """The share of a class's pictures that are recognised as its own."""
        column, right = self.classes.index(name), []
        for batch in self.batches(pictures):
            scores = self.scores(batch)
            own = scores.argmax(1) == column if self.exclusive else scores[:, column] > 0
            right.append(own)
        return float(torch.cat(right).float().mean())
