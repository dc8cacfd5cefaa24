"""Instances as a network sees them: for every pixel whether it is of an object, and where that
object has its centre.

Pixels vote for the centres of their objects (as in Neven et al., CVPR 2019, and Panoptic-DeepLab,
Cheng et al., CVPR 2020), so that objects that touch, and objects in several parts, are told apart.
They also say how large their object is: that scales how near votes have to be, and how many.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

CHANNELS = 4  # of a network's output, see `Seen.of`
UNIT = 8.0  # pixels; networks give distances in it
NEAR = 0.2  # of an object's size: how far from its centre pixels may vote for it
NEAREST = 2.0  # pixels: and never less, for no network knows centres better
SHIFTS = 2  # to the mean of the votes near a centre
ENOUGH = 0.25  # of an object's area has to vote for it, or there is none
LEAST = 5e-4  # of the picture: what is smaller is no object


class Seen(NamedTuple):
    """What a network says of each pixel.

    object   [B, H, W] logit: is it of an object?
    to       [B, 2, H, W] the way to the centre of its own object, (down, right) in pixels
    size     [B, H, W] square root of that object's area, in pixels
    """

    object: Tensor
    to: Tensor
    size: Tensor

    @staticmethod
    def of(output: Tensor) -> "Seen":
        """From a network's output, [B, CHANNELS, H, W]."""
        output = output.float() if output.element_size() == 2 else output
        is_object, down, right, size = output.unbind(1)
        return Seen(is_object, UNIT * torch.stack([down, right], 1), UNIT * size)


class Wanted(NamedTuple):
    """What it should say: `object` is 0 or 1, the others count where it is 1."""

    object: Tensor
    to: Tensor
    size: Tensor


def wanted(masks: Tensor) -> Wanted:
    """Of a batch's instances, bool [B, N, H, W]; N may be 0, and masks may be empty.

    A pixel of several masks belongs to the smallest one, which would else be lost.
    """
    count = masks.shape[1]
    if not count:
        masks = masks.new_zeros(len(masks), 1, *masks.shape[2:])
    share = masks.to(torch.get_default_dtype())
    areas = share.sum((2, 3))  # [B, N]
    places = grid(masks)  # [2, H, W]
    centres = torch.einsum("bnhw,chw->bnc", share, places) / areas.clamp(min=1)[..., None]
    owner = torch.where(masks, areas[..., None, None], torch.inf).argmin(1)  # [B, H, W]
    sizes = areas.sqrt()
    way = chosen(centres, owner) - places
    there = masks.any(1).to(share.dtype)
    return Wanted(there, way, chosen(sizes[..., None], owner)[:, 0])


def chosen(values: Tensor, owner: Tensor) -> Tensor:
    """Values [B, N, C] of each pixel's object [B, H, W]: [B, C, H, W]."""
    batch = torch.arange(len(values), device=values.device)[:, None, None]
    return values[batch, owner].movedim(-1, 1)


def grid(like: Tensor) -> Tensor:
    """Row and column of each pixel of [..., H, W]: [2, H, W]."""
    kind = {"device": like.device, "dtype": torch.get_default_dtype()}
    rows, columns = (torch.arange(side, **kind) for side in like.shape[-2:])
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))


# ---- losses, one value per picture [B]


def object_loss(seen: Seen, goal: Wanted) -> Tensor:
    """Cross-entropy of object against background."""
    return binary_cross_entropy_with_logits(seen.object, goal.object, reduction="none").mean((1, 2))


def dice_loss(seen: Seen, goal: Wanted) -> Tensor:
    """1 - 2 |P and G| / (|P| + |G|): small objects count as much as large ones.

    Milletari et al., 3DV 2016 ("V-Net"), with 1 added above and below for pictures without any.
    """
    share = seen.object.sigmoid()
    both = (share * goal.object).sum((1, 2))
    return 1 - (2 * both + 1) / (share.sum((1, 2)) + goal.object.sum((1, 2)) + 1)


