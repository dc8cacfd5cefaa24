"""Options that say where and how networks run."""

import argparse
from collections.abc import Iterator

from training.precision import PRECISIONS


def add_device_arguments(group) -> None:
    group.add_argument(
        "--gpu_ids",
        default="auto",
        help="0 or 0,1,2, the batch split over them; -1: CPU; auto: GPU 0 if there, under "
        "torchrun a GPU for each process",
    )
    group.add_argument(
        "--precision",
        choices=(*PRECISIONS, "auto"),
        default="fp32",
        help="of the networks; losses, spectral norm and optimisers stay in fp32; auto: fp32 or "
        "bf16, whichever a short probe finds faster",
    )
    group.add_argument(
        "--compile",
        action="store_true",
        help="compile the generators, once for each shape of a batch: minutes at the start",
    )
    group.add_argument(
        "--deterministic",
        action="store_true",
        help="the same numbers every time on a GPU too, where that costs speed; a CPU gives them "
        "anyway",
    )
    group.add_argument(
        "--channels_last",
        action="store_true",
        help="channels innermost in memory, as they are anyway where layers are fused in half "
        "precision; benchmarks/train_step.py says whether it is faster",
    )
    group.add_argument(
        "--no_fused",
        action="store_true",
        help="GPUs: norm, activation, sum and padding one by one, not in Triton's kernels",
    )


def device_problems(opt: argparse.Namespace) -> Iterator[str]:
    """One line for each value that cannot work."""
    if opt.precision == "tf32" and not opt.gpu_ids:
        yield "--precision tf32 is a format of GPUs: on a CPU fp32 or bf16"
    if opt.compile and len(opt.gpu_ids) > 1:
        yield (
            f"--compile works with one GPU per process, --gpu_ids {opt.gpu_ids} are several: "
            "start as many processes with torchrun"
        )
    if getattr(opt, "cuda_graphs", False):
        yield from graph_problems(opt)


def graph_problems(opt: argparse.Namespace) -> Iterator[str]:
    """What stands against --cuda_graphs."""
    if not opt.gpu_ids:
        yield "--cuda_graphs is for GPUs: leave it out on a CPU"
    if len(opt.gpu_ids) > 1:
        yield (
            f"--cuda_graphs works with one GPU per process, --gpu_ids {opt.gpu_ids} are several: "
            "start as many processes with torchrun"
        )
    for flag in ("compile", "checkpoint_activations", "diffaug"):
        if getattr(opt, flag, None):
            yield f"--cuda_graphs and --{flag} exclude each other: leave one of them out"
