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
from options.base_options import OPTIONS_FILE, run_folder
from options.translate_options import names_a_finder, options_of_run
from training.device import choose_device
from translation.inputs import as_image
from translation.memory import MemoryCheck
from translation.sizes import fitted, smooth
from util.errors import UserError

# pictures uint8 [H, W, C] -> masks bool [N, H, W] of each, the surest first
Finder = Callable[[Sequence[np.ndarray]], list[np.ndarray]]

SURE = 0.5  # scores of Mask R-CNN from which on a mask is taken
LARGER = 1.5  # times the size of its training: a mask predictor sees larger pictures at that size


def finder_of(word: str, opt) -> Finder:
    """What `auto:RUN` or `maskrcnn:CATEGORY` finds in pictures that the options translate.

    Raises UserError for what is neither, and for runs and weights that are not there.
    """
    kind, _, name = word.partition(":")
    if not (names_a_finder(word) and name):
        raise UserError(f"--masks {word}: auto:RUN or maskrcnn:CATEGORY, or files")
    source = opt.direction.partition("to")[0]
    return PredictedMasks(name, source, opt) if kind == "auto" else MaskRCNNMasks(name, opt)


def folder_of(run: str, checkpoints: Path) -> Path:
    """The folder of a run: a name among the checkpoints, or a path. Raises UserError."""
    for folder in (checkpoints / run, Path(run)):
        if (folder / OPTIONS_FILE).is_file():
            return folder
    raise UserError(f"--masks auto:{run}: {checkpoints / run}: there is no such run")


class PredictedMasks:
    """The masks that a run of `--model mask_predictor` finds in pictures of a domain."""

    def __init__(self, run: str, domain: str, opt):
        folder = folder_of(run, Path(opt.checkpoints_dir))
        way = Direction(domain, domain)
        words = ["--gpu_ids", ",".join(map(str, opt.gpu_ids)) or "-1"]
        self.opt = options_of_run(folder, words)
        if not find_model(self.opt.model).finds_masks:
            raise UserError(
                f"--masks auto:{run}: a run of --model {self.opt.model} finds no masks: train one "
                "with --model mask_predictor"
            )
        self.run, self.way = TrainedRun(self.opt, run_folder(self.opt)), way
        self.memory = MemoryCheck(self.run, way)

    def __call__(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [self.find(image) for image in images]

    def find(self, image: np.ndarray) -> np.ndarray:
        """Those of one picture; it is looked at in the size of the training, if it is larger."""
        trained = max(self.opt.fineSizeH, self.opt.fineSizeW)
        small = fitted(image, trained) if max(image.shape) > LARGER * trained else image
        scene = self.scene(small)
        self.memory.check(scene)
        masks = (self.run(scene, self.way).fakes[0].masks[0] > 0).numpy()
        return smooth(masks[masks.any((1, 2))], image.shape[:2])

    def scene(self, image: np.ndarray) -> Scene:
        """A picture, [H, W, C], without masks."""
        pixels = in_channels(image, self.opt.input_nc).transpose(2, 0, 1)
        tensor = torch.from_numpy(np.ascontiguousarray(pixels))
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
    return image if image.shape[-1] == channels else as_image(image, channels)
