"""Learning-rate schedules of the CycleGAN family: a factor per epoch, counted from 1."""

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

POLICIES = ("lambda", "linear", "step", "plateau", "cosine")


def build_schedule(optimizer: Optimizer, opt):
    """The schedule `--lr_policy` of an optimiser, advanced once per epoch.

    * lambda, today called linear: constant for `niter` epochs, then to 0 over `niter_decay`
    * step: times 0.1 every `lr_decay_iters` epochs
    * plateau: times 0.2 after 5 epochs without a fall of the generators' mean loss by 1 per cent
    * cosine: from the full rate to 0 over `niter` epochs, and up again after them
    """
    if opt.lr_policy == "plateau":
        return ReduceLROnPlateau(optimizer, mode="min", factor=0.2, threshold=0.01, patience=5)
    factor = epoch_factor(opt)
    schedule = LambdaLR(optimizer, lambda done: factor(done + 1))
    schedule.last_epoch = opt.epoch_count - 1
    follow_options(schedule, optimizer.param_groups[0]["initial_lr"])
    return schedule


def epoch_factor(opt) -> Callable[[int], float]:
    """The factor on the learning rate in an epoch, by the options' policy."""
    if opt.lr_policy == "step":
        return lambda epoch: 0.1 ** ((epoch - 1) // opt.lr_decay_iters)
    if opt.lr_policy == "cosine":
        return lambda epoch: (1 + math.cos(math.pi * (epoch - 1) / opt.niter)) / 2
    return lambda epoch: linear_decay(epoch, opt.niter, opt.niter_decay)


def follow_options(schedule, rate: float) -> None:
    """Take the rate that the options of today ask for, after the state of another day was loaded.

    A run of 100 epochs ends at rate 0; continued with a larger `--niter` it must not stay there.
    What a plateau has learnt of the past stays.
    """
    if isinstance(schedule, LambdaLR):
        schedule.base_lrs = [rate]
        (group,) = schedule.optimizer.param_groups
        group["initial_lr"] = rate
        group["lr"] = rate * schedule.lr_lambdas[0](schedule.last_epoch)


def linear_decay(epoch: int, niter: int, niter_decay: int) -> float:
    """Factor on the learning rate in an epoch, counted from 1 (paper, App. B)."""
    return max(0.0, 1.0 - max(0, epoch - niter) / (niter_decay + 1))


class PerUpdate(LambdaLR):
    """A factor on the learning rate by the number of updates made, for schedules of a model."""
