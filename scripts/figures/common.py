"""What the figure scripts share: a trained run, scenes to translate, and a labelled sheet."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from data import create_dataset
from data.scene import Scene
from models import create_model, find_model
from models.contract import Translated
from models.trained_run import TrainedRun
from options.base_options import run_folder
from options.test_options import TestOptions
from pages.sheet import Row, check_name, save_sheet, sheet
from training.checkpoint import Checkpoints
from util.command_line import OneLineParser
from util.errors import UserError
from util.images import to_pixels


class Figure:
    """A script's options, and the scenes of one domain that it shows.

    The script's own flags are those below; all others are of test.py: --dataroot, --name, ….
    """

    def __init__(self, doc: str, argv: list[str] | None):
        parser = OneLineParser(
            description=doc,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            usage="%(prog)s OUTPUT.png --dataroot FOLDER --name RUN [options of test.py] [options]",
        )
        parser.add_argument("output", type=Path, help="PNG to write")
        parser.add_argument("--pictures", default="4", help="how many, or their names: 0003,0017")
        parser.add_argument("--side", type=int, default=128, help="width of each in pixels")
        self.args, rest = parser.parse_known_args(argv)
        check_name(self.args.output)
        if self.args.side < 8:
            raise UserError(f"--side {self.args.side}: at least 8 pixels")
        self.opt = TestOptions().parse(rest)
        if self.opt.direction == "both":
            self.opt.direction = find_model(self.opt.model).directions[0].name
        ways = {way.name: way for way in find_model(self.opt.model).directions}
        self.way = ways[self.opt.direction]
        self.source, self.target = self.way
        self.scenes = create_dataset(self.opt).domain(self.source)

    @property
    def side(self) -> int:
        return self.args.side

    def need_masks(self) -> None:
        """Raise UserError for a model that tells no instances apart."""
        if not find_model(self.opt.model).tells_instances_apart:
            raise UserError(
                f"--name {self.opt.name}: --model {self.opt.model} tells no instances apart, and "
                "this figure is about them"
            )

    def labels(self, checkpoints: Checkpoints) -> list[str]:
        """What `--epoch` can be: labels of all networks that translate."""
        translating = create_model(self.opt, torch.device("cpu")).translating
        first, *others = (checkpoints.labels(name) for name in translating)
        return [label for label in first if all(label in own for own in others)]

    def translator(self, label: str | None = None) -> Callable[[Scene], Translated]:
        """The run at `--epoch`, or at another one, in the figure's direction."""
        opt = argparse.Namespace(**vars(self.opt) | ({"label": label} if label else {}))
        translate = TrainedRun(opt, run_folder(opt))
        return lambda scene: translate(scene, self.way)

    def chosen(self) -> list[Scene]:
        """The scenes to show: those of these names, or else so many."""
        wanted = self.args.pictures.split(",")
        found = {s.names[0]: s for s in self.scenes if s.names[0] in wanted}
        if not found and self.args.pictures.isdecimal():
            count = min(int(self.args.pictures), len(self.scenes))
            return [self.scenes[i] for i in range(count)]
        for name in wanted:
            if name not in found:
                raise UserError(f"--pictures {name}: there is no such picture in {self.opt.phase}")
        return [found[name] for name in wanted]

    def write(self, rows: list[Row], header: list[str]) -> None:
        """Write the sheet and say where."""
        if not rows:
            raise UserError(f"--pictures {self.args.pictures}: nothing to show")
        save_sheet(sheet(rows, header), self.args.output)
        print(f"figure: {self.args.output}")


def pixels_of(image: torch.Tensor) -> np.ndarray:
    """The first picture of a batch, uint8 [H, W, 3]."""
    return np.atleast_3d(to_pixels(image[0])).repeat(1 if image.shape[1] == 3 else 3, -1)


def masks_of(scene: Scene) -> list[np.ndarray]:
    """The instances of the first sample, bool [H, W] each."""
    return [
        mask.numpy() > 0
        for mask, there in zip(scene.masks[0], scene.present[0].tolist(), strict=True)
        if there
    ]
