"""From pictures to the masks of their instances, so that pictures without masks can be translated.

The paper trains a pix2pix for that (Figures 8 and 12), which knows no instances. Here a U-Net of
each domain says of every pixel whether it is of an object and where that object's centre is, see
`models/instances.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn

from data.direction import Direction
from data.scene import Scene
from models.base_model import BaseModel
from models.contract import Translated
from models.exporting import Exportable
from models.instances import (
    CHANNELS,
    LAYERS,
    Seen,
    dice_loss,
    found,
    object_loss,
    place_loss,
    wanted,
)
from models.jitter import jittered
from models.networks.unet import HALVINGS, UNet

MOST = 20  # instances of a picture, unless it is typed
SIZES = {"load": 212, "fine": 192}  # pixels, multiples of what a U-Net needs
RATE = 0.004
RARE = -2.0  # the logit of objects at the start: most pixels are background
LOSSES = {  # of each domain, in the order of the logs, and their panels
    "object_ce": (object_loss, "object or background"),
    "object_dice": (dice_loss, "overlap of objects"),
    "centre_way": (place_loss, "ways to the centres, and sizes"),
}


class MaskPredictorModel(BaseModel):
    """A U-Net for each domain, trained on its masks. A "translation" has the masks it found."""

    directions = (Direction("A", "A"), Direction("B", "B"))
    loss_names = tuple(f"{name}_{x}" for x in "AB" for name in LOSSES)
    panels = {title: {x: f"losses.{name}_{x}" for x in "AB"} for name, (_, title) in LOSSES.items()}
    loss_summary = {x: tuple(f"{name}_{x}" for name in LOSSES) for x in "AB"}
    tells_instances_apart = True
    finds_masks = True
    scored_by = ("instances",)
    architecture_options = ("ngf",)
    recipe_options = ("scale_jitter", "color_jitter")

    @classmethod
    def needs_masks(cls, opt) -> bool:
        return opt.is_train

    @classmethod
    def size_multiple(cls, opt) -> int:
        return 2**HALVINGS

    @classmethod
    def least_size(cls, opt) -> int:
        return 2**HALVINGS

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        parser.group("networks").add_argument(
            "--ngf", type=int, default=32, help="channels of the U-Nets' first layers"
        )
        if is_train:
            group = parser.group("the mask predictor")
            group.add_argument(
                "--scale_jitter",
                type=float,
                default=0.3,
                help="pictures are seen larger or smaller by up to this share",
            )
            group.add_argument(
                "--color_jitter",
                type=float,
                default=0.2,
                help="how far brightness, contrast and saturation go from what they were",
            )
            parser.set_defaults(lr=RATE, batch_size=4)
        return parser

    @classmethod
    def complete_options(cls, opt) -> None:
        """All instances of a picture, and pictures without any, unless it is typed otherwise."""
        for kind, side in product(("load", "fine") if opt.is_train else ("fine",), "HW"):
            if getattr(opt, f"{kind}Size{side}") is None:
                setattr(opt, f"{kind}Size{side}", SIZES[kind])
        if opt.is_train and opt.dataset_mode == "unaligned_seg":
            opt.ins_max = opt.ins_max if "ins_max" in opt.typed else MOST
            opt.no_mask = opt.no_mask if "no_mask" in opt.typed else "keep"

    @classmethod
    def option_problems(cls, opt) -> Iterator[str]:
        if opt.ngf < 1:
            yield f"--ngf {opt.ngf}: at least 1"
        if opt.dataset_mode != "unaligned_seg":
            yield f"--dataset_mode {opt.dataset_mode} reads no masks: use unaligned_seg"
        for flag, most in (("scale_jitter", 4), ("color_jitter", 1)):
            value = getattr(opt, flag, 0)
            if not 0 <= value <= most:
                yield f"--{flag} {value}: from 0 to {most}"

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        sizes = {"image_channels": opt.input_nc, "width": opt.ngf, "outputs": CHANNELS}
        self.predictors = {}
        for domain in "AB":
            network = UNet(**sizes)
            nn.init.constant_(network.last.bias[:LAYERS], RARE)
            self.predictors[domain] = self.add_network(f"M_{domain}", network, translates=True)
        if self.is_train:
            self.add_optimizer("M", list(self.networks), opt.lr)
            self.average()

    def train_step(self, scenes: Mapping[str, Scene]) -> None:
        """One update of both predictors, each by the pictures of its domain."""
        opt = self.opt
        scenes = {
            domain: jittered(scene, opt.scale_jitter, opt.color_jitter)
            for domain, scene in self.on_device(scenes).items()
        }
        self.update("M", self.predictor_losses, scenes)

    def predictor_losses(self, scenes: Mapping[str, Scene]) -> tuple[dict[str, Tensor], None]:
        losses = {}
        for domain, scene in scenes.items():
            seen = Seen.of(self.predictors[domain](scene.image))
            goal = wanted(scene.masks > 0)
            losses |= {f"{name}_{domain}": loss(seen, goal) for name, (loss, _) in LOSSES.items()}
        return losses, None

    # ---- inference

    @torch.no_grad()
    def translate(self, scene: Scene, source: str) -> Translated:
        """The same picture with the masks that were found; those it came with are not looked at."""
        scene = self.on_device({source: scene})[source]
        seen = Seen.of(self.predictors[source](scene.image))
        masks, scores = found(seen, self.opt.ins_max)
        counts = (scores > 0).sum(1).tolist()
        fake = replace(
            scene,
            masks=masks.to(scene.image.dtype) * 2 - 1,
            present=scores > 0,
            numbers=[tuple(range(count)) for count in counts],
        )
        sure = 2 * seen.object.sigmoid().amax(1, keepdim=True) - 1
        return Translated(
            scene, [fake], extras={"objects": sure}, styles=["found"], numbers={"scores": scores}
        )

    def exportable(self, source: str, masks: int | None) -> Exportable:
        """A picture -> up to so many masks, in -1 and 1, and their scores."""
        network = Predictor(self.networks[f"M_{source}"], masks or self.opt.ins_max)
        return Exportable(network, partial(example, self.opt.input_nc), ["masks", "scores"])


class Predictor(nn.Module):
    """A picture [1, C, H, W] -> masks [1, K, H, W] in -1 and 1, and scores [1, K]; 0: not there."""

    def __init__(self, network: nn.Module, most: int):
        super().__init__()
        self.network = network
        self.most = most

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        masks, scores = found(Seen.of(self.network(image)), self.most)
        return masks.to(image.dtype) * 2 - 1, scores


def example(channels: int, height: int, width: int, absent: bool) -> tuple[Tensor]:
    generator = torch.Generator().manual_seed(height)
    return (torch.rand(1, channels, height, width, generator=generator) * 2 - 1,)
