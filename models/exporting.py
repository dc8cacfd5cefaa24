"""A generator as a function of plain tensors, for `scripts/export.py`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from data.scene import Scene
from models.networks.insta_gan import erase_absent
from models.pasting import LEFT_OUT, Pasting, grown
from util.errors import UserError

Inputs = tuple[Tensor, ...]
NEAR = 1e-4  # masks this close to 0 may fall on either side of it in another program


def nothing_ignored(outputs: Sequence[Tensor]) -> Sequence[None]:
    return [None] * len(outputs)


@dataclass(frozen=True)
class Exportable:
    """What of a model other programs can run.

    network  tensors in, a tuple of tensors out; pictures and masks are [1, C, H, W]
    example  random inputs of a height and width; True: with one mask absent, where there are masks
    outputs  names of what comes out
    ignored  by the outputs: of each, where pixels are not compared, or None
    """

    network: nn.Module
    example: Callable[[int, int, bool], Inputs]
    outputs: Sequence[str]
    ignored: Callable[[Sequence[Tensor]], Sequence[Tensor | None]] = nothing_ignored


def exportable_generator(
    network: nn.Module, channels: int, masks: int, pasting: Pasting | None
) -> Exportable:
    """A generator called with so many masks; without masks, as a function of the image alone."""
    fills = pasting is not None and pasting.on == "fill"
    make = partial(example, channels, masks, others=fills)
    if masks == 0:
        return Exportable(ImageAlone(network), make, ["translated_image"])
    outputs = ["translated_image", "translated_masks"]
    if pasting is None:
        return Exportable(network, make, outputs)
    pasted = (FillingGenerator if fills else PastingGenerator)(network, pasting)
    return Exportable(pasted, make, outputs, pasted.undecided)


def count_masks(network: nn.Module, opt, wanted: int | None) -> int:
    """Masks per call: what was asked for, if the network can do that."""
    if opt.netG == "set":
        return min(opt.ins_per, opt.ins_max) if wanted is None else wanted
    if wanted not in (None, network.slots):
        raise UserError(f"--masks {wanted}: this --netG basic takes {network.slots} masks")
    return network.slots


class ImageAlone(nn.Module):
    """A generator without masks, as a function of the image."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor]:
        present = torch.ones(1, 0, dtype=torch.bool, device=image.device)
        return self.network(image, image[:, :0], present)[:1]


class PastingGenerator(nn.Module):
    """A generator whose translation is pasted on the picture it came from, as `--paste` does."""

    def __init__(self, network: nn.Module, pasting: Pasting):
        super().__init__()
        self.network = network
        self.pasting = pasting

    def forward(self, image: Tensor, masks: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        return self.translated(Scene(image, masks, present))

    def translated(self, canvas: Scene) -> tuple[Tensor, Tensor]:
        image, masks = self.network(canvas.image, canvas.masks, canvas.present)
        canvas = replace(canvas, masks=erase_absent(canvas.masks, canvas.present))
        fake = Scene(image, masks, canvas.present)
        return self.pasting.exactly(canvas, fake).image, masks

    def undecided(self, outputs: Sequence[Tensor]) -> Sequence[Tensor | None]:
        """Pixels of the image that a mask's last bits decide: around those that are almost 0."""
        near = (outputs[1].abs() < NEAR).any(1, keepdim=True).float()
        return [grown(near, 2 * self.pasting.radius) > 0, None]


class FillingGenerator(PastingGenerator):
    """The same with --paste_on fill, which has to know where the other instances are."""

    def forward(
        self, image: Tensor, masks: Tensor, present: Tensor, others: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.translated(Scene(image, masks, present, extras={LEFT_OUT: others}))


def example(
    channels: int, masks: int, height: int, width: int, absent: bool = False, others: bool = False
) -> Inputs:
    """A random picture with `masks` masks, of which the last may be absent; alone without any.

    others: with the place of other instances.
    """
    generator = torch.Generator().manual_seed(height + width)
    image = torch.rand(1, channels, height, width, generator=generator) * 2 - 1
    if masks == 0:
        return (image,)
    sets = torch.where(torch.rand(1, masks, height, width, generator=generator) > 0.5, 1.0, -1.0)
    present = torch.ones(1, masks, dtype=torch.bool)
    present[0, -1] = not absent
    if not others:
        return image, sets, present
    places = torch.rand(1, 1, height, width, generator=generator) > 0.9
    return image, sets, present, torch.where(places, 1.0, -1.0)
