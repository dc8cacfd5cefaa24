"""Pasting what was translated on the picture that it came from, so that all else stays.

`Pasting` is part of the method with `--paste` (docs/recipe.md): generators learn through it.
`--composite` does the same with pictures that are finished, of any method with masks.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, pad

from data.scene import Scene

PASTING = ("paste", "paste_edge", "paste_on")  # the options that say how a run pastes
EDGES = ("soft", "hard")
BASES = ("source", "fill")
MOST_PIXELS = 100  # more would be no pasting
LEFT_OUT = "left_out"  # an extra of scenes, [B, 1, H, W] like a mask
LEVELS = 7  # neighbourhoods that lend colours to a hole, of 2 to 128 pixels of the half size


def add_pasting_arguments(parser, is_train: bool) -> None:
    group = parser.group("instances")
    group.add_argument(
        "--paste",
        type=int,
        nargs="?",
        const=1,
        metavar="PIXELS",
        help="paste every translation on the picture it came from, in training and testing: only "
        "objects change, with an edge this wide around them (1 if no number is given; default: "
        "off, as in the paper)",
    )
    group.add_argument(
        "--paste_edge",
        choices=EDGES,
        default="soft",
        help="soft: fading over twice the PIXELS of --paste; hard: all of them or none",
    )
    group.add_argument(
        "--paste_on",
        choices=BASES,
        default="source",
        help="what --paste pastes on: source: the picture, and what the old object covered is the "
        "generator's to paint; fill: the picture with the old objects replaced by the colours "
        "around them",
    )
    group.add_argument(
        "--no_paste",
        dest="paste",
        action="store_const",
        const=None,
        default=argparse.SUPPRESS,
        help="whole translations, of a run that was begun with --paste",
    )
    if not is_train:
        parser.group("results").add_argument(
            "--composite",
            type=int,
            nargs="?",
            const=4,
            metavar="PIXELS",
            help="paste finished translations on the source: only objects change, with an edge "
            "that fades over twice this many pixels (4 if none are given)",
        )


def pasting_problems(opt) -> Iterator[str]:
    """One line for each option of pasting that cannot work."""
    if opt.paste is None:
        for flag in ("paste_edge", "paste_on"):
            if flag in opt.typed:
                switched_off = "paste" in opt.typed
                remedy = "and --no_paste exclude each other" if switched_off else "needs --paste"
                yield f"--{flag} {getattr(opt, flag)} {remedy}"
    for flag in ("paste", "composite"):
        pixels = getattr(opt, flag, None)
        if pixels is not None and not 0 <= pixels <= MOST_PIXELS:
            yield f"--{flag} {pixels}: from 0 to {MOST_PIXELS} pixels"


def pasting_of(opt) -> "Pasting | None":
    """How the options say to paste; None: not at all."""
    return None if opt.paste is None else Pasting(opt.paste, opt.paste_edge, opt.paste_on)


@dataclass(frozen=True)
class Pasting:
    """How translations are pasted: y' = w G(x, a) + (1 - w) base, from a canvas (x, a).

    source  the base is x; w comes from both, a and the translated masks b': what an object leaves
            behind is the generator's to paint
    fill    the base is x without the objects a, filled by the colours around them; w comes from b'
            alone. Other objects of the picture stay, and their colours are not used

    w is 1 where there is an instance. Around them it reaches `radius` pixels (hard) or twice as
    many (soft), see `paste_weight`; `fill` changes radius + 1 pixels around a. Farther away nothing
    changes; by `exactly` not a single bit.
    """

    radius: int
    edge: str = "soft"
    on: str = "source"

    def __call__(self, canvas: Scene, fake: Scene, others: Sequence[Scene] = ()) -> Scene:
        """The fake pasted on its canvas, with gradient to G(x, a), b', x and a alike.

        canvas has the masks that `fake` is the translation of. others have the remaining masks of
        the same pictures: finished objects, and those whose turn comes later. (Those that never
        take part are an extra of the canvas, LEFT_OUT.)
        """
        return self.pasted(canvas, fake, others, Scene.union)

    def exactly(self, canvas: Scene, fake: Scene, others: Sequence[Scene] = ()) -> Scene:
        """The same with masks that are 0 or 1, for inference.

        The generators' masks are never quite -1, so that their w is small around objects, not 0.
        """
        return self.pasted(canvas, fake, others, objects)

    def pasted(
        self, canvas: Scene, fake: Scene, others: Sequence[Scene], union: Callable[[Scene], Tensor]
    ) -> Scene:
        """With this union of a scene's masks, [B, 1, H, W] in [0, 1]."""
        before, after = union(canvas), union(fake)
        if self.on == "fill":
            rest = sum(map(union, others), share_left_out(canvas))
            base = self.without(canvas.image, before, rest)
            weight = paste_weight(after, self.radius, self.edge)
        else:
            base = canvas.image
            weight = paste_weight((before + after).clamp(max=1), self.radius, self.edge)
        return replace(fake, image=torch.lerp(base, fake.image, weight))

    def without(self, image: Tensor, gone: Tensor, others: Tensor) -> Tensor:
        """The image with what is `gone` filled in, but for the pixels of other objects.

        One pixel more than `radius` is filled: the edge of an object often lies outside its mask.
        """
        taken = (gone + others).clamp(max=1)
        hole = grown(gone, self.radius + 1) * (1 - others.clamp(max=1))
        return torch.lerp(image, colours_around(image, grown(taken, self.radius + 1)), hole)


