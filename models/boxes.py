"""Boxes of instances, and what is in them: objects for networks that look at them one by one.

A box is (left, top, right, bottom) in pixels; right and bottom are outside. It comes from a mask
after all geometry, so picture, mask and box agree to the pixel.
"""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from data.scene import Scene

ENLARGED = 0.1  # of its width and height, to each side: a box of a mask is tight
NARROW = 4  # pixels; narrower boxes are no objects


def boxes_of(masks: Tensor) -> Tensor:
    """The tight box of each mask, [..., H, W] bool -> [..., 4] int64; of an empty one all 0."""
    found = []
    for dim in (-1, -2):  # columns, then rows
        covered = masks.any(-3 - dim)  # [..., W] or [..., H]
        there = covered.int()
        first = there.argmax(-1)
        last = covered.shape[-1] - there.flip(-1).argmax(-1)
        found.append((first, torch.where(covered.any(-1), last, 0)))
    (left, right), (top, bottom) = found
    return torch.stack([left, top, right, bottom], -1)


def large_enough(boxes: Tensor, least_area: int) -> Tensor:
    """Which boxes [..., 4] show enough to learn from, bool [...]."""
    width, height = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    narrow = torch.minimum(width, height)
    return (width * height >= least_area) & (narrow >= NARROW)


def enlarged(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes with some of what is around, within a picture of (height, width)."""
    height, width = size
    sides = torch.stack([boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]], -1)
    more = (ENLARGED * sides).round().long()
    most = torch.tensor([width, height], device=boxes.device)
    start = (boxes[..., :2] - more).clamp(min=0)
    return torch.cat([start, torch.minimum(boxes[..., 2:] + more, most)], -1)


def outside(boxes: Tensor, there: Tensor, size: tuple[int, int]) -> Tensor:
    """1 where no box is, [B, 1, H, W], of boxes [B, N, 4] of which [B, N] are there."""
    covered = inside(boxes, size) & there[..., None, None]
    return 1 - covered.any(1, keepdim=True).float()


def inside(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Which pixels have their middle in each box, [B, N, H, W], of edges [B, N, 4] in pixels."""
    y, x = (torch.arange(side, device=boxes.device) + 0.5 for side in size)
    left, top, right, bottom = boxes[..., None].unbind(2)  # [B, N, 1]
    columns = (x >= left) & (x < right)
    rows = (y >= top) & (y < bottom)
    return rows[..., None] & columns[..., None, :]


def picked(there: Tensor, draws: Tensor) -> Tensor:
    """Places of present instances, drawn evenly: there [B, N], draws [B, K] in [0, 1) -> [B, K].

    None is drawn twice before all were drawn once. Of a picture without any all are 0.
    """
    if not there.shape[1]:
        return draws.long()
    chosen, left = [], there
    for draw in draws.split(1, dim=1):  # [B, 1]
        left = torch.where(left.any(1, keepdim=True), left, there)
        number = (draw * left.sum(1, keepdim=True)).long()  # 0 is the first one that is left
        order = left.int().argsort(dim=1, descending=True, stable=True)
        chosen.append(order.gather(1, number.clamp(max=there.shape[1] - 1)))
        left = left.scatter(1, chosen[-1], False)
    return torch.cat(chosen, 1)


def cut_out(image: Tensor, box: Tensor, side: int) -> Tensor:
    """What is in a box of a picture [C, H, W], as a square [C, side, side], stretched."""
    left, top, right, bottom = box.tolist()
    part = image[None, :, top:bottom, left:right]
    if image.element_size() == 2:  # half precision is not resized on a CPU
        part = part.float()
    whole = interpolate(part, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return whole[0].to(image.dtype)


def object_boxes(scene: Scene, least_area: int) -> tuple[Tensor, Tensor]:
    """Boxes of a scene's instances, [B, N, 4], a little enlarged, and which are objects, [B, N].

    Those that are absent or too small are none.
    """
    boxes = boxes_of(scene.masks > 0)
    there = scene.present & large_enough(boxes, least_area)
    return enlarged(boxes, scene.image.shape[-2:]), there


def objects_in(
    image: Tensor, boxes: Tensor, there: Tensor, draws: Tensor, side: int
) -> tuple[Tensor, Tensor]:
    """Objects drawn from every picture, [B, K, C, side, side], and which are there, bool [B, K].

    image [B, C, H, W], boxes [B, N, 4] of which `there` [B, N] are objects; draws [B, K] in [0, 1)
    say which are taken. Of a picture without an object they are 0 and absent.
    """
    objects = image.new_zeros(*draws.shape, image.shape[1], side, side)
    found = there.any(1, keepdim=True).expand(draws.shape)
    if there.shape[1]:
        own = boxes.gather(1, picked(there, draws)[..., None].expand(-1, -1, 4))
        for b, k in found.nonzero().tolist():
            objects[b, k] = cut_out(image[b], own[b, k], side)
    return objects, found
