"""The same shapes by day, by night and in other looks: pictures that differ in appearance alone."""

from typing import NamedTuple

import numpy as np

from datasets.making.drawing import (
    draw_background,
    draw_shape,
    place_shapes,
    saturated,
    signed_distance,
    to_uint8,
)

HALO = 0.5  # of a glowing shape's light at its outline,
REACH = 0.35  # and how far it reaches, in radii


class Look(NamedTuple):
    """How pictures of a domain look.

    ground  levels of 255 that the background's colour is drawn from
    hues    in turns, one for each mode: all shapes of a picture have the same
    pale    share of grey in the shapes' colour
    glows   whether they light up what is around them
    """

    ground: tuple[int, int]
    hues: tuple[float, ...]
    pale: float = 0.0
    glows: bool = False


LOOKS = {
    "day": Look((165, 225), (1 / 6,)),  # yellow
    "night": Look((15, 55), (0.0, 1 / 3), glows=True),  # red, or green
    "dusk": Look((80, 130), (0.07, 0.85), glows=True),  # orange, or pink
    "fog": Look((150, 175), (0.6,), pale=0.5),  # a pale blue
}


def draw_picture(name: str, args, rng) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], dict]:
    """A picture and its background (uint8 [H, W, 3]), masks (bool), and what was drawn.

    Disks and triangles are drawn alike in all looks.
    """
    look = LOOKS[name]
    mode = int(rng.integers(len(look.hues)))
    color = (1 - look.pale) * saturated(np.array([look.hues[mode]])) + look.pale * 160
    background = draw_background(args.size, look.ground, rng)
    shapes = place_shapes(lambda: draw_shape(str(rng.choice(["A", "B"])), args, rng), args, rng)
    picture, masks = background.copy(), []
    for shape in shapes:
        distance = signed_distance(shape, args.size)
        if look.glows:
            light = HALO * np.exp(-distance.clip(min=0) / (REACH * shape["radius"]))[..., None]
            picture = picture * (1 - light) + color * light
        coverage = np.clip(0.5 - distance, 0, 1)[..., None]
        picture = picture * (1 - coverage) + color * coverage
        masks.append(coverage[..., 0] > 0.5)
    plain = [{key: shape[key] for key in ("shape", "x", "y", "radius")} for shape in shapes]
    color_levels = np.round(color).astype(int).tolist()
    facts = {"look": name, "mode": mode, "color": color_levels, "shapes": plain}
    return to_uint8(picture), to_uint8(background), masks, facts
