"""How much memory a run will need, found by walking through a step without computing it."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from data.scene import Scene
from models import find_model
from models.base_model import BaseModel
from training.precision import HALF
from util.memory import PeakBytes

WORKSPACE = 1.2  # what convolutions use for themselves, as measured: docs/performance.md
META = torch.device("meta")  # tensors with a shape and no content


def memory_line(opt, sample: Mapping[str, Scene]) -> str:
    """The estimate in words."""
    step, pools = (megabytes(value) for value in estimate(opt, sample))
    return f"memory: about {step} at the peak of a step, and {pools} when the image pools are full"


def estimate(opt, sample: Mapping[str, Scene]) -> tuple[float, float]:
    """Bytes that a step takes on each device, all that it trains included, and full image pools.

    sample has pictures of the run's size.
    """
    size = -(-opt.batch_size // (opt.accumulate * max(1, len(opt.gpu_ids))))
    alone = {"gpu_ids": [], "compile": False, "precision": "fp32", "accumulate": 1}
    alone["cuda_graphs"] = False
    kind = find_model(opt.model)
    twin = argparse.Namespace(**vars(opt) | alone | kind.options_of_a_short_step(opt))
    slots = getattr(twin, "ins_max", 1)
    half = HALF.get(opt.precision)
    with torch.random.fork_rng([]), default_dtype(half or torch.float32), PeakBytes() as made:
        model = kind(twin, META)
        model.update = partial(walk, model)
        scenes = {domain: full(scene, slots, size) for domain, scene in sample.items()}
        model.begin_batch(scenes, size)
        model.train_step(scenes)
    weights = sum(w.numel() for net in model.networks.values() for w in net.parameters())
    # Weights are counted once, in their precision. Gradients and Adam's two moments are missing,
    # and full-precision weights where the counted ones are the half copies of autocast.
    step = made.peak + 4 * weights * (4 if half else 3)
    return step * WORKSPACE, kind.bytes_of_pools(opt, sample)


def walk(model: BaseModel, kind: str, losses_of: Callable, *inputs) -> Any:
    """`BaseModel.update` up to the losses, when all activations are there."""
    with model.others_frozen(kind):
        _, result = losses_of(*inputs)
    return tree_map_only(Tensor, Tensor.detach, result)


def megabytes(count: float) -> str:
    """`250 MB`, `7.9 GB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def full(scene: Scene, slots: int, size: int) -> Scene:
    """`size` times the first sample of a scene, with `slots` instances."""
    one = scene.select([0]).normalized().padded(slots).slots(0, slots)
    dtype = torch.get_default_dtype()
    one = one.map(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)
    return Scene.cat([replace(one, present=torch.ones_like(one.present))] * size)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make new tensors of this type inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
