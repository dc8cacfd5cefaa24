"""A picture without its objects: where they were, the hole, and what the hole is filled with."""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion, distance_transform_edt, label

from util.errors import UserError

REACH = 7 / 256  # how far a hole reaches beyond its masks, as a share of the picture's shorter side
SWEEPS = 50  # of `harmonic`, at every size
RADIUS = 5  # pixels around a hole that OpenCV looks at; also the width of the seam, see `inpaint`
LARGE = 0.25  # share of the picture: larger holes are filled at a quarter of the size first
QUARTER = 4

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]  # (uint8 [H, W, C], bool [H, W]) -> uint8


def reach_of(size: tuple[int, int], share: float = REACH) -> int:
    """How many pixels a hole reaches beyond its masks, in a picture of this height and width."""
    return max(1, round(share * min(size)))


def hole_of(masks: np.ndarray, reach: int | None = None) -> np.ndarray:
    """The union of masks [N, H, W], grown by a disk of so many pixels: bool [H, W]."""
    union = masks.any(0)
    if not union.any():
        return union
    return distance_transform_edt(~union) <= (reach_of(union.shape) if reach is None else reach)


def hole_of_some(hole: np.ndarray, kept: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The part of a hole that some of its instances have made; all bool [H, W].

    kept and others are the unions of these masks, and of those that are to stay in the picture. A
    pixel belongs to the nearer of both. A part of the hole without any pixel of `kept` belongs to
    an instance that was lost, by the size or the crop of the picture: that one stays as well.
    """
    if others.any() and kept.any():
        nearer = distance_transform_edt(~kept) <= distance_transform_edt(~others)
        hole = hole & nearer & ~others
    parts, count = label(hole)
    mine = np.zeros(count + 1, bool)
    mine[parts[kept]] = True
    mine[0] = False
    return mine[parts]


def inpaint(image: np.ndarray, hole: np.ndarray, fill: Fill) -> np.ndarray:
    """The image, uint8 [H, W, C], filled inside the hole, bool [H, W], and as it is outside of it.

    Of a large hole these methods know little but its border. It is filled at a quarter of the size,
    where the border is nearer, and only a seam of RADIUS pixels at the full size.
    """
    if not hole.any():
        return image.copy()
    seam = hole
    start = image
    if hole.mean() > LARGE and min(hole.shape) >= QUARTER * QUARTER:
        start = np.where(hole[..., None], filled_at_a_quarter(image, hole, fill), image)
        seam = hole & ~binary_erosion(hole, iterations=RADIUS)
    return np.where(hole[..., None], fill(start, seam), image)


def filled_at_a_quarter(image: np.ndarray, hole: np.ndarray, fill: Fill) -> np.ndarray:
    """The same picture filled at a quarter of its size, and enlarged again: uint8 [H, W, C]."""
    height, width = hole.shape
    size = (-(-width // QUARTER), -(-height // QUARTER))
    small = np.asarray(to_picture(image).resize(size, Image.BOX)).reshape(*size[::-1], -1)
    touched = np.asarray(Image.fromarray(hole.astype(np.uint8) * 255).resize(size, Image.BOX)) > 0
    filled = to_picture(fill(small, touched)).resize((width, height), Image.BICUBIC)
    return np.asarray(filled).reshape(height, width, -1)


def to_picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(
        np.ascontiguousarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
    )


def harmonic(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The smoothest fill: every pixel of the hole is the mean of its four neighbours.

    From coarse to fine, so that SWEEPS rounds are enough at each size (Jacobi's method); at the
    coarsest one the hole begins with the mean of what is known. uint8 [H, W, C] in and out.
    """
    filled = relaxed(image.astype(np.float32), hole)
    return np.clip(np.round(filled), 0, 255).astype(np.uint8)


def relaxed(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """`harmonic` of floats [H, W, C]."""
    known = (~hole)[..., None]
    if min(hole.shape) > QUARTER and hole.any() and not hole.all():
        sums, counts = halved(image * known), halved(known.astype(np.float32))
        means = sums / np.maximum(counts, 1e-6)
        coarse = relaxed(means, counts[..., 0] == 0).repeat(2, 0).repeat(2, 1)
        start = coarse[: hole.shape[0], : hole.shape[1]]
    else:
        start = image[~hole].mean(0) if not hole.all() else 127.0
    values = np.where(known, image, start)
    rows, columns = window_of(hole)
    part, inside = values[rows, columns], hole[rows, columns][..., None]
    for _ in range(SWEEPS if hole.any() else 0):
        around = np.pad(part, ((1, 1), (1, 1), (0, 0)), "edge")
        mean = (around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]) / 4
        part = np.where(inside, mean, part)
    values[rows, columns] = part
    return values


def halved(values: np.ndarray) -> np.ndarray:
    """Sums over 2x2 pixels, [H, W, C] to [ceil(H / 2), ceil(W / 2), C]."""
    height, width, channels = values.shape
    even = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0)))
    return even.reshape(-(-height // 2), 2, -(-width // 2), 2, channels).sum((1, 3))


def window_of(hole: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of a hole's box, and one pixel around it."""
    if not hole.any():
        return slice(0), slice(0)
    places = [np.flatnonzero(hole.any(axis)) for axis in (1, 0)]
    return tuple(slice(max(0, own[0] - 1), own[-1] + 2) for own in places)


def opencv_fill(name: str) -> Fill:
    """OpenCV's `telea` (Telea 2004) or `ns` (Bertalmio et al. 2001); a UserError without it."""
    if not has_opencv():
        raise UserError(
            f"--inpaint {name} needs OpenCV: pip install opencv-python-headless, or give "
            "--inpaint harmonic, which needs nothing"
        )
    import cv2

    method = {"telea": cv2.INPAINT_TELEA, "ns": cv2.INPAINT_NS}[name]

    def fill(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
        pixels = np.ascontiguousarray(image)
        return cv2.inpaint(pixels, hole.astype(np.uint8), RADIUS, method).reshape(image.shape)

    return fill


def has_opencv() -> bool:
    return find_spec("cv2") is not None