def place_loss(seen: Seen, goal: Wanted) -> Tensor:
    """L1 of the ways to the centres, and of the sizes, over the pixels of objects, in UNITs."""
    way = l1_loss(seen.to, goal.to, reduction="none").sum(1)
    size = l1_loss(seen.size, goal.size, reduction="none")
    inside = goal.object
    return ((way + size) * inside).sum((1, 2)) / (UNIT * inside.sum((1, 2)).clamp(min=1))


# ---- from what is seen to masks


class Found(NamedTuple):
    """Instances, the surest first.

    masks   [B, K, H, W] bool, of which no two share a pixel
    scores  [B, K] how sure, in [0, 1]; 0: there is no such instance, and its mask is empty
    """

    masks: Tensor
    scores: Tensor


def found(seen: Seen, most: int) -> Found:
    """Up to `most` instances of each picture. Plain tensor operations, which can be exported."""
    places, share = grid(seen.object), seen.object.sigmoid()
    inside = share > 0.5
    centres, sure = centres_of(seen, places, most)
    votes = places + seen.to  # [B, 2, H, W]
    distance = torch.stack(
        [(votes - centre[..., None, None]).square().sum(1) for centre in centres.unbind(1)], 1
    )
    distance = torch.where(sure[..., None, None] > 0, distance, torch.inf)
    nearest = distance.argmin(1, keepdim=True)  # [B, 1, H, W]
    slots = torch.arange(most, device=share.device)[:, None, None]
    masks = (nearest == slots) & inside[:, None] & (sure[..., None, None] > 0)
    pixels = masks.to(share.dtype)
    areas = pixels.sum((2, 3))
    least = LEAST * share.shape[-2] * share.shape[-1]
    scores = sure * (pixels * share[:, None]).sum((2, 3)) / areas.clamp(min=1)
    scores = torch.where(areas >= max(least, 1), scores, 0)
    scores, order = scores.sort(dim=1, descending=True)
    shape = (-1, -1, *masks.shape[2:])
    masks = masks.gather(1, order[..., None, None].expand(shape))
    return Found(masks & (scores > 0)[..., None, None], scores)


def centres_of(seen: Seen, places: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Centres [B, most, 2] and how sure they are, [B, most]; 0 where there is none.

    The pixel that is surest to be in the middle of its object says where that one's centre is, and
    the votes near there say it better (mean shift). The pixels that gave them are done with, and
    make it the surer the more of its area they are.
    """
    share, sizes = seen.object.sigmoid().flatten(1), seen.size.flatten(1).clamp(min=1)  # [B, H W]
    votes = (places + seen.to).flatten(2)  # [B, 2, H W]
    middle = share * torch.exp(-seen.to.flatten(2).square().sum(1).sqrt() / sizes)
    left = share > 0.5
    centres, sure = [], []
    for _ in range(most):
        value, index = torch.where(left, middle, 0).max(1, keepdim=True)  # [B, 1]
        centre = votes.gather(2, index[:, None].expand(-1, 2, -1))  # [B, 2, 1]
        size = sizes.gather(1, index)
        reach = (NEAR * size).clamp(min=NEAREST)
        for _ in range(SHIFTS):
            near = left & ((votes - centre).square().sum(1) <= reach**2)
            here = near[:, None].to(votes.dtype)
            centre = (votes * here).sum(2, keepdim=True) / here.sum(2, keepdim=True).clamp(min=1)
        near = left & ((votes - centre).square().sum(1) <= reach**2)
        voters = near.sum(1, keepdim=True) / size**2
        left = left & ~near
        centres.append(centre[..., 0])
        sure.append(torch.where((value > 0) & (voters > ENOUGH), voters.clamp(max=1), 0)[:, 0])
    return torch.stack(centres, 1), torch.stack(sure, 1)
