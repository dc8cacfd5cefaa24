"""A domain's pictures and masks, resized once, in one memory-mapped file (`--cache`).

Per sample a crop and a flip of bytes remain: nothing is decoded or resized. The samples are those
of the folder to the bit. The file's pages belong to the kernel, which shares them between all
processes and drops them when memory is short.

    magic, position of the description (int64)     16 bytes
    per picture: uint8 [C, H, W], extras that are pictures or masks as more channels of it; then
        its masks as bits [N, H, ceil(W / 8)]
    arrays: where each picture starts, its size, its name, its masks' numbers
    description: JSON, to the end of the file
"""

import hashlib
import json
import math
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from data.extras import Extras
from data.scene_folder import Picture, SceneFolder
from data.transforms import Preprocessing, draw_crop
from util.errors import UserError
from util.files import locked, write_atomic, write_text
from util.workers import cores

MAGIC = b"SCENES2\n"
PER_PROCESS = 50  # pictures worth starting another process for


class SceneCache:
    """One domain's pictures from a packed file, with the methods of SceneFolder."""

    def __init__(self, path: Path, how: Preprocessing, channels: int, extras: Extras | None):
        self.path = path
        self.how = how
        self.of_image = channels
        self.extras = extras
        self.bytes = np.memmap(path, np.uint8, "r").view(np.ndarray)
        start = int(self.bytes[8:16].view("<i8")[0])
        if self.bytes[:8].tobytes() != MAGIC or not 16 <= start < len(self.bytes):
            raise ValueError(f"{path} is no cache, or was cut short")
        about = json.loads(self.bytes[start:].tobytes())
        self.key, self.channels = about["key"], about["channels"]
        if (
            not 16 <= about["begin"] <= start
            or digest(self.bytes[about["begin"] : start]) != (about["index"])
        ):
            raise ValueError(f"{path} is not what was written")
        self.arrays = {
            name: self.bytes[begin:end].view("<i8")
            for name, (begin, end) in about["arrays"].items()
        }

    def __reduce__(self):
        """Loader processes map the file anew; pickled, a mapping would be copied."""
        return SceneCache, (self.path, self.how, self.of_image, self.extras)

    def __len__(self) -> int:
        return len(self.arrays["starts"])

    def sizes(self) -> dict[tuple[int, int], str]:
        """The (height, width) there are, each with the name of a first picture."""
        pairs = self.arrays["sizes"].reshape(-1, 2)
        firsts = np.unique(pairs, axis=0, return_index=True)[1].tolist()
        return {tuple(pairs[first].tolist()): self.name(first) for first in firsts}

    def name(self, index: int) -> str:
        start, stop = self.arrays["names"][index : index + 2]
        return os.fsdecode(self.bytes[start:stop].tobytes())

    def place(self, index: int) -> str:
        """Where a picture comes from."""
        return f"{self.name(index)} in {self.path}"

    def read(self, index: int, generator: torch.Generator) -> Picture:
        """A picture and its masks, under one geometry."""
        name, start = self.name(index), int(self.arrays["starts"][index])
        height, width = self.arrays["sizes"][2 * index : 2 * index + 2].tolist()
        first, last = self.arrays["number_ends"][index : index + 2].tolist()
        crop = draw_crop((height, width), self.how, generator)
        rows, columns = crop.window
        middle = start + self.channels * height * width
        pixels = self.bytes[start:middle].reshape(self.channels, height, width)
        image = torch.from_numpy(pixels[:, rows, columns].copy())

        shape = (last - first, height, -(-width // 8))
        bits = self.bytes[middle : middle + math.prod(shape)].reshape(shape)[:, rows]
        masks = (
            np.unpackbits(bits.reshape(-1)).view(bool).reshape(*bits.shape[:2], 8 * bits.shape[2])
        )
        masks = torch.from_numpy(masks)[..., columns]
        if crop.flip:
            image, masks = image.flip(-1), masks.flip(-1)
        numbers = tuple(self.arrays["numbers"][first:last].tolist())
        image, extras = unstacked(image, name, self.of_image, self.extras)
        return Picture(name, image, masks, numbers, extras)


def stacked(picture: Picture) -> Tensor:
    """An image and its extras that are pictures or masks as one, uint8 [C', H, W]."""
    pixels = [x for x in picture.extras.values() if x.dim() == 3]
    return torch.cat([picture.image, *(x.to(torch.uint8) for x in pixels)])


def unstacked(
    pixels: Tensor, name: str, channels: int, extras: Extras | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """The image and the extras of `stacked`, and those that are numbers."""
    image, rest, found = pixels[:channels], pixels[channels:], {}
    for key, kind in extras.kinds.items() if extras else ():
        if kind == "value":
            found[key] = extras.values[key][name]
            continue
        count = channels if extras.has_colours(key) else 1
        found[key] = rest[:count] if extras.has_colours(key) else rest[:count].bool()
        rest = rest[count:]
    return image, found


def open_cache(folder: SceneFolder, where: Path, label: str, settings: list) -> SceneCache:
    """The cache of a folder, built if there is none for these files and settings.

    settings are what decides which files take part, and how; each combination has its own file.
    """
    how = folder.how
    settings = [*settings, how.mode, how.load_size, folder.channels]
    path = where / f"{label}_{digest(json.dumps(settings).encode())[:8]}.scenes"
    try:
        cache = fresh_cache(path, folder)
        if cache is None:
            where.mkdir(parents=True, exist_ok=True)
            with locked(path):  # another process may be at it, and have it ready then
                cache = fresh_cache(path, folder) or build_cache(folder, path)
    except OSError as error:
        raise UserError(
            f"--cache: {error.filename or path}: {error.strerror}; name another folder, "
            "--cache FOLDER, or go without"
        ) from None
    print(f"cache: {label}: {len(cache)} pictures in {path}, {len(cache.bytes) / 1e6:.0f} MB")
    return cache


def fresh_cache(path: Path, folder: SceneFolder) -> SceneCache | None:
    """The cache at `path` if it was made of these very files.

    Sizes and times of the files are compared with a note beside the cache; should they differ, for
    instance because both were copied, the files' contents decide.
    """
    try:
        cache = SceneCache(path, folder.how, folder.channels, folder.extras)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    stamp, note = stamp_of(folder), path.with_suffix(".stamp")
    if note.is_file() and note.read_text() == f"{stamp} {cache.key}":
        return cache
    if content_key(folder) != cache.key:
        return None
    with suppress(OSError):  # a cache that can only be read is as good
        write_text(note, f"{stamp} {cache.key}")
    return cache


def build_cache(folder: SceneFolder, path: Path) -> SceneCache:
    """Decode and resize every picture of the folder into one file."""
    for left_over in path.parent.glob(f".{path.name}.*.tmp"):
        left_over.unlink()  # of a process that was killed; the lock says that none is at work
    stamp, key = stamp_of(folder), content_key(folder)
    pictures = DataLoader(
        ResizedPictures(folder),
        batch_size=None,
        collate_fn=unchanged,
        num_workers=min(cores(), len(folder) // PER_PROCESS),
        generator=torch.Generator(),  # the global one is to give the same weights as without
    )
    bar = tqdm(pictures, f"packing {path.stem}", unit="img", disable=None)
    write_atomic(path, lambda file: write_pictures(file, bar, key))
    if stamp_of(folder) != stamp:
        path.unlink()
        raise UserError(f"--cache: files in {folder.files.root} changed while they were packed")
    write_text(path.with_suffix(".stamp"), f"{stamp} {key}")
    return SceneCache(path, folder.how, folder.channels, folder.extras)


def write_pictures(file, pictures, key: str) -> None:
    """The file that SceneCache reads."""
    arrays = {"starts": [], "sizes": [], "numbers": [], "number_ends": [0]}
    names = [b""]
    channels = 0
    file.write(MAGIC + bytes(8))
    for picture in pictures:
        if isinstance(picture, UserError):
            raise picture
        channels = len(picture.image)
        arrays["starts"].append(file.tell())
        arrays["sizes"].extend(picture.image.shape[-2:])
        arrays["numbers"].extend(picture.numbers)
        arrays["number_ends"].append(len(arrays["numbers"]))
        names.append(os.fsencode(picture.name))
        file.write(picture.image.tobytes())
        file.write(np.packbits(picture.masks, axis=-1).tobytes())
    begin = file.tell()
    arrays["names"] = begin + np.cumsum([len(name) for name in names])
    index = b"".join(names)
    index += bytes(-(begin + len(index)) % 8)
    spans = {}
    for name, values in arrays.items():
        first = begin + len(index)
        index += np.asarray(values, "<i8").tobytes()
        spans[name] = (first, begin + len(index))
    start = file.tell() + len(index)
    about = {"key": key, "channels": channels, "begin": begin, "index": digest(index)}
    file.write(index + json.dumps(about | {"arrays": spans}).encode())
    file.seek(8)
    file.write(np.array(start, "<i8").tobytes())


class ResizedPictures(Dataset):
    """The pictures of a folder at the size that crops are cut from, as arrays."""

    def __init__(self, folder: SceneFolder):
        self.folder = folder

    def __len__(self) -> int:
        return len(self.folder)

    def __getitem__(self, index: int) -> Picture | UserError:
        if index >= len(self):
            raise IndexError(index)
        try:
            picture = self.folder.resized(index)
        except UserError as error:  # raised in another process it would be a traceback
            return error
        image, masks = stacked(picture).numpy(), picture.masks.numpy()
        return Picture(picture.name, image, masks, picture.numbers)


def unchanged(sample):
    return sample


def stamp_of(folder: SceneFolder) -> str:
    """A digest of the names, sizes and times of all files."""
    summary = hashlib.blake2b(digest_size=16)
    for path in folder.paths():
        facts = os.stat(path)
        times = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        summary.update(repr((os.fspath(path), *times)).encode("utf-8", "surrogateescape"))
    return summary.hexdigest()


def content_key(folder: SceneFolder) -> str:
    """A digest of the names, relative to the dataset, and the contents of all files."""
    summary = hashlib.blake2b(digest_size=16)
    for index in range(len(folder.files)):
        summary.update(folder.files.record(index))
    for path in folder.paths():
        summary.update(hashlib.blake2b(path.read_bytes()).digest())
    return summary.hexdigest()


def digest(content) -> str:
    """Of bytes, or of an array of them."""
    return hashlib.blake2b(content).hexdigest()
