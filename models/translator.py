"""A trained run as a function of scenes."""

from pathlib import Path

import torch
from torch import Tensor

from data.scene import Scene
from data.transforms import pad_scene
from models import create_model
from models.building import fit_to_weights
from util.checkpoint import Checkpoints
from util.device import prepare_device


class Translator:
    """Translates scenes with the weights `opt.label` in a run's folder.

    opt are the options of `test.py`; width and depth are read from weights that come without.
    """

    def __init__(self, opt, folder: Path):
        checkpoints = Checkpoints(folder)
        if not opt.has_saved_options:
            fit_to_weights(opt, checkpoints)
        device = prepare_device(opt)
        torch.manual_seed(opt.seed)
        self.model = create_model(opt, device)
        print(self.model.setup(checkpoints))
        if opt.eval:
            self.model.eval()

    def __call__(self, batch: Scene, source: str) -> tuple[Scene, dict[str, Tensor]]:
        """The batch's translation and all visuals, on the CPU and cut to the batch's own size."""
        height, width = batch.image.shape[-2:]

        def cut(tensor: Tensor) -> Tensor:
            return (tensor[..., :height, :width] if tensor.dim() == 4 else tensor).cpu()

        self.model.set_input({source: pad_scene(batch)})
        visuals = self.model.get_current_visuals()
        fake = self.model.fake["B" if source == "A" else "A"].map(cut)
        return fake, {name: cut(picture) for name, picture in visuals.items()}
