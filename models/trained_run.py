"""A trained run as a function of scenes."""

from pathlib import Path

import torch
from torch import Tensor

from data.direction import Direction
from data.scene import Scene
from data.transforms import pad_scene
from models import create_model, find_model
from models.contract import Translated
from training.checkpoint import Checkpoints
from training.device import prepare_device


class TrainedRun:
    """Translates scenes with the weights `opt.label` in a run's folder.

    opt are the options of `test.py`; of weights that come without, some are read from them.
    """

    def __init__(self, opt, folder: Path):
        checkpoints = Checkpoints(folder)
        kind = find_model(opt.model)
        if not opt.has_saved_options:
            kind.fit_options_to_weights(opt, checkpoints)
        device = prepare_device(opt)
        torch.manual_seed(opt.seed)
        self.model = create_model(opt, device)
        print(self.model.setup(checkpoints))
        if opt.eval or kind.tests_in_eval_mode:
            self.model.eval()
        self.sizes = (kind.size_multiple(opt), kind.least_size(opt))

    def __call__(self, batch: Scene, direction: Direction) -> Translated:
        """Translate a batch; everything is on the CPU and cut to the batch's own size."""
        height, width = batch.image.shape[-2:]

        def cut(tensor: Tensor) -> Tensor:
            return (tensor[..., :height, :width] if tensor.dim() == 4 else tensor).cpu()

        return self.model.translate(pad_scene(batch, *self.sizes), direction.source).map(cut)
