"""A trained run as a function of scenes."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from data.scene import Scene
from data.transforms import pad_scene
from models import create_model
from models.building import fit_to_weights
from training.checkpoint import Checkpoints
from util.device import prepare_device


class Step(NamedTuple):
    """One step of a sequential translation: the canvas after it, [B, C, H, W].

    numbers are those of the instances that it translated, for each sample.
    """

    numbers: list[tuple[int, ...]]
    image: Tensor


class Translated(NamedTuple):
    """A batch's translation, all visuals by name, and the steps it was made in, on the CPU."""

    fake: Scene
    visuals: dict[str, Tensor]
    steps: list[Step]


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

    def __call__(self, batch: Scene, source: str) -> Translated:
        """Translate a batch; everything is cut to the batch's own size."""
        height, width = batch.image.shape[-2:]

        def cut(tensor: Tensor) -> Tensor:
            return (tensor[..., :height, :width] if tensor.dim() == 4 else tensor).cpu()

        self.model.set_input({source: pad_scene(batch)})
        visuals = self.model.get_current_visuals()
        target = "B" if source == "A" else "A"
        steps = [
            Step([n[group.start : group.stop] for n in batch.numbers], cut(canvas.image))
            for group, canvas in self.model.stages.get(target, [])[1:]
        ]
        fake = self.model.fake[target].map(cut)
        return Translated(fake, {name: cut(picture) for name, picture in visuals.items()}, steps)
