"""Drawn shapes: disks and upright triangles on a plain ground with a soft texture.

A shape is a dict of its kind, centroid, radius of the disk of its area, all in pixels, and hues.
"""

from collections.abc import Callable

import numpy as np
from PIL import Image

SHAPES = {"A": "disk", "B": "triangle"}
HUES = {"A": (-0.04, 0.04), "B": (0.62, 0.70)}  # of the rim, in turns: reds and blues
HUE_SHIFT = {"A": 0.13, "B": -0.15}  # from the rim to the middle: to yellow, to cyan
TEXTURE_STD = 10.0
TRIANGLE_RADIUS = (
    4 * np.pi / (3 * np.sqrt(3))
) ** 0.5  # circumradius of the triangle of a unit disk's area


def draw_background(size: int, levels: tuple[int, int], rng) -> np.ndarray:
    """A colour, uniform over the levels, with a smooth grey texture: float [H, W, 3]."""
    color = rng.uniform(*levels, size=3)
    coarse = Image.fromarray(rng.standard_normal((9, 9)).astype(np.float32))
    texture = np.asarray(coarse.resize((size, size), Image.BICUBIC))
    return color + (texture / texture.std() * TEXTURE_STD)[..., None]


def place_shapes(draw: Callable[[], dict], args, rng) -> list[dict]:
    """Drawn shapes, each at most `max_covered` hidden by any later one."""
    shapes: list[dict] = []
    for _ in range(rng.integers(args.min_instances, args.max_instances, endpoint=True)):
        for _ in range(100):
            shape = draw()
            cover = signed_distance(shape, args.size) < 0
            hidden = [np.mean(cover[signed_distance(other, args.size) < 0]) for other in shapes]
            if max(hidden, default=0) <= args.max_covered:
                shapes.append(shape)
                break
    return shapes


def draw_shape(domain: str, args, rng) -> dict:
    """One shape inside the picture, of the domain's kind and colours.

    The colours are fully saturated, one channel 0 and one 255: whatever the background and its
    texture, some channel differs by more than 48.
    """
    kind = SHAPES[domain]
    radius = rng.uniform(*args.radius) * args.size
    reach = radius * (1 if kind == "disk" else TRIANGLE_RADIUS)
    half_width = radius if kind == "disk" else reach * np.sqrt(3) / 2
    below = radius if kind == "disk" else reach / 2
    x = rng.uniform(half_width + 1, args.size - half_width - 1)
    y = rng.uniform(reach + 1, args.size - below - 1)
    color = "A" if args.palette == "single" else domain
    hue = rng.uniform() if args.palette == "shared" else rng.uniform(*HUES[color])
    shift = 0.14 if args.palette == "shared" else HUE_SHIFT[color]
    return {
        "shape": kind,
        "x": round(float(x), 3),
        "y": round(float(y), 3),
        "radius": round(float(radius), 3),
        "rim_hue": round(float(hue), 4),
        "middle_hue": round(float(hue + shift), 4),
    }


def painted(picture: np.ndarray, shape: dict) -> tuple[np.ndarray, np.ndarray]:
    """A picture with a shape on it, float [H, W, 3], and the shape's mask, bool [H, W]."""
    distance = signed_distance(shape, len(picture))
    coverage = np.clip(0.5 - distance, 0, 1)[..., None]
    depth = np.clip(-distance / (0.8 * shape["radius"]), 0, 1)[..., None]  # 0 at the rim
    color = saturated(shape["rim_hue"] * (1 - depth) + shape["middle_hue"] * depth)
    return picture * (1 - coverage) + color * coverage, coverage[..., 0] > 0.5


def saturated(hue: np.ndarray) -> np.ndarray:
    """The pure colours of hues [..., 1] in turns, [..., 3]: one channel is 0 and one 255."""
    return 255 * np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)


def signed_distance(shape: dict, size: int) -> np.ndarray:
    """Distance of every pixel's centre to the outline, in pixels, negative inside: [H, W]."""
    y, x = np.mgrid[:size, :size] + 0.5
    dx, dy = x - shape["x"], y - shape["y"]
    if shape["shape"] == "disk":
        return np.hypot(dx, dy) - shape["radius"]
    inradius = shape["radius"] * TRIANGLE_RADIUS / 2
    slope = np.sqrt(3) / 2
    sides = np.stack(
        [dy, slope * dx - dy / 2, -slope * dx - dy / 2]
    )  # along the three outward normals
    return sides.max(0) - inradius


def to_uint8(picture: np.ndarray) -> np.ndarray:
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
