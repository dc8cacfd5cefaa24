"""LPIPS (Zhang et al. 2018) of the background, by the package `lpips`."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torchvision.models import AlexNet_Weights

from metrics.background import batches
from metrics.base import Better, Metric, Value
from metrics.features import needs
from metrics.pair import Pair
from training.pretrained import download


def load_lpips(device: torch.device, asked: str = "--metrics lpips") -> torch.nn.Module:
    """LPIPS with AlexNet. Raises UserError if the package or AlexNet's weights cannot be had."""
    try:
        import lpips
    except ImportError:
        raise needs("lpips", asked) from None
    download(AlexNet_Weights.IMAGENET1K_V1, asked)  # to say so in one line if it fails
    return lpips.LPIPS(net="alex", verbose=False).to(device).eval()


def lpips_at_hand() -> bool:
    """Whether LPIPS can be used without fetching anything."""
    weights = Path(torch.hub.get_dir()) / "checkpoints"
    name = Path(AlexNet_Weights.IMAGENET1K_V1.url).name
    return bool(find_spec("lpips")) and (weights / name).is_file()


class Perceptual(Metric):
    """`background_lpips` of every picture: what changed on the instances is put back first."""

    scores = {"background_lpips": Better.LESS}

    def __init__(self, network: torch.nn.Module, device: torch.device):
        self.network = network
        self.device = device

    @torch.no_grad()
    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        rows: list[dict[str, Value]] = [{} for _ in pairs]
        for places, image, other, where in batches(pairs, self.device):
            x, y = (p.float() / 127.5 - 1 for p in (image, torch.where(where, other, image)))
            for i, value in zip(places, self.network(x, y).flatten().tolist(), strict=True):
                rows[i]["background_lpips"] = value
        return rows
