"""Pictures and masks on disk: `{phase}{domain}/STEM.png`, `{phase}{domain}_seg/STEM_0.png`, …"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from util.errors import UserError

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm"}
ROTATED = (5, 6, 7, 8)  # EXIF orientations that swap height and width
ORIENTATION = 0x0112
BROKEN = (  # all that Pillow raises for broken files
    *(OSError, ValueError, SyntaxError, EOFError, struct.error),
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class SceneFiles:
    """One picture's files; masks in the order of their numbers."""

    name: str
    image: Path
    masks: tuple[Path, ...]
    numbers: tuple[int, ...]


def find_scenes(root: Path, phase: str, domain: str, with_masks: bool) -> list[SceneFiles]:
    """All pictures of a domain with the masks that belong to them, sorted by name.

    Raises UserError if the folders are missing or empty.
    """
    folder = root / f"{phase}{domain}"
    if not folder.is_dir():
        there = sorted(p.name[:-1] for p in root.glob(f"*{domain}") if p.is_dir())
        raise UserError(
            f"{folder}: there is no such folder; phases of domain {domain} there: "
            f"{', '.join(there) or 'none'} (see --dataroot and --phase)"
        )
    images = list_pictures(folder)
    if not images:
        raise UserError(f"{folder}: no pictures in it; they end in {', '.join(sorted(SUFFIXES))}")
    masks = find_masks(root / f"{phase}{domain}_seg") if with_masks else {}
    scenes = []
    for stem, image in images.items():
        numbered = sorted(masks.get(stem, []))
        name = stem.replace("/", "_")
        scenes.append(
            SceneFiles(name, image, tuple(p for _, p in numbered), tuple(n for n, _ in numbered))
        )
    return scenes


def list_pictures(folder: Path) -> dict[str, Path]:
    """Pictures in a folder and below it by their path without suffix, sorted."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}


def find_masks(folder: Path) -> dict[str, list[tuple[int, Path]]]:
    """Masks by their picture's stem, each with its number: `STEM_12.png` is (12, path)."""
    if not folder.is_dir():
        raise UserError(
            f"{folder}: there is no such folder; it should hold the masks, STEM_0.png, …"
        )
    masks: dict[str, list[tuple[int, Path]]] = {}
    for stem, path in list_pictures(folder).items():
        if match := re.fullmatch(r"(.+)_(\d+)", stem):
            masks.setdefault(match[1], []).append((int(match[2]), path))
    return masks


def apply_policy(scenes: list[SceneFiles], policy: str, where: str) -> tuple[list[SceneFiles], str]:
    """Apply `--no_mask` to pictures without a mask; returns the rest and a line to print, or ''."""
    bare = [scene for scene in scenes if not scene.masks]
    if not bare:
        return scenes, ""
    first = (
        f"{len(bare)} of {len(scenes)} pictures in {where} have no mask, {bare[0].image.name} first"
    )
    if policy == "error":
        raise UserError(f"{first}; add masks, or let --no_mask skip or keep them")
    if policy == "keep":
        return scenes, f"{first}; kept, they come out unchanged"
    kept = [scene for scene in scenes if scene.masks]
    if not kept:
        raise UserError(
            f"{where}: none of its {len(scenes)} pictures has a mask named like "
            f"{bare[0].image.stem}_0.png in {where}_seg"
        )
    return kept, f"{first}; skipped (see --no_mask)"


def check_sizes(scenes: list[SceneFiles]) -> list[tuple[int, int]]:
    """The (height, width) of every picture, from the headers of all files.

    Raises UserError for a mask of another size than its picture.
    """
    sizes = []
    for scene in scenes:
        size = picture_size(scene.image)
        sizes.append(size)
        for path in scene.masks:
            if picture_size(path) != size:
                h, w = picture_size(path)
                raise UserError(
                    f"{path} is {h}x{w} (height x width) and its picture {scene.image} is "
                    f"{size[0]}x{size[1]}: make the mask anew from the picture"
                )
    return sizes


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
        return Image.open(path)
    except BROKEN as error:
        raise unreadable(path, error) from None


def decode(path: Path) -> Image.Image:
    """The picture, decoded and turned as its EXIF orientation says."""
    with open_picture(path) as picture:
        try:
            return ImageOps.exif_transpose(picture)
        except BROKEN as error:
            raise unreadable(path, error) from None


def unreadable(path: Path, error: Exception) -> UserError:
    reason = "not a picture" if "cannot identify" in str(error) else str(error).rstrip(".")
    return UserError(f"{path} cannot be read ({reason}): replace or remove it")


def read_image(path: Path, channels: int) -> Tensor:
    """Any picture as uint8 [3 or 1, H, W]; of 16 bits the upper 8 are kept, alpha is dropped."""
    picture = to_eight_bits(decode(path))
    if picture.mode == "P":  # through RGBA, so that a palette's transparency does no harm
        picture = picture.convert("RGBA")
    pixels = np.array(picture.convert("RGB" if channels == 3 else "L"))
    return (
        torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels)).permute(2, 0, 1).contiguous()
    )


def read_mask(path: Path) -> Tensor:
    """Any mask as uint8 [H, W], its brightest channel: palette colours count as they look."""
    picture = to_eight_bits(decode(path))
    if picture.mode in ("1", "L"):
        return torch.from_numpy(np.array(picture.convert("L")))
    return torch.from_numpy(np.array(picture.convert("RGB")).max(-1))


def to_eight_bits(picture: Image.Image) -> Image.Image:
    """Grey pictures of 16 or 32 bits as 8 bits; Pillow's own conversion would clip them at 255."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture, dtype=np.float64)
    return Image.fromarray(np.clip(values / 257, 0, 255).round().astype(np.uint8))


def read_masks(paths: tuple[Path, ...], size: tuple[int, int]) -> Tensor:
    """All masks of a picture of this size, uint8 [N, H, W]."""
    masks = [read_mask(path) for path in paths]
    for path, mask in zip(paths, masks, strict=True):
        if tuple(mask.shape) != size:
            raise UserError(
                f"{path} is {mask.shape[0]}x{mask.shape[1]} and its picture {size[0]}x{size[1]}"
            )
    return torch.stack(masks) if masks else torch.empty(0, *size, dtype=torch.uint8)
