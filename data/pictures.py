"""Picture files of any kind, as arrays of 8 bits; needs numpy and Pillow alone."""

import logging
import os
import struct
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from util.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
ROTATED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
ORIENTATION = 0x0112
BROKEN = (  # all that Pillow raises for broken files
    *(OSError, ValueError, SyntaxError, EOFError, struct.error),
    Image.DecompressionBombError,
)
# Pillow says of a broken EXIF and the like what is broken, more than once, and never in which file.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)


class UnreadableError(UserError):
    """A file that is no picture, a broken one, or one that is gone, for the moment perhaps."""

    def __init__(self, path: Path, reason: str, gone: bool = False):
        super().__init__(path, reason, gone)
        self.path, self.reason, self.gone = path, reason, gone

    def __str__(self) -> str:
        return f"{self.path} cannot be read ({self.reason}): replace or remove it"


def list_files(folder: Path) -> list[str]:
    """All files in a folder and below it, relative to it, sorted; hidden ones left out."""
    found = []
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:  # a link to a folder above it
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(place, folder)
        prefix = "" if below == "." else f"{below}/"
        found += [prefix + name for name in names if not name.startswith(".")]
    return sorted(found)


def is_picture(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in SUFFIXES


def list_pictures(folder: Path) -> dict[str, str]:
    """Pictures in a folder and below it: their names without suffix, and with it; sorted."""
    return {os.path.splitext(name)[0]: name for name in list_files(folder) if is_picture(name)}


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) as shown, from the file's header."""
    with open_picture(path) as picture:
        width, height = picture.size
        # A PNG without EXIF in front would be decoded whole to look for one behind.
        has_exif = picture.format == "TIFF" or "exif" in picture.info
        turned = has_exif and picture.getexif().get(ORIENTATION) in ROTATED
        return (width, height) if turned else (height, width)


def open_picture(path: Path) -> Image.Image:
    """The picture with its header read, its pixels not yet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return Image.open(path)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        most = Image.MAX_IMAGE_PIXELS // 10**6
        raise UnreadableError(path, f"more than {most} million pixels; make it smaller") from None
    except BROKEN as error:
        raise unreadable(path, error) from None


def decode(path: Path) -> Image.Image:
    """The picture, decoded and turned as its EXIF orientation says."""
    with open_picture(path) as picture:
        try:
            return ImageOps.exif_transpose(picture)
        except BROKEN as error:
            raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> UnreadableError:
    reason = getattr(error, "strerror", None) or str(error).rstrip(".")
    if "cannot identify" in reason:
        reason = "not a picture"
    gone = isinstance(error, OSError) and error.errno is not None  # told by the system, not Pillow
    return UnreadableError(path, reason, gone)


def read_image(path: Path, channels: int) -> np.ndarray:
    """Any picture as uint8 [3 or 1, H, W]; of 16 bits the upper 8 are kept, alpha is dropped."""
    pixels = np.array(to_mode(decode(path), "RGB" if channels == 3 else "L"))
    return np.ascontiguousarray(pixels.reshape(*pixels.shape[:2], channels).transpose(2, 0, 1))


def to_mode(picture: Image.Image, mode: str) -> Image.Image:
    """Any picture as RGB or L."""
    picture = to_eight_bits(picture)
    if picture.mode == "P":  # through RGBA, so that a palette's transparency does no harm
        picture = picture.convert("RGBA")
    return picture.convert(mode)


def read_levels(path: Path) -> np.ndarray:
    """Any mask as uint8 [H, W], its brightest channel: palette colours count as they look."""
    picture = to_eight_bits(decode(path))
    if picture.mode in ("1", "L"):
        return np.array(picture.convert("L"))
    return np.array(picture.convert("RGB")).max(-1)


def read_raw(path: Path) -> np.ndarray:
    """A mask's own values [H, W]: grey levels of any depth, palette indices, of RGB the largest."""
    values = without_alpha(np.asarray(decode(path)))
    return values if values.ndim == 2 else values.max(-1)


def without_alpha(pixels: np.ndarray) -> np.ndarray:
    """Grey [H, W] or RGB [H, W, 3] of pixels that may have an alpha channel."""
    if pixels.ndim == 2:
        return pixels
    return pixels[..., 0] if pixels.shape[-1] == 2 else pixels[..., :3]


def to_eight_bits(picture: Image.Image) -> Image.Image:
    """Grey pictures of 16 or 32 bits as 8 bits; Pillow's own conversion would clip them at 255."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture, dtype=np.float64)
    return Image.fromarray(np.clip(values / 257, 0, 255).round().astype(np.uint8))


def read_mask(path: Path) -> np.ndarray:
    """Any mask as bool [H, W]: an instance is where it is brighter than 127."""
    return read_levels(path) > 127


def read_masks(paths: tuple[Path, ...], size: tuple[int, int]) -> np.ndarray:
    """All masks of a picture of this size, bool [N, H, W]."""
    masks = [read_mask(path) for path in paths]
    for path, mask in zip(paths, masks, strict=True):
        if mask.shape != size:
            raise UserError(
                f"{path} is {mask.shape[0]}x{mask.shape[1]} and its picture {size[0]}x{size[1]}"
            )
    return np.stack(masks) if masks else np.empty((0, *size), bool)
