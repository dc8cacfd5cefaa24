#!/usr/bin/env python3
"""Translate pictures: `python test.py --dataroot datasets/shapes --name shapes`. See `--help`."""

import sys
from pathlib import Path

import torch

from data import create_dataset
from data.loader import batches_of_one_size
from data.scene import Scene
from data.transforms import pad_scene
from models import create_model
from models.building import fit_to_weights
from options.base_options import run_folder
from options.test_options import TestOptions
from util.checkpoint import Checkpoints
from util.device import prepare_device
from util.errors import command
from util.memory import enough_memory
from util.results import Results

LESS_MEMORY = "lower --batch_size or --ins_per, or try --precision bf16"
DOMAINS = {"AtoB": "A", "BtoA": "B", "both": "AB"}


@command
def main(argv: list[str] | None = None) -> None:
    opt = TestOptions().parse(argv)
    with enough_memory(LESS_MEMORY):
        test(opt)


def test(opt) -> Path:
    """Translate what the options ask for; returns the folder of the results."""
    folder = Path(opt.results_dir) / opt.name / f"{opt.phase}_{opt.label}"
    checkpoints = Checkpoints(run_folder(opt))
    if not opt.has_saved_options:
        fit_to_weights(opt, checkpoints)
    device = prepare_device(opt)
    torch.manual_seed(opt.seed)

    dataset = create_dataset(opt)
    domains = {letter: dataset.domain(letter) for letter in DOMAINS[opt.direction]}
    model = create_model(opt, device)
    print(model.setup(checkpoints))
    if opt.eval:
        model.eval()
    if opt.dry_run:
        counts = ", ".join(f"{len(scenes)} of {letter}" for letter, scenes in domains.items())
        print(f"dry run: {opt.label} fits, {counts} to translate, nothing written")
        return folder

    results = Results(folder, opt)
    for letter, scenes in domains.items():
        target = "B" if letter == "A" else "A"
        count = min(len(scenes), opt.num_test or len(scenes))
        done = 0
        for places, batch in batches_of_one_size(scenes, count, opt.batch_size):
            fake, visuals = translate(model, batch, letter, target)
            results.add(places, batch, fake, visuals, target)
            done += len(batch)
            results.report(letter, done, count, len(scenes))
    results.write()
    return folder


def translate(model, batch: Scene, source: str, target: str) -> tuple[Scene, dict]:
    """The batch's translation and all visuals, on the CPU and cut to the batch's own size."""
    height, width = batch.image.shape[-2:]

    def cut(tensor: torch.Tensor) -> torch.Tensor:
        return (tensor[..., :height, :width] if tensor.dim() == 4 else tensor).cpu()

    model.set_input({source: pad_scene(batch)})
    visuals = model.get_current_visuals()
    return model.fake[target].map(cut), {name: cut(picture) for name, picture in visuals.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
