"""The batch type of this project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils._pytree import register_pytree_node


@dataclass(frozen=True)
class Scene:
    """Images with the sets of their instance masks: the paper's (x, a), batched.

    image   [B, C, H, W] in [-1, 1]
    masks   [B, N, H, W] in [-1, 1], one per instance; an absent one is -1 everywhere
    present [B, N]       bool, which of the N masks are instances
    names   B file names without suffix
    numbers B tuples, the number of each instance in its mask's file name
    extras  further tensors by name, [B, ...], such as a second picture, a mask or a label

    As read from files, pictures are uint8 in 0 ... 255 and masks are bool, an eighth of the bytes
    to move; `normalized` makes the above of it, on the device, and leaves other extras as they are.
    """

    image: Tensor
    masks: Tensor
    present: Tensor
    names: list[str] = field(default_factory=list)
    numbers: list[tuple[int, ...]] = field(default_factory=list)
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.image.shape[0]

    def to(self, device: torch.device | str) -> "Scene":
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def detach(self) -> "Scene":
        return self.map(Tensor.detach)

    def pin_memory(self) -> "Scene":
        return self.map(Tensor.pin_memory)

    def map(self, function) -> "Scene":
        """`function` applied to each of the tensors."""
        return replace(
            self,
            image=function(self.image),
            masks=function(self.masks),
            present=function(self.present),
            extras={name: function(tensor) for name, tensor in self.extras.items()},
        )

    def normalized(self) -> "Scene":
        """The scene as networks take it, from one as it was read; another is returned as it is."""
        if self.image.dtype != torch.uint8:
            return self
        extras = {name: normalized(tensor) for name, tensor in self.extras.items()}
        image, masks = normalized(self.image), normalized(self.masks)
        return replace(self, image=image, masks=masks, extras=extras)

    def select(self, samples: Sequence[int]) -> "Scene":
        """The samples of the batch with these indices, in this order."""
        if list(samples) == list(range(len(self))):
            return self
        if isinstance(samples, range):  # a part of the batch, of which no copy is made
            chosen = self.map(lambda tensor: tensor[samples.start : samples.stop])
        else:
            index = index_on(self.image.device, tuple(samples))
            chosen = self.map(lambda tensor: tensor.index_select(0, index))
        return replace(
            chosen,
            names=[self.names[i] for i in samples] if self.names else [],
            numbers=[self.numbers[i] for i in samples] if self.numbers else [],
        )

    def slots(self, start: int, stop: int | None) -> "Scene":
        """The same images with the masks start ... stop - 1 alone, or all from start on."""
        return replace(
            self,
            masks=self.masks[:, start:stop],
            present=self.present[:, start:stop],
            numbers=[numbers[start:stop] for numbers in self.numbers],
        )

    @property
    def absent(self) -> float:
        """What an absent mask is filled with."""
        return 0.0 if self.masks.dtype == torch.bool else -1.0

    def padded(self, slots: int) -> "Scene":
        """The same scene with absent masks appended up to `slots` of them."""
        missing = slots - self.masks.shape[1]
        if missing <= 0:
            return self
        return replace(
            self,
            masks=pad(self.masks, (0, 0, 0, 0, 0, missing), value=self.absent),
            present=pad(self.present, (0, missing), value=False),
        )

    def union(self) -> Tensor:
        """Foreground of all instances, [B, 1, H, W] in [0, 1]."""
        return ((self.masks + 1) / 2).sum(1, keepdim=True).clamp(max=1)

    def merged(self) -> "Scene":
        """The same images with all masks in one, which is no instance's in particular."""
        return replace(
            self,
            masks=self.masks.amax(1, keepdim=True),
            present=self.present.any(1, keepdim=True),
            numbers=[() for _ in self.numbers],
        )

    def split(self) -> list["Scene"]:
        """Its samples as scenes of one."""
        return [self.select([i]) for i in range(len(self))]

    @staticmethod
    def cat(scenes: Sequence["Scene"]) -> "Scene":
        """One batch of all samples of `scenes`, the sets padded to the largest."""
        if len(scenes) == 1:
            return scenes[0]
        slots = max(scene.masks.shape[1] for scene in scenes)
        scenes = [scene.padded(slots) for scene in scenes]
        named = [name for name in scenes[0].extras if all(name in x.extras for x in scenes)]
        return Scene(
            torch.cat([scene.image for scene in scenes]),
            torch.cat([scene.masks for scene in scenes]),
            torch.cat([scene.present for scene in scenes]),
            [name for scene in scenes for name in scene.names],
            [numbers for scene in scenes for numbers in scene.numbers],
            {name: torch.cat([scene.extras[name] for scene in scenes]) for name in named},
        )


@lru_cache(maxsize=1024)
def index_on(device: torch.device, places: tuple[int, ...]) -> Tensor:
    """Places as a tensor [K] there, copied once."""
    return torch.tensor(places, dtype=torch.long).to(device, non_blocking=True)


def normalized(tensor: Tensor) -> Tensor:
    """A picture or mask as it was read, [B, C, H, W], in [-1, 1]; anything else as it is."""
    dtype = torch.get_default_dtype()
    if tensor.dim() == 4 and tensor.dtype == torch.uint8:
        return tensor.to(dtype) / 127.5 - 1
    if tensor.dim() == 4 and tensor.dtype == torch.bool:
        return tensor.to(dtype) * 2 - 1
    return tensor


# So that nested inputs with scenes in them can be walked through, moved and written down.
register_pytree_node(
    Scene,
    lambda x: ([x.image, x.masks, x.present, dict(x.extras)], (x.names, x.numbers)),
    lambda tensors, plain: Scene(*tensors[:3], *map(list, plain), tensors[3]),
    serialized_type_name="data.scene.Scene",
    to_dumpable_context=list,
    from_dumpable_context=lambda plain: (plain[0], [tuple(numbers) for numbers in plain[1]]),
)
