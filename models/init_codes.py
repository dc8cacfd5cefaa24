"""INIT's codes: contents and styles of whole pictures and of objects, and which go together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from data.direction import Direction
from data.scene import Scene
from models.boxes import object_boxes, objects_in, outside
from models.networks.insta_gan import instance_rows, spread

LEVELS = ("object", "background", "whole")  # from fine to coarse
# Extras of scenes in training, of B pictures and K objects of each:
NOISE = "noise"  # a random style of each picture, [B, S]
FRESH = "fresh"  # and of each object, [B, K, S]
COINS = "coins"  # in [0, 1), of each object, [B, K]
OBJECTS = "objects"  # [B, K, C, H, W]
FOUND = "found"  # which of them there are, bool [B, K]
OUTSIDE = "outside"  # 1 where no box is, [B, 1, H, W]


def allowed(content: str, style: str, granularity: str) -> bool:
    """Whether something may be painted in the style of something (INIT, Figure 3).

    Coarse styles go onto finer contents, and no other way: a car may look like the night around
    it, and a street not like a car. Of two sizes of one picture both may look like the other.
    """
    return granularity == "half_scale" or LEVELS.index(style) >= LEVELS.index(content)


Style = tuple[Tensor, str]  # of each row, [R, S], and which of LEVELS it is of


@dataclass(frozen=True)
class Part:
    """Whole pictures, or objects in them, and their codes: [R, C, H, W], [R, ...] and [R, S].

    level is one of LEVELS.
    """

    pictures: Tensor
    content: Tensor
    style: Tensor
    level: str


@dataclass(frozen=True)
class Objects:
    """The objects of a batch as rows, so that a network looks at those that there are.

    pictures [R, C, H, W]; rows [R], their places among the B K places; found bool [B, K]; of each
    row a random style of its picture and of its own, [R, S], and a number in [0, 1), [R].
    """

    pictures: Tensor
    rows: Tensor
    found: Tensor
    noise: Tensor
    fresh: Tensor
    coins: Tensor

    @staticmethod
    def of(scene: Scene) -> "Objects":
        extras = scene.extras
        rows = instance_rows(extras[FOUND])
        pictures, fresh, coins = (extras[x].flatten(0, 1)[rows] for x in (OBJECTS, FRESH, COINS))
        noise = extras[NOISE][rows // extras[FOUND].shape[1]]
        return Objects(pictures, rows, extras[FOUND], noise, fresh, coins)

    @property
    def picture(self) -> Tensor:
        """Whose objects the rows are, [R]."""
        return self.rows // self.found.shape[1]

    def per_picture(self, values: Tensor) -> Tensor:
        """Means of values [R] over each picture's objects, [B]; 0 where there is none."""
        there = self.found.to(values.dtype)
        total = (spread(values, self.rows, self.found) * there).sum(1)
        return total / there.sum(1).clamp(min=1)

    def first(self, values: Tensor) -> Tensor:
        """Values [R, ...] of each picture's first object, [B, ...]; 0 where there is none."""
        return spread(values, self.rows, self.found)[:, 0]

    def at_places_of(self, other: "Objects", values: Tensor) -> tuple[Tensor, Tensor]:
        """For each row of the other objects the value [S] of the object of these that has the same
        place in the batch; and whether there is one, bool [R, 1].
        """
        placed = spread(values, self.rows, self.found).flatten(0, 1)[other.rows]
        return placed, self.found.flatten()[other.rows, None]


@dataclass(frozen=True)
class Codes:
    """Pictures and their objects of both domains, with their codes; by domain."""

    wholes: Mapping[str, Part]
    parts: Mapping[str, Part]
    objects: Mapping[str, Objects]

    def foreign_styles(self, way: Direction) -> list[Style]:
        """For each object of the source domain two styles of the target domain.

        One of a whole picture, the other picture's or a random one. One of an object, if there is
        one in the other picture, and else a random one.
        """
        here, there = self.objects[way.source], self.objects[way.target]
        whole = self.wholes[way.target].style.detach()[here.picture]
        coarse = torch.where(here.coins[:, None] < 0.5, here.noise, whole)
        placed, found = there.at_places_of(here, self.parts[way.target].style.detach())
        return [(coarse, "whole"), (torch.where(found, placed, here.fresh), "object")]


def with_objects(scene: Scene, opt) -> Scene:
    """A scene with what a step looks at besides the picture, and with all that it draws.

    As extras they go where their picture goes: both updates see the same, also with --accumulate
    and when an update is made again.
    """
    bare = scene.slots(0, 0).normalized()  # masks are of no use to the networks
    batch, count = len(scene), opt.n_obj if opt.granularity == "objects" else 1
    extras = {
        NOISE: torch.randn(batch, opt.style_dim),
        FRESH: torch.randn(batch, count, opt.style_dim),
        COINS: torch.rand(batch, count),
    }
    if opt.granularity == "objects":
        draws, image = torch.rand(batch, count), bare.image
        boxes, there = object_boxes(scene, opt.min_box_area)
        extras[OBJECTS], extras[FOUND] = objects_in(image, boxes, there, draws, opt.obj_size)
        if opt.use_bg_style:
            extras[OUTSIDE] = outside(boxes, there, image.shape[-2:])
    elif opt.granularity == "half_scale":
        extras[OBJECTS] = interpolate(bare.image, scale_factor=0.5, mode="area")[:, None]
        extras[FOUND] = torch.ones(batch, 1, dtype=torch.bool)
    return replace(bare, extras={**bare.extras, **extras})
