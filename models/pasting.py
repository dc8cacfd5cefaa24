"""Pasting what was translated on the picture that it came from, so that all else stays.

`paste` is part of the method with `--paste` (docs/recipe.md): generators learn through it.
`composite` is for pictures that are finished, of any method with masks.
"""

import argparse
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from data.scene import Scene

EDGES = ("soft", "hard")


def add_pasting_arguments(parser, is_train: bool) -> None:
    group = parser.group("instances")
    group.add_argument(
        "--paste",
        type=int,
        nargs="?",
        const=1,
        metavar="PIXELS",
        help="paste every translation on the picture it came from, in training and testing: only "
        "objects and this many pixels around them change (1 if none are given; default: off, as "
        "in the paper)",
    )
    group.add_argument(
        "--no_paste",
        dest="paste",
        action="store_const",
        const=None,
        default=argparse.SUPPRESS,
        help="off, in a run that had it",
    )
    group.add_argument(
        "--paste_edge", choices=EDGES, default="soft", help="how --paste ends around objects"
    )
    if not is_train:
        parser.group("results").add_argument(
            "--composite",
            type=int,
            nargs="?",
            const=4,
            metavar="PIXELS",
            help="paste the translated instances on the source's background, feathered over "
            "this many pixels (4 if none are given)",
        )


def paste(canvas: Scene, fake: Scene, radius: int, edge: str = "soft") -> Scene:
    """y' = w G(x, a) + (1 - w) x, with gradient to G(x, a), b' and the canvas (x, a) alike.

    w is 1 where canvas or fake has an instance, and reaches `radius` pixels further (see
    `paste_weight`); where it is 0 the picture is the canvas, to the bit. The canvas has the masks
    that `fake` is the translation of, and no others.
    """
    weight = paste_weight((canvas.union() + fake.union()).clamp(max=1), radius, edge)
    return replace(fake, image=torch.lerp(canvas.image, fake.image, weight))


def paste_exactly(canvas: Scene, fake: Scene, radius: int, edge: str = "soft") -> Scene:
    """The same with masks that are 0 or 1: what lies outside them cannot shine through.

    The generators' masks are never quite -1, so that w of `paste` is small around objects, not 0.
    """
    weight = paste_weight(torch.maximum(objects(canvas), objects(fake)), radius, edge)
    return replace(fake, image=torch.lerp(canvas.image, fake.image, weight))


def paste_weight(union: Tensor, radius: int, edge: str) -> Tensor:
    """w of a union of masks in [0, 1], both [B, 1, H, W].

    hard: the union grown by `radius` pixels, w = maxpool(union) of side 2 radius + 1.
    soft: that one's mean over the same window: still 1 inside, it falls to 0 over 2 radius pixels.
    """
    if edge == "soft":
        return torch.maximum(union, feathered(union, radius))
    return grown(union, radius)


def composite(source: Scene, fake: Scene, feather: int) -> Scene:
    """The fake where source or fake has an instance, the source's picture everywhere else.

    The seam lies outside the masks: from 1 at their edge to 0 about 2 `feather` pixels away. A
    picture without an instance is the source's. With feather 0 the cut is hard.
    """
    weight = feathered((source.union() + fake.union()).clamp(max=1).round(), feather)
    return replace(fake, image=weight * fake.image + (1 - weight) * source.image)


def feathered(mask: Tensor, feather: int) -> Tensor:
    """A mask [B, 1, H, W] of 0 and 1, still 1 inside, falling to 0 around it."""
    if feather == 0:
        return mask
    padded = pad(grown(mask, feather), [feather] * 4, mode="replicate")
    return avg_pool2d(padded, 2 * feather + 1, stride=1)


def grown(mask: Tensor, radius: int) -> Tensor:
    """The largest value within `radius` pixels along each axis, [B, 1, H, W]."""
    return max_pool2d(mask, 2 * radius + 1, stride=1, padding=radius)


def objects(scene: Scene) -> Tensor:
    """Where a scene has an instance: 1, elsewhere 0; [B, 1, H, W]."""
    return (scene.masks > 0).any(1, keepdim=True).to(scene.image.dtype)