def paste_weight(union: Tensor, radius: int, edge: str) -> Tensor:
    """w of a union of masks in [0, 1], both [B, 1, H, W].

    hard: the union grown by `radius` pixels, w = maxpool(union) of side 2 radius + 1.
    soft: that one's mean over the same window: still 1 inside, it falls to 0 over 2 radius pixels.
    """
    if edge == "soft":
        return torch.maximum(union, feathered(union, radius))
    return grown(union, radius)


def colours_around(image: Tensor, hole: Tensor) -> Tensor:
    """What to fill a hole of the image [B, C, H, W] with: the colours around it, made smooth.

    hole [B, 1, H, W] in [0, 1]. Means of the known colours over small neighbourhoods are taken
    where enough of these are known, over larger ones elsewhere, in the end over the whole picture:
    the pull-push of Gortler et al. 1996 ("The Lumigraph") without its pyramid. H and W are even.
    """
    known = 1 - hole
    # colours times weights, and weights, at half the size: what is smooth loses nothing by it
    sums = avg_pool2d(torch.cat([image * known, known], 1), 2)
    result = mean_colour(sums.sum((2, 3), keepdim=True))
    height, width = sums.shape[2:]
    near = tents(height, sums) @ sums @ tents(width, sums)  # [LEVELS, B, C + 1, H/2, W/2]
    for level, own in enumerate(near):
        share = own[:, -1:] / 4 ** (LEVELS - level)  # of the neighbourhood, how much is known
        result = torch.lerp(result, mean_colour(own), (4 * share).clamp(max=1))
    return interpolate(result, scale_factor=2, mode="bilinear", align_corners=False)


def tents(length: int, like: Tensor) -> Tensor:
    """Weights of pixels on a line by their distance: [LEVELS, 1, 1, length, length].

    They fall from 1 to 0 within 2^LEVELS pixels, then half as many, ..., at last 2.
    """
    # all made on the device: a tensor of Python's numbers would have to be copied there, and waited
    # for, in every step
    kind = {"device": like.device, "dtype": like.dtype}
    reaches = torch.arange(LEVELS, 0, -1, **kind).exp2()[:, None, None, None, None]
    places = torch.arange(length, **kind)
    return (1 - (places[:, None] - places).abs() / reaches).clamp(min=0)


def mean_colour(sums: Tensor) -> Tensor:
    """Colours [B, C, h, w] of their sums and weights together, [B, C + 1, h, w]."""
    return sums[:, :-1] / sums[:, -1:].clamp(min=1e-6)


def feathered(mask: Tensor, feather: int) -> Tensor:
    """A mask [B, 1, H, W] in [0, 1]: where it is 1 still 1, falling to 0 around it."""
    if feather == 0:
        return mask
    padded = pad(grown(mask, feather), [feather] * 4, mode="replicate")
    return avg_pool2d(padded, 2 * feather + 1, stride=1)


def grown(mask: Tensor, radius: int) -> Tensor:
    """The largest value within `radius` pixels along each axis, [B, 1, H, W]."""
    return max_pool2d(mask, 2 * radius + 1, stride=1, padding=radius)


def share_left_out(scene: Scene) -> Tensor:
    """Where instances are that take no part, [B, 1, H, W] in [0, 1]."""
    if LEFT_OUT not in scene.extras:
        return torch.zeros_like(scene.image[:, :1])
    return (scene.extras[LEFT_OUT] + 1) / 2


def objects(scene: Scene) -> Tensor:
    """Where a scene has an instance: 1, elsewhere 0; [B, 1, H, W]."""
    return (scene.masks > 0).any(1, keepdim=True).to(scene.image.dtype)
