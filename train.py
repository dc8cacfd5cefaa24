#!/usr/bin/env python3
"""Train a model: `python train.py --dataroot datasets/shapes --name shapes`. See `--help`."""

import sys

import torch

from data import create_dataset
from data.loader import SceneLoader
from models import create_model
from options.base_options import run_folder
from options.train_options import TrainOptions
from util.checkpoint import Checkpoints
from util.device import prepare_device
from util.errors import command
from util.loggers import create_loggers
from util.progress import Progress, StepTimer


@command
def main(argv: list[str] | None = None) -> None:
    opt = (options := TrainOptions()).parse(argv)
    device = prepare_device(opt)
    torch.manual_seed(opt.seed)

    dataset = create_dataset(opt)
    loader = SceneLoader(dataset, opt)
    model = create_model(opt, device)
    checkpoints = Checkpoints(run_folder(opt))
    progress = Progress(epoch=opt.epoch_count)
    print(model.setup(checkpoints, progress))
    epochs = opt.niter + opt.niter_decay
    print(plan(opt, model, len(loader), epochs))
    if opt.dry_run:
        print(f"read all files: {dataset.check()}\ndry run: no step taken, nothing written")
        return
    if opt.continue_train:
        checkpoints.save(
            model, progress, "latest"
        )  # whole again, should a save have been cut short
    elif earlier := checkpoints.set_aside():
        print(earlier)
    if progress.epoch > epochs:
        print(f"nothing left to do: the run has had its {epochs} epochs, raise --niter to go on")
        return

    options.save(opt)
    timer = StepTimer()
    with create_loggers(opt, run_folder(opt), progress, len(loader), epochs) as loggers:
        while progress.epoch <= epochs:
            for batch in loader.epoch(progress.epoch, skip=progress.images):
                timer.data_ready()
                model.set_input(batch)
                model.optimize_parameters()
                progress.advance(len(next(iter(batch.values()))))
                timer.step_done(progress.step)

                loggers.step(progress)
                if progress.due(opt.print_freq):
                    report(loggers, progress, model, timer)
                loggers.pictures(progress, model.get_current_visuals)
                if progress.due(opt.save_latest_freq):
                    label = f"iter_{progress.total}" if opt.save_by_iter else "latest"
                    checkpoints.save(model, progress, label)
                timer.forget()

            finished, last = progress.epoch, progress.epoch == epochs
            if last:
                if model.losses and not progress.due(opt.print_freq):
                    report(loggers, progress, model, timer)
                loggers.pictures(progress, model.get_current_visuals, last=True)
            progress.end_epoch()
            model.update_learning_rate()
            if last or finished % opt.save_epoch_freq == 0:
                checkpoints.save(model, progress, "latest", str(finished))
    print(f"done: {epochs} epochs, saved in {run_folder(opt)}")


def report(loggers, progress: Progress, model, timer: StepTimer) -> None:
    """Hand the losses, the speed and the learning rates to the loggers."""
    facts = timer.read() | {"lr": model.learning_rates()}
    loggers.losses(progress, model.get_current_losses(), facts)


def plan(opt, model, epoch_images: int, epochs: int) -> str:
    """What is about to happen, in a few lines."""
    counts = {name: sum(map(torch.numel, x.parameters())) for name, x in model.networks.items()}
    sizes = ", ".join(f"{name} {count / 1e6:.2f} M" for name, count in counts.items())
    lines = [
        f"run: {opt.name} in {run_folder(opt)}",
        f"model: {opt.model}; weights: {sizes}",
        f"data: {opt.dataroot}, {epoch_images} pictures an epoch, "
        f"{opt.fineSizeH}x{opt.fineSizeW} (HxW), batch {opt.batch_size}, {epochs} epochs",
    ]
    return "\n".join(lines + [str(net) for net in model.networks.values() if opt.verbose])


if __name__ == "__main__":
    main(sys.argv[1:])
