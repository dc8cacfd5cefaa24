"""What a saved run holds besides its model: random states, and what its numbers depend on."""

from collections.abc import Mapping

import torch

from training.distributed import rank, world_size
from util.stamp import device_name


def process_state(states: list[dict]) -> dict | None:
    """What this process had of its own; None, with a note, if there were more or fewer of them."""
    if len(states) == world_size():
        return states[rank()]
    print(
        f"note: the number of processes was {len(states)} and is {world_size()}: pools of past "
        "fakes, random states and the mean loss of the epoch start anew"
    )
    return None


def arithmetic(device: torch.device) -> dict[str, str | int]:
    """What the last bits of all numbers depend on."""
    return {
        "torch": str(torch.__version__),
        "device": device_name(device),
        "threads": torch.get_num_threads(),
    }


def difference(before: Mapping, now: Mapping) -> str:
    """In which of these two differ, in words, or ''."""
    return ", ".join(
        f"{name} was {before[name]} and is {value}"
        for name, value in now.items()
        if before.get(name, value) != value
    )


def random_states() -> dict:
    """The states of torch's global generators."""
    return {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}


def set_random_states(states: dict) -> None:
    torch.set_rng_state(states["cpu"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
