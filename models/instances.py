"""Instances as a network sees them: for every pixel whether it is of an object, and where that
object has its centre.

Pixels vote for the centres of their objects (as in Neven et al., CVPR 2019, and Panoptic-DeepLab,
Cheng et al., CVPR 2020), so that objects that touch, and objects in several parts, are told apart.
They also say how large their object is: that is a part of their vote, which tells objects in front
of one another apart, and scales how near votes have to be, and how many.

A pixel may be of two objects, where one is in front of another whose mask is whole. So all is said
twice, in L = LAYERS layers: of the object whose centre is nearer, then of the other, if any.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

LAYERS = 2
CHANNELS = 4 * LAYERS  # of a network's output, see `Seen.of`
UNIT = 8.0  # pixels; networks give distances in it
NEAR = 0.2  # of an object's size: how far from its centre pixels may vote for it
NEAREST = 2.0  # pixels: and never less, for no network knows centres better
SHIFTS = 2  # to the mean of the votes near a centre
ENOUGH = 0.25  # of an object's area has to vote for it, or there is none
LEAST = 5e-4  # of the picture: what is smaller is no object


class Seen(NamedTuple):
    """What a network says of each pixel, in each layer.

    object   [B, L, H, W] logit: is it of an object?
    to       [B, 2, L, H, W] the way to the centre of that object, (down, right) in pixels
    size     [B, L, H, W] square root of that object's area, in pixels
    """

    object: Tensor
    to: Tensor
    size: Tensor

    @staticmethod
    def of(output: Tensor) -> "Seen":
        """From a network's output, [B, CHANNELS, H, W]."""
        output = output.float() if output.element_size() == 2 else output
        is_object, down, right, size = output.unflatten(1, (4, LAYERS)).unbind(1)
        return Seen(is_object, UNIT * torch.stack([down, right], 1), UNIT * size)


class Wanted(NamedTuple):
    """What it should say: `object` is 0 or 1, the others count where it is 1."""

    object: Tensor
    to: Tensor
    size: Tensor


def wanted(masks: Tensor) -> Wanted:
    """Of a batch's instances, bool [B, N, H, W]; N may be 0, and masks may be empty.

    The layers of a pixel are its masks by how near their centres are, which can be seen, unlike
    what lies behind what. Of more than L the farthest are left out.
    """
    if (missing := LAYERS - masks.shape[1]) > 0:
        masks = torch.cat([masks, masks.new_zeros(len(masks), missing, *masks.shape[2:])], 1)
    share = masks.to(torch.get_default_dtype())
    areas = share.sum((2, 3))  # [B, N]
    places = grid(masks)  # [2, H, W]
    centres = torch.einsum("bnhw,chw->bnc", share, places) / areas.clamp(min=1)[..., None]
    away = (places - centres[..., None, None]).square().sum(2)  # [B, N, H, W]
    away = torch.where(masks, away, torch.inf)
    least, owner = away.topk(LAYERS, 1, largest=False, sorted=True)  # [B, L, H, W]
    way = chosen(centres, owner) - places[:, None]
    size = chosen(areas.sqrt()[..., None], owner)[:, 0]
    return Wanted((least < torch.inf).to(share.dtype), way, size)


def chosen(values: Tensor, owner: Tensor) -> Tensor:
    """Values [B, N, C] of each pixel's objects [B, L, H, W]: [B, C, L, H, W]."""
    batch = torch.arange(len(values), device=values.device)[:, None, None, None]
    return values[batch, owner].movedim(-1, 1)


def grid(like: Tensor) -> Tensor:
    """Row and column of each pixel of [..., H, W]: [2, H, W]."""
    kind = {"device": like.device, "dtype": torch.get_default_dtype()}
    rows, columns = (torch.arange(side, **kind) for side in like.shape[-2:])
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))


# ---- losses, one value per picture [B]


