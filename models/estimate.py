"""How much memory a run will need, found by walking through a step without computing it."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from data.scene import Scene
from models import create_model
from models.networks.precision import HALF
from util.memory import PeakBytes

WORKSPACE = 1.2  # what convolutions use for themselves, as measured: docs/performance.md
META = torch.device("meta")  # tensors with a shape and no content


def memory_line(opt, sample: Mapping[str, Scene]) -> str:
    """The estimate in words."""
    step, pools = (megabytes(value) for value in estimate(opt, sample))
    return f"memory: about {step} at the peak of a step, and {pools} when the image pools are full"


def estimate(opt, sample: Mapping[str, Scene]) -> tuple[float, float]:
    """Bytes that a step takes on each device, all that it trains included, and full image pools.

    sample has pictures of the run's size; every picture is taken to have `--ins_per` instances.
    """
    size = -(-opt.batch_size // (opt.accumulate * max(1, len(opt.gpu_ids))))
    alone = {"gpu_ids": [], "compile": False, "pool_size": 0, "precision": "fp32", "accumulate": 1}
    twin = argparse.Namespace(**vars(opt) | alone)
    slots = twin.ins_max = getattr(opt, "ins_per", 1)
    half = HALF.get(opt.precision)
    with torch.random.fork_rng([]), default_dtype(half or torch.float32), PeakBytes() as made:
        model = create_model(twin, META)
        model.minimize = Walk()
        model.set_input({domain: full(scene, slots, size) for domain, scene in sample.items()})
        model.optimize_parameters()
    weights = sum(w.numel() for net in model.networks.values() for w in net.parameters())
    # Weights are counted once, in their precision. Gradients and Adam's two moments are missing,
    # and full-precision weights where the counted ones are the half copies of autocast.
    step = made.peak + 4 * weights * (4 if half else 3)
    masks = getattr(opt, "ins_max", 0)
    pools = [s.image[0].numel() + masks * s.image[0, 0].numel() for s in sample.values()]
    return step * WORKSPACE, 4.0 * opt.pool_size * sum(pools)


def megabytes(count: float) -> str:
    """`250 MB`, `7.9 GB`."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


class Walk:
    """`minimize` without what follows the losses, when all activations are there.

    Only the first update is walked through: the generators', which holds the most.
    """

    def __init__(self):
        self.done = False

    def __call__(self, _kind: str, parts: Iterable[Mapping[str, Tensor]], _moment) -> dict:
        losses = {} if self.done else next(iter(parts))
        self.done = True
        return losses


def full(scene: Scene, slots: int, size: int) -> Scene:
    """`size` times the first sample of a scene, with `slots` instances."""
    one = scene.select([0]).normalized().padded(slots).slots(0, slots)
    image, masks = (tensor.to(torch.get_default_dtype()) for tensor in (one.image, one.masks))
    return Scene.cat([Scene(image, masks, torch.ones_like(one.present), one.names)] * size)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make new tensors of this type inside the block."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
