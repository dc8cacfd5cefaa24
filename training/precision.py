"""The precisions that networks run in."""

import torch

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
PRECISIONS = ("fp32", "tf32", *HALF)
