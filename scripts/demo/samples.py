"""Sample pictures for the page, with their masks where there are any."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from data.pictures import list_pictures, read_image
from data.scene_folder import SceneFolder, find_scenes
from options.base_options import OPTIONS_FILE
from util.errors import UserError

COUNT = 4  # of each domain
PHASES = ("test", "val")
SIDE = 1024  # pixels of the longer side; larger pictures are made smaller

Sample = tuple[str, str, np.ndarray, np.ndarray]  # domain, name, uint8 [3, H, W], bool [N, H, W]


def write_samples(args: argparse.Namespace, models: Sequence[dict], folder: Path) -> list[dict]:
    """Write the pictures that the options ask for; returns what the page has to know of them."""
    domains = sorted({entry["source"] for entry in models})
    if args.samples == "none" or args.sample_count == 0:
        return []
    if args.samples:
        samples = [*of_folder(Path(args.samples), domains, args.sample_count)]
        if not samples:
            raise UserError(f"--samples {args.samples}: no pictures in it")
    else:
        samples = [*of_runs(args, domains)]
    (folder / "samples").mkdir()
    return [write_sample(number, sample, folder) for number, sample in enumerate(samples)]


def of_runs(args: argparse.Namespace, domains: Sequence[str]) -> Iterator[Sample]:
    """Test pictures of the first run whose dataset is there; a line says so if there is none."""
    for name in args.name:
        path = Path(args.checkpoints_dir) / name / OPTIONS_FILE
        root = json.loads(path.read_text()).get("dataroot") if path.is_file() else None
        if root and phase_of(Path(root)):
            yield from of_dataset(Path(root), domains, args.sample_count)
            return
    print("note: no test pictures of these runs are at hand, so there are no samples (--samples)")


def of_folder(root: Path, domains: Sequence[str], count: int) -> Iterator[Sample]:
    """Pictures of a dataset with their masks, or of a plain folder without."""
    if phase_of(root):
        yield from of_dataset(root, domains, count)
        return
    for name, file in [*list_pictures(root).items()][:count]:
        pixels = read_image(root / file, 3)
        yield "", Path(name).name, pixels, np.empty((0, *pixels.shape[1:]), bool)


def of_dataset(root: Path, domains: Sequence[str], count: int) -> Iterator[Sample]:
    """The first pictures of each domain that have a mask, if the domain has masks."""
    phase = phase_of(root)
    for domain in domains:
        if not (root / f"{phase}{domain}").is_dir():
            continue
        with_masks = (root / f"{phase}{domain}_seg").is_dir()
        files = find_scenes(root, phase, domain, with_masks)
        usable = [i for i, scene in enumerate(files) if scene.masks or not with_masks]
        source = SceneFolder(files, None, channels=3)
        for picture in map(source.load, usable[:count]):
            yield domain, picture.name, picture.image.numpy(), picture.masks.numpy()


def phase_of(root: Path) -> str | None:
    """The phase of a dataset that samples are taken from."""
    there = (phase for phase in PHASES for x in "AB" if (root / f"{phase}{x}").is_dir())
    return next(there, None)


def write_sample(number: int, sample: Sample, folder: Path) -> dict:
    """Write a picture and its masks as PNG, without what else their files said.

    Masks of nothing are left out, and those that are too thin to be seen at a smaller size.
    """
    domain, name, pixels, masks = sample
    picture = Image.fromarray(pixels.transpose(1, 2, 0))
    scale = min(1, SIDE / max(picture.size))
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    file = f"samples/{number}.png"
    picture.resize(size, Image.BICUBIC).save(folder / file, optimize=True)
    small = [Image.fromarray(mask).resize(size, Image.NEAREST) for mask in masks]
    small = [mask for mask in small if mask.getbbox()]
    files = [f"samples/{number}_{i}.png" for i in range(len(small))]
    for mask, path in zip(small, files, strict=True):
        mask.save(folder / path)
    return {"name": name, "domain": domain, "image": file, "masks": files}
