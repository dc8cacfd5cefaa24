"""Where the masks of pictures come from that have none: a trained run, or Mask R-CNN."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from data.direction import Direction
from data.scene import Scene
from data.transforms import make_scene
from models import find_model
from models.trained_run import TrainedRun
from options.base_options import run_folder
from options.translate_options import names_a_finder, options_of_run
from training.device import choose_device
from translation.memory import check_memory
from util.errors import UserError

# pictures uint8 [H, W, C] -> masks bool [N, H, W] of each, the surest first
Finder = Callable[[Sequence[np.ndarray]], list[np.ndarray]]

SURE = 0.5  # scores of Mask R-CNN from which on a mask is taken


def finder_of(word: str, opt) -> Finder:
    """What `auto:RUN` or `maskrcnn:CATEGORY` finds in pictures that the options translate.

    Raises UserError for what is neither, and for runs and weights that are not there.
    """
    kind, _, name = word.partition(":")
    if not (names_a_finder(word) and name):
        raise UserError(f"--masks {word}: auto:RUN or maskrcnn:CATEGORY, or files")
    source = opt.direction.partition("to")[0]
    return PredictedMasks(name, source, opt) if kind == "auto" else MaskRCNNMasks(name, opt)


class PredictedMasks:
    """The masks that a run of `--model mask_predictor` finds in pictures of a domain."""

    def __init__(self, run: str, domain: str, opt):
        folder = Path(run) if Path(run).is_dir() else Path(opt.checkpoints_dir) / run
        if not folder.is_dir():
            raise UserError(f"--masks auto:{run}: {folder}: there is no such run")
        self.way = Direction(domain, domain)
        words = ["--gpu_ids", ",".join(map(str, opt.gpu_ids)) or "-1"]
        own = options_of_run(folder, words)
        if self.way not in find_model(own.model).directions:
            raise UserError(
                f"--masks auto:{run}: a run of --model {own.model} finds no masks: train one with "
                "--model mask_predictor"
            )
        self.run = TrainedRun(own, run_folder(own))
        self.channels = own.input_nc

    def __call__(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self.find(image) for image in images]

    def find(self, image: np.ndarray) -> np.ndarray:
        scene = self.scene(image)
        check_memory(self.run, scene, self.way)
        fake = self.run(scene, self.way).fakes[0]
        masks = (fake.masks[0] > 0).numpy()
        return masks[masks.any((1, 2))]

    def scene(self, image: np.ndarray) -> Scene:
        """A picture, [H, W, C], without masks."""
        pixels = image if image.shape[-1] == self.channels else in_channels(image, self.channels)
        tensor = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        nothing = torch.zeros(0, *image.shape[:2], dtype=torch.bool)
        return make_scene(tensor, nothing, "picture", ()).normalized()


class MaskRCNNMasks:
    """The masks of one of COCO's categories by torchvision's Mask R-CNN."""

    def __init__(self, category: str, opt):
        from metrics.detectors import MaskRCNN, category_id  # slow to import

        self.number = category_id(category, "--masks maskrcnn:")
        device = choose_device(opt.gpu_ids)
        self.detector = MaskRCNN(opt.maskrcnn_weights, device, "--maskrcnn_weights")

    def __call__(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        found = [self.detector.find([in_channels(x, 3)], self.number)[0] for x in images]
        return [own.masks[own.scores >= SURE] for own in found]


def in_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """An image [H, W, C] in grey (1) or in colour (3)."""
    if image.shape[-1] == channels:
        return image
    return image.repeat(3, -1) if channels == 3 else image.mean(-1, keepdims=True).astype(np.uint8)
