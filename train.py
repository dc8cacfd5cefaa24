#!/usr/bin/env python3
"""Train a model: `python train.py --dataroot datasets/shapes --name shapes`. See `--help`."""

import sys

import torch

from data import create_dataset
from data.loader import SceneLoader
from loggers import RunCard, create_loggers
from loggers.records import Curves
from metrics.validation import Validation
from models import create_model, find_model
from models.estimate import memory_line
from models.showcase import Showcase
from options.base_options import run_folder
from options.train_options import TrainOptions
from training.checkpoint import Checkpoints
from training.device import prepare_device
from training.distributed import (
    connected,
    is_main,
    quiet_unless_main,
    rank,
    share,
    world_size,
)
from training.interruption import Interruption
from training.progress import Progress
from training.trainer import Trainer
from util.errors import UserError, command
from util.memory import enough_memory
from util.stamp import note_start


@command
def main(argv: list[str] | None = None) -> None:
    quiet_unless_main()
    opt = (options := TrainOptions()).parse(argv)
    dataset = create_dataset(opt)
    loader = SceneLoader(dataset, opt)
    remedy = (
        f"{find_model(opt.model).less_memory}; --continue_train goes on from the last checkpoint"
    )
    with connected(opt.dist_timeout), enough_memory(remedy):
        if len(set(share(opt.continue_train))) > 1:
            raise UserError(
                f"--resume auto: some processes find a state in {run_folder(opt)}, others do not: "
                "let all machines share --checkpoints_dir"
            )
        device = prepare_device(opt)
        torch.manual_seed(opt.seed)
        model = create_model(opt, device)
        torch.manual_seed(opt.seed + rank())  # the same weights in every process, other dropout
        interruption = Interruption(loader.reading.stop_waiting)
        checkpoints = Checkpoints(run_folder(opt), opt.keep_last, interruption.came)
        progress = Progress(epoch=opt.epoch_count)
        print(model.setup(checkpoints, progress))
        epochs = opt.niter + opt.niter_decay
        print(plan(opt, model, len(loader), epochs))
        print(memory_line(opt, loader.first()))
        if opt.dry_run:
            check_data(dataset)
            return
        checkpoints.begin(model, progress)
        if progress.epoch > epochs > 0:
            with checkpoints:
                print(f"nothing left to do: the run has had its {epochs} epochs, raise --niter")
            return

        if is_main():
            options.save(opt)
            note_start(run_folder(opt), device, progress.total)
        told = {"changed": options.changed(opt), "curves": Curves.of(model)}
        card = RunCard(opt.name, run_folder(opt), len(loader), epochs, **told)
        run(opt, loader, model, checkpoints, progress, interruption, card)
    print(f"done: {epochs} epochs, saved in {run_folder(opt)}")


def run(opt, loader, model, checkpoints, progress, interruption, card: RunCard) -> None:
    """Train to the end, or to a signal."""
    showcase = Showcase(opt, loader.dataset, model)
    with (
        interruption,
        create_loggers(opt, card, progress, showcase.look) as loggers,
        checkpoints,
    ):
        validation = Validation(opt, run_folder(opt), progress, interruption.came)
        parts = (model, checkpoints, progress, loggers, interruption, validation)
        Trainer(opt, loader, *parts).train()


def check_data(dataset) -> None:
    """Read all files, for --dry_run; raises SystemExit(1) if they cannot be trained on."""
    found, faults = dataset.check()
    print(f"read all files: {found}\ndry run: no step taken, nothing written")
    if faults:
        print(*(f"error: {fault}" for fault in faults), sep="\n", file=sys.stderr)
        raise SystemExit(1)


def plan(opt, model, epoch_images: int, epochs: int) -> str:
    """What is about to happen, in a few lines."""
    counts = {name: sum(map(torch.numel, x.parameters())) for name, x in model.networks.items()}
    sizes = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in counts.items())
    processes = f" in each of {world_size()} processes" if world_size() > 1 else ""
    lines = [
        f"run: {opt.name} in {run_folder(opt)}",
        f"model: {opt.model}; weights: {sizes}",
        f"data: {opt.dataroot}, {epoch_images} pictures an epoch, {opt.fineSizeH}x{opt.fineSizeW} "
        f"(HxW), batch {opt.batch_size}{processes}, {epochs} epochs",
    ]
    return "\n".join(lines + [str(net) for net in model.networks.values() if opt.verbose])


if __name__ == "__main__":
    main(sys.argv[1:])
