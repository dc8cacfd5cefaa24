"""What INIT makes of a picture: a result for each style, at random or of other pictures."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from zlib import crc32

import torch
from torch import Tensor, nn

from data.direction import BOTH_WAYS
from data.pictures import read_image
from data.scene import Scene, normalized
from data.transforms import resize_image
from models.contract import Translated
from models.exporting import Exportable
from models.init_options import LEAST
from models.networks.munit import DOWN

TARGETS = {way.source: way.target for way in BOTH_WAYS}
SHOWN = 3  # styles of a picture during training


class INITResults:
    """The part of `INITModel` that translates."""

    @torch.no_grad()
    def translate(self, scene: Scene, source: str) -> Translated:
        """A result for each style; masks are not looked at, and none are made."""
        scene = self.on_device({source: scene})[source]
        target = TARGETS[source]
        content = self.network("content", source, "whole")(scene.image)
        paint, bare = self.network("decoder", target, "whole"), scene.slots(0, 0)
        # One style after the other, each result off the device: its memory does not grow with them.
        fakes = [
            replace(bare, image=paint(content, style)).map(Tensor.cpu)
            for style in self.styles_for(scene).unbind(1)
        ]
        return Translated(scene, fakes, styles=self.names_of_styles(len(fakes)))

    def styles_for(self, scene: Scene) -> Tensor:
        """The styles that a batch is shown in, [B, N, S]: random ones, or those of pictures."""
        opt = self.opt
        if self.is_train:
            return random_styles(scene.names, opt.seed, (SHOWN, opt.style_dim)).to(self.device)
        if opt.style_from:
            styles = self.given_styles.expand(len(scene), -1, -1)
        else:
            names = [""] * len(scene) if opt.synchronized else scene.names
            styles = random_styles(names, opt.seed, (opt.n_styles, opt.style_dim)).to(self.device)
        return between(styles[:, 0], styles[:, 1], opt.interpolate) if opt.interpolate else styles

    @cached_property
    def given_styles(self) -> Tensor:
        """Those of the pictures of --style_from, [1, N, S]; read once for all batches."""
        target = next(way.target for way in BOTH_WAYS if way.name == self.opt.direction)
        read = self.network("style", target, "whole")
        pictures = (example_of(self.opt, path).to(self.device) for path in self.opt.style_from)
        return torch.stack([read(picture) for picture in pictures], 1)

    def names_of_styles(self, count: int) -> list[str]:
        """Titles of the results: of random styles numbers, of others the pictures they are of."""
        if self.is_train:
            return [f"style {number}" for number in range(1, count + 1)]
        given = [f"like {Path(path).stem}" for path in self.opt.style_from or ()]
        names = given or [f"style {number}" for number in range(1, self.opt.n_styles + 1)]
        if not self.opt.interpolate:
            return names
        between = [f"{100 * i / (count - 1):.0f} %" for i in range(1, count - 1)]
        return [names[0], *between, names[1]]

    def exportable(self, source: str, masks: int | None) -> Exportable:
        """A picture and a style -> the picture in it."""
        names = f"content_{source}", f"decoder_{TARGETS[source]}"
        opt = self.opt

        def example(height: int, width: int, absent: bool) -> tuple[Tensor, Tensor]:
            generator = torch.Generator().manual_seed(height)
            image = torch.rand(1, opt.input_nc, height, width, generator=generator) * 2 - 1
            return image, torch.randn(1, opt.style_dim, generator=generator)

        return Exportable(Repainter(*map(self.networks.get, names)), example, ["translated_image"])


class Repainter(nn.Module):
    """A picture [1, C, H, W] and a style [1, S] -> the picture as the other domain has it."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, image: Tensor, style: Tensor) -> tuple[Tensor]:
        return (self.decoder(self.encoder(image), style),)


def random_styles(names: Sequence[str], seed: int, shape: tuple[int, int]) -> Tensor:
    """Styles for each picture [B, N, S], which its name and the seed decide, and nothing else."""
    count, length = shape
    found = []
    for name in names:
        own = torch.Generator().manual_seed(crc32(name.encode()) + seed)
        # One by one: how many are drawn at once would change what is drawn.
        found.append(torch.stack([torch.randn(length, generator=own) for _ in range(count)]))
    return torch.stack(found)


def between(first: Tensor, last: Tensor, count: int) -> Tensor:
    """So many styles on the way from one to another: [B, S] twice -> [B, count, S]."""
    steps = torch.linspace(0, 1, count, device=first.device)[:, None]
    return torch.lerp(first[:, None], last[:, None], steps)


def example_of(opt, path: str) -> Tensor:
    """A picture whose style is taken, [1, C, H, W], its shorter side as long as in the test."""
    image = torch.from_numpy(read_image(Path(path), opt.input_nc))
    sides = image.shape[-2:]
    scale = min(opt.loadSizeH, opt.loadSizeW) / min(sides)
    size = tuple(max(LEAST, round(side * scale / DOWN) * DOWN) for side in sides)
    return normalized(resize_image(image, size)[None])
