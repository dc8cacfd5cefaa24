"""A buffer of past fakes for the discriminator (Shrivastava et al. 2017, section 2.3)."""

import torch
from torch.utils._pytree import tree_map_only


class ImagePool:
    """Keeps `size` items of any kind and mixes them with new ones.

    Until it is full it stores and returns what comes. Then, with probability 1/2, it returns a
    stored item and keeps the new one in its place. A pool of size 0 passes everything through.
    """

    def __init__(self, size: int, seed: int):
        self.size = size
        self.items: list = []
        self.generator = torch.Generator().manual_seed(seed)

    def query(self, new_items: list) -> list:
        """One item for each of `new_items`: itself or an older one."""
        return [self._exchange(item) for item in new_items]

    def _exchange(self, item):
        if self.size == 0:
            return item
        if len(self.items) < self.size:
            self.items.append(item)
            return item
        if torch.rand((), generator=self.generator) < 0.5:
            place = int(torch.randint(self.size, (), generator=self.generator))
            item, self.items[place] = self.items[place], item
        return item

    def snapshot(self) -> tuple[list, torch.Tensor]:
        """The items and the random state, for `restore`; nothing is copied."""
        return list(self.items), self.generator.get_state()

    def restore(self, snapshot: tuple[list, torch.Tensor]) -> None:
        items, state = snapshot
        self.items = list(items)
        self.generator.set_state(state)

    def state_dict(self) -> dict:
        """The items' tensors on the CPU, and where the draws stand."""
        return {"items": moved(self.items, "cpu"), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict, device: torch.device | str = "cpu") -> None:
        """Take a state; its items go to the device."""
        self.items = moved(list(state["items"])[: self.size], device)
        self.generator.set_state(state["generator"])


def moved(items: list, device: torch.device | str) -> list:
    """The items with their tensors on the device."""
    return tree_map_only(torch.Tensor, lambda tensor: tensor.to(device), items)
