"""Learning-rate schedules of the CycleGAN family."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, ReduceLROnPlateau, StepLR

POLICIES = ("lambda", "linear", "step", "plateau", "cosine")


def build_schedule(optimizer: Optimizer, opt):
    """The schedule `--lr_policy` of an optimiser, advanced once per epoch.

    lambda (linear is its name today): constant for `niter` epochs, then down to 0 over
    `niter_decay` step:    times 0.1 every `lr_decay_iters` epochs
    plateau: times 0.2 after 5 epochs in which the generators' mean loss did not fall by 1 per cent
    cosine:  from the full rate to 0 over `niter` epochs
    """
    if opt.lr_policy == "step":
        return StepLR(optimizer, step_size=opt.lr_decay_iters, gamma=0.1)
    if opt.lr_policy == "plateau":
        return ReduceLROnPlateau(optimizer, mode="min", factor=0.2, threshold=0.01, patience=5)
    if opt.lr_policy == "cosine":
        return CosineAnnealingLR(optimizer, T_max=opt.niter, eta_min=0)
    return LambdaLR(
        optimizer, lambda done: linear_decay(done + opt.epoch_count, opt.niter, opt.niter_decay)
    )


def follow_options(schedule) -> None:
    """Set the rate that the options of today ask for, after the state of another day was loaded.

    A run of 100 epochs ends at rate 0; continued with a larger `--niter` it must not stay there.
    """
    if isinstance(schedule, LambdaLR):
        factors = [factor(schedule.last_epoch) for factor in schedule.lr_lambdas]
        for group, rate, factor in zip(
            schedule.optimizer.param_groups, schedule.base_lrs, factors, strict=True
        ):
            group["lr"] = rate * factor


def linear_decay(epoch: int, niter: int, niter_decay: int) -> float:
    """Factor on the learning rate in an epoch, counted from 1 (paper, App. B)."""
    return max(0.0, 1.0 - max(0, epoch - niter) / (niter_decay + 1))