def object_loss(seen: Seen, goal: Wanted) -> Tensor:
    """Cross-entropy of object against background."""
    loss = binary_cross_entropy_with_logits(seen.object, goal.object, reduction="none")
    return loss.mean((2, 3)).sum(1)


def dice_loss(seen: Seen, goal: Wanted) -> Tensor:
    """1 - 2 |P and G| / (|P| + |G|): small objects count as much as large ones.

    Milletari et al., 3DV 2016 ("V-Net"), with 1 added above and below for layers without any.
    """
    share = seen.object.sigmoid()
    both, own, given = (x.sum((2, 3)) for x in (share * goal.object, share, goal.object))
    return (1 - (2 * both + 1) / (own + given + 1)).sum(1)


def place_loss(seen: Seen, goal: Wanted) -> Tensor:
    """L1 of the ways to the centres, and of the sizes, over the pixels of objects, in UNITs."""
    way = l1_loss(seen.to, goal.to, reduction="none").sum(1)
    size = l1_loss(seen.size, goal.size, reduction="none")
    inside = goal.object
    return ((way + size) * inside).sum((1, 2, 3)) / (UNIT * inside.sum((1, 2, 3)).clamp(min=1))


# ---- from what is seen to masks


class Found(NamedTuple):
    """Instances, the surest first.

    masks   [B, K, H, W] bool
    scores  [B, K] how sure, in [0, 1]; 0: there is no such instance, and its mask is empty
    """

    masks: Tensor
    scores: Tensor


def found(seen: Seen, most: int) -> Found:
    """Up to `most` instances of each picture. Plain tensor operations, which can be exported."""
    share, votes = seen.object.sigmoid(), votes_of(seen)
    centres, sure = centres_of(seen, share, votes, most)
    there = sure[..., None, None, None] > 0  # [B, K, 1, 1, 1]
    away = (votes[:, None] - centres[..., None, None, None]).square().sum(2)  # [B, K, L, H, W]
    nearest = torch.where(there, away, torch.inf).argmin(1, keepdim=True)
    slots = torch.arange(most, device=share.device)[:, None, None, None]
    owned = (nearest == slots) & (share > 0.5)[:, None] & there
    pixels = owned.to(share.dtype)
    areas, surest = pixels.sum((2, 3, 4)), (pixels * share[:, None]).sum((2, 3, 4))
    least = LEAST * share.shape[-2] * share.shape[-1]
    scores = torch.where(areas >= max(least, 1), sure * surest / areas.clamp(min=1), 0)
    scores, order = scores.sort(dim=1, descending=True)
    masks = owned.any(2)
    masks = masks.gather(1, order[..., None, None].expand(-1, -1, *masks.shape[2:]))
    return Found(masks & (scores > 0)[..., None, None], scores)


def votes_of(seen: Seen) -> Tensor:
    """Row and column of the centre, and the size, that each pixel votes for: [B, 3, L, H, W]."""
    places = grid(seen.object)[:, None] + seen.to
    return torch.cat([places, seen.size[:, None]], 1)


def centres_of(seen: Seen, share: Tensor, votes: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """What was voted for, [B, most, 3], and how sure it is, [B, most]; 0 where there is none.

    share [B, L, H, W] is how sure a pixel is to be of an object; for votes see `votes_of`.

    The pixel that is surest to be in the middle of its object says where that one's centre is, and
    the votes near there say it better (mean shift). The pixels that gave them are done with, and
    make it the surer the more of its area they are.
    """
    share, sizes = share.flatten(1), seen.size.flatten(1).clamp(min=1)  # [B, L H W]
    votes = votes.flatten(2)  # [B, 3, L H W]
    middle = share * torch.exp(-seen.to.flatten(2).square().sum(1).sqrt() / sizes)
    left = share > 0.5
    centres, sure = [], []
    for _ in range(most):
        value, index = torch.where(left, middle, 0).max(1, keepdim=True)  # [B, 1]
        centre = votes.gather(2, index[:, None].expand(-1, 3, -1))  # [B, 3, 1]
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
