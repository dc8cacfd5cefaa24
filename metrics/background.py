"""What became of the background: L1, PSNR and SSIM where neither picture has an instance."""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from metrics.base import Better, Metric, Value, by_size, to_batch
from metrics.pair import Pair

LARGEST_PSNR = 100.0  # dB, of a background that did not change
WINDOW, SIGMA = 11, 1.5  # of SSIM, in pixels


def background_l1(image: Tensor, other: Tensor, where: Tensor) -> Tensor:
    """Mean absolute difference in levels of 255: [B]; nan where there is no background.

    image, other uint8 [B, C, H, W]; where bool [B, 1, H, W].
    """
    return masked_mean((image.double() - other.double()).abs(), where)


def background_psnr(image: Tensor, other: Tensor, where: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, at most LARGEST_PSNR: [B]; arguments as above."""
    error = masked_mean((image.double() - other.double()) ** 2, where)
    return (10 * torch.log10(255**2 / error)).clamp(max=LARGEST_PSNR)


def background_ssim(image: Tensor, other: Tensor, where: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004): [B]; arguments as above.

    Elsewhere the second picture is taken to be the first: what changed there must not count in the
    windows of the pixels around it.
    """
    x = image.double()
    return masked_mean(ssim_map(x, torch.where(where, other.double(), x)), where)


def ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """SSIM around every pixel, of levels of 255: [B, C, H, W] twice to [B, C, H, W].

    The window is Gaussian, 11x11 pixels, and smaller where the picture is; at the edges it sees the
    picture mirrored, as in torchmetrics.
    """
    side = min(WINDOW, *(length - (1 - length % 2) for length in x.shape[-2:]))
    offsets = torch.arange(side, dtype=x.dtype, device=x.device) - side // 2
    line = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    line = line / line.sum()
    channels = x.shape[1]
    kernel = torch.outer(line, line).expand(channels, 1, side, side)

    def local(values: Tensor) -> Tensor:
        return F.conv2d(F.pad(values, [side // 2] * 4, "reflect"), kernel, groups=channels)

    mean_x, mean_y = local(x), local(y)
    var_x, var_y = local(x * x) - mean_x**2, local(y * y) - mean_y**2
    covariance = local(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )


def masked_mean(values: Tensor, where: Tensor) -> Tensor:
    """The mean of values [B, C, H, W] where `where` [B, 1, H, W] holds: [B], nan if nowhere."""
    total = (values * where).sum((1, 2, 3))
    return total / (where.sum((1, 2, 3)) * values.shape[1])


def batches(
    pairs: Sequence[Pair], device: torch.device | str
) -> Iterator[tuple[list[int], Tensor, Tensor, Tensor]]:
    """Pairs of one size together: their places, pictures, translations and backgrounds.

    Without pictures that had nothing to translate: their background is perfect, and says nothing.
    """
    for same in by_size(pairs):
        if not (places := [i for i in same if not pairs[i].untouched]):
            continue
        yield (
            places,
            *(
                to_batch([getattr(pairs[i], kind) for i in places], device)
                for kind in ("image", "translated", "background")
            ),
        )


class Background(Metric):
    """`background_l1`, `background_psnr` and `background_ssim` of every picture."""

    scores = {
        "background_l1": Better.LESS,
        "background_psnr": Better.MORE,
        "background_ssim": Better.MORE,
    }
    measures = {
        "background_l1": background_l1,
        "background_psnr": background_psnr,
        "background_ssim": background_ssim,
    }

    def __init__(self, device: torch.device | str = "cpu"):
        self.device = device

    def pictures(self, pairs: Sequence[Pair]) -> list[dict[str, Value]]:
        rows: list[dict[str, Value]] = [{} for _ in pairs]
        for places, image, other, where in batches(pairs, self.device):
            for name, measure in self.measures.items():
                for i, value in zip(places, measure(image, other, where).tolist(), strict=True):
                    rows[i][name] = None if value != value else value
        return rows
