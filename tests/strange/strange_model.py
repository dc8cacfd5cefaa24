"""A model that shares nothing with InstaGAN: what the house takes for granted, it does otherwise.

One way; three networks, one with BatchNorm; two optimisers, one with a schedule per update; a second
picture and a label of each sample; losses that are called like no network; three results of each
picture, and a map; sizes in multiples of 32; a second phase that trains one network alone.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from data.direction import Direction
from data.scene import Scene
from models.base_model import BaseModel
from models.contract import Translated
from models.exporting import Exportable

STYLES = 3
BLOCK = 32


class Painter(nn.Module):
    """(picture, background, label [B], style) -> picture [B, 3, H, W]."""

    def __init__(self, width: int):
        super().__init__()
        self.coarse = nn.Conv2d(6, width, 1)
        self.fine = nn.Sequential(
            nn.Conv2d(6, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.labels = nn.Embedding(4, width)
        self.out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, image: Tensor, background: Tensor, label: Tensor, style: int) -> Tensor:
        both = torch.cat([image, background], 1)
        coarse = interpolate(self.coarse(avg_pool2d(both, BLOCK)), scale_factor=BLOCK)
        shift = self.labels(label)[:, :, None, None] + 0.5 * style
        return torch.tanh(self.out(self.fine(both) + coarse + shift))


class StrangeModel(BaseModel):
    directions = (Direction("A", "B"),)
    loss_names = ("likeness", "calm", "verdict")
    panels = {
        "what the painter minimises": {"like": "losses.likeness", "calm": "losses.calm"},
        "verdict": {"verdict": "losses.verdict"},
    }
    extras = {"background": "picture", "label": "value"}
    scored_by = ("background",)
    tests_in_eval_mode = True
    architecture_options = ("strange_width",)

    @classmethod
    def size_multiple(cls, opt) -> int:
        return BLOCK

    @classmethod
    def least_size(cls, opt) -> int:
        return BLOCK

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        group = parser.group("the strange model")
        group.add_argument("--strange_width", type=int, default=4, help="channels")
        if is_train:
            group.add_argument("--half", choices=("first", "second"), default="first")
        return parser

    def __init__(self, opt, device: torch.device):
        super().__init__(opt, device)
        width = opt.strange_width
        self.paint = self.add_network("Painter", Painter(width), translates=True)
        self.look = self.add_network("Attention", nn.Conv2d(3, 1, 5, padding=2), translates=True)
        if self.is_train:
            self.judge = self.add_network("Jury", nn.Conv2d(3, 1, 4, stride=4))
            trained = ["Painter", "Attention"] if opt.half == "first" else ["Attention"]
            self.add_optimizer("hands", trained, opt.lr, weight_decay=0.01)
            self.add_optimizer(
                "eyes", ["Jury"], 3 * opt.lr, betas=(0.0, 0.9), per_update=lambda n: 0.5 ** (n // 4)
            )
            self.average()

    def train_step(self, scenes: Mapping[str, Scene]) -> None:
        """One update of what paints, one of the jury."""
        scenes = self.on_device(scenes)
        fakes = self.update("hands", self.painting_losses, scenes["A"])
        self.update("eyes", self.verdicts, scenes["B"], fakes)

    def styles(self, scene: Scene) -> tuple[list[Tensor], Tensor]:
        """All results of a batch, and where they may differ from it, [B, 1, H, W] in [0, 1]."""
        where = torch.sigmoid(self.look(scene.image))
        label = scene.extras["label"].flatten()
        painted = [
            self.paint(scene.image, scene.extras["background"], label, style)
            for style in range(STYLES)
        ]
        return [torch.lerp(scene.image, own, where) for own in painted], where

    def painting_losses(self, scene: Scene) -> tuple[dict[str, Tensor], Tensor]:
        results, where = self.styles(scene)
        trust = self.judge(results[0]).square().mean((1, 2, 3))
        likeness = (results[0] - scene.extras["background"]).abs().mean((1, 2, 3))
        calm = where.mean((1, 2, 3)) + results[1].square().mean((1, 2, 3))
        return {"likeness": likeness + 0.1 * trust, "calm": 0.1 * calm}, results[0]

    def verdicts(self, real: Scene, fakes: Tensor) -> tuple[dict[str, Tensor], None]:
        right = (self.judge(real.image) - 1).square().mean((1, 2, 3))
        return {"verdict": right + self.judge(fakes).square().mean((1, 2, 3))}, None

    @torch.no_grad()
    def translate(self, scene: Scene, source: str) -> Translated:
        scene = self.on_device({source: scene})[source]
        results, where = self.styles(scene)
        fakes = [replace(scene.slots(0, 0), image=own) for own in results]
        return Translated(scene, fakes, extras={"attention": 2 * where - 1})

    def exportable(self, source: str, masks: int | None) -> Exportable:
        def example(height: int, width: int, absent: bool):
            generator = torch.Generator().manual_seed(height)
            image, background = torch.rand(2, 1, 3, height, width, generator=generator) * 2 - 1
            return image, background, torch.tensor([1])

        return Exportable(FirstStyle(self.networks["Painter"]), example, ["painted"])


class FirstStyle(nn.Module):
    def __init__(self, painter: Painter):
        super().__init__()
        self.painter = painter

    def forward(self, image: Tensor, background: Tensor, label: Tensor) -> tuple[Tensor]:
        return (self.painter(image, background, label, 0),)
