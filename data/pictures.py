"""Picture files of any kind, as arrays of 8 bits; needs numpy and Pillow alone."""

import logging
import os
import struct
import unicodedata
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from util.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
ROTATED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
ORIENTATION = 0x0112
PAGED = ("TIFF", "PNG", "WEBP")  # a phone's JPEG may be an MPO: with a depth map as second page
RANGES = (255, 4095, 65535)  # of integers: 8, 12 and 16 bits, whatever they are stored in
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
    """Pictures in a folder and below it: their names without suffix, and with it; sorted.

    Names without suffix are in one Unicode form: a Mac writes ö as two characters, others as one.
    """
    return {stem_of(name): name for name in list_files(folder) if is_picture(name)}


def list_unique_pictures(folder: Path) -> dict[str, str]:
    """Pictures as `list_pictures` has them.

    Raises UserError for two of one name without suffix: which one is meant cannot be known.
    """
    found: dict[str, str] = {}
    for name in filter(is_picture, list_files(folder)):
        if (first := found.setdefault(stem_of(name), name)) != name:
            raise UserError(
                f"{folder / first} and {folder / name} have the same name: rename or remove one"
            )
    return found


def stem_of(name: str) -> str:
    return unicodedata.normalize("NFC", os.path.splitext(name)[0])


@dataclass(frozen=True)
class Header:
    """What a file says before its pixels.

    size is (height, width) as shown, orientation the EXIF turn, mode Pillow's word for the pixels.
    """

    size: tuple[int, int]
    orientation: int
    pages: int
    mode: str

    @property
    def deep(self) -> bool:
        return is_deep(self.mode)

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) before the EXIF orientation turns the picture."""
        return self.size[::-1] if self.orientation in ROTATED else self.size


def read_header(path: Path) -> Header:
    with open_picture(path) as picture:
        width, height = picture.size
        # A PNG without EXIF in front would be decoded whole to look for one behind.
        has_exif = picture.format == "TIFF" or "exif" in picture.info
        orientation = picture.getexif().get(ORIENTATION, 1) if has_exif else 1
        size = (width, height) if orientation in ROTATED else (height, width)
        pages = getattr(picture, "n_frames", 1) if picture.format in PAGED else 1
        orientation = orientation if orientation in range(1, 9) else 1
        return Header(size, orientation, pages, picture.mode)


def is_deep(mode: str) -> bool:
    """Whether pixels of a Pillow mode are floats, or integers of more than 8 bits."""
    return mode.startswith(("I", "F"))


def picture_size(path: Path) -> tuple[int, int]:
    """(height, width) as shown, from the file's header."""
    return read_header(path).size


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


def read_raw(path: Path) -> np.ndarray:
    """The file's own numbers [H, W]: grey of any depth, palette indices, of RGB the largest."""
    return own_values(decode(path))


def own_values(picture: Image.Image) -> np.ndarray:
    """A picture's numbers [H, W] before they become colours; see `read_raw`."""
    values = without_alpha(np.asarray(picture))
    return values if values.ndim == 2 else values.max(-1)


def without_alpha(pixels: np.ndarray) -> np.ndarray:
    """Grey [H, W] or RGB [H, W, 3] of pixels that may have an alpha channel."""
    if pixels.ndim == 2:
        return pixels
    return pixels[..., 0] if pixels.shape[-1] == 2 else pixels[..., :3]


def to_eight_bits(picture: Image.Image) -> Image.Image:
    """Grey pictures of more bits, or of floats, as 8 bits; Pillow itself would clip them at 255."""
    if not is_deep(picture.mode):
        return picture
    values = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0)
    low, high = value_range(values, picture.mode.startswith("F"))
    levels = (values - low) * (255 / max(high - low, 1e-12))
    return Image.fromarray(np.clip(levels, 0, 255).round().astype(np.uint8))


def value_range(values: np.ndarray, floats: bool) -> tuple[float, float]:
    """The values that are black and white, guessed from the least and the largest there are.

    Integers have 8, 12 or 16 bits, however many they are stored in; floats go to 1, or as far as
    integers do. Negative values belong to a picture in [-1, 1], or to one of no known range.
    """
    least, most = float(values.min()), float(values.max())
    if least < 0:
        return (-1.0, 1.0) if least >= -1 and most <= 1 else (least, most)
    if floats and most < 10:  # somewhat more than 1: a light, or what resizing overshoots
        return 0.0, max(1.0, most)
    return 0.0, float(next((top for top in RANGES if most <= top), most))


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels [H, W, ...] as the EXIF orientation shows them."""
    if orientation in ROTATED:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
