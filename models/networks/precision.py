"""The precisions that networks run in."""

from contextlib import AbstractContextManager, nullcontext

import torch

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("fp32", "tf32", *HALF)


def without_autocast(device: torch.device) -> AbstractContextManager:
    """A block that computes in the precision of its tensors, whatever surrounds it."""
    if device.type == "meta":  # which knows no autocast
        return nullcontext()
    return torch.autocast(device.type, enabled=False)
