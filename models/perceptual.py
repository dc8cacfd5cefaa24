"""How alike two pictures look: by the features of VGG19, or by their pixels at several sizes."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

PERCEPTUAL = ("auto", "vgg19", "l1pyr")
LAYERS = (1, 6, 11, 20, 29)  # relu1_1, relu2_1, ..., relu5_1 among VGG19's features
WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
SIZES = 4  # of the pyramid: 1, 1/2, 1/4 and 1/8
FILE = "vgg19-dcbb9e9d.pth"  # torchvision's


def vgg_file() -> Path | None:
    """torchvision's weights of VGG19 where it keeps them, if they are there."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / FILE
    return path if path.is_file() else None


def pyramid_loss(image: Tensor, other: Tensor) -> Tensor:
    """The mean L1 over SIZES sizes, each half as large as the one before, [B]."""
    sums = []
    for level in range(SIZES):
        if level:
            image, other = avg_pool2d(image, 2), avg_pool2d(other, 2)
        sums.append((image - other).abs().mean((1, 2, 3)))
    return torch.stack(sums).mean(0)


class VGGLoss(nn.Module):
    """SPADE's perceptual loss (Eq. 11's L_vgg): L1 between features of VGG19, [B].

    Pictures [B, 3, H, W] in [-1, 1] go in as they are, as SPADE does it, without ImageNet's mean
    and deviation.
    """

    def __init__(self, weights: Path, flag: str = "--vgg_weights"):
        super().__init__()
        # torchvision is slow to import, and not for those who do without
        from torchvision.models.vgg import cfgs, make_layers

        from training.pretrained import load_weights

        layers = make_layers(cfgs["E"])
        load_weights(nn.ModuleDict({"features": layers}), weights, flag, but=("classifier.",))
        self.features = layers[: LAYERS[-1] + 1].eval().requires_grad_(False)
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False

    def forward(self, image: Tensor, other: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self.maps(other)
        terms = [
            weight * (own - target).abs().mean((1, 2, 3))
            for weight, own, target in zip(WEIGHTS, self.maps(image), wanted, strict=True)
        ]
        return torch.stack(terms).sum(0)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The features after each of LAYERS."""
        found = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in LAYERS:
                found.append(x)
        return found
