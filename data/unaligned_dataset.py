"""Two folders of pictures that do not belong together: CycleGAN's dataset."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import torch

from data.base_dataset import BaseDataset, Draw, generator_for
from data.scene import Scene
from data.scene_folder import SceneFiles, check_sizes, find_scenes, read_image, read_masks
from data.transforms import (
    Preprocessing,
    draw_geometry,
    make_scene,
    normalize_image,
    normalize_masks,
)


class UnalignedDataset(BaseDataset):
    """`{phase}A/*.png` and `{phase}B/*.png`. A sample is a picture of A and a random one of B.

    An epoch is as long as the larger domain. A folder is read when its domain is first asked for.
    """

    def __init__(self, opt):
        self.opt = opt
        self.seed = opt.seed
        self.how = preprocessing(opt)

    @cached_property
    def scenes(self) -> dict[str, list[SceneFiles]]:
        return {domain: self.find(domain) for domain in "AB"}

    def find(self, domain: str) -> list[SceneFiles]:
        """The domain's files, their sizes checked."""
        scenes = find_scenes(Path(self.opt.dataroot), self.opt.phase, domain, self.with_masks)
        scenes = self.choose(scenes, domain)[: self.opt.max_dataset_size]
        for files, size in zip(scenes, check_sizes(scenes), strict=True):
            if self.how:  # a picture smaller than the crop is found before the first step
                draw_geometry(size, self.how, generator_for(0), str(files.image))
        return scenes

    def choose(self, scenes: list[SceneFiles], domain: str) -> list[SceneFiles]:
        """The pictures that take part."""
        return scenes

    def __len__(self) -> int:
        return max(len(scenes) for scenes in self.scenes.values())

    def __getitem__(self, draw: Draw) -> dict[str, Scene]:
        generator = draw.generator(self.seed)
        size = len(self.scenes["B"])
        partner = int(torch.randint(size, (), generator=generator))
        chosen = {"A": draw.index, "B": draw.index if self.opt.serial_batches else partner}
        return {
            domain: self.read(scenes[chosen[domain] % len(scenes)], generator)
            for domain, scenes in self.scenes.items()
        }

    def read(self, files: SceneFiles, generator: torch.Generator) -> Scene:
        """One picture and its masks, under one geometry."""
        image = read_image(files.image, self.opt.input_nc)
        masks = read_masks(files.masks, tuple(image.shape[-2:]))
        if self.how:
            size = tuple(image.shape[-2:])
            geometry = draw_geometry(size, self.how, generator, str(files.image))
            image, masks = geometry.apply(image, smooth=True), geometry.apply(masks, smooth=False)
        masks, numbers = self.order(normalize_masks(masks), files.numbers, generator)
        return make_scene(normalize_image(image), masks, files.name, numbers)

    def order(self, masks: torch.Tensor, numbers: tuple[int, ...], generator: torch.Generator):
        """The instances that take part, in the order of their translation."""
        return masks, numbers

    def domain(self, letter: str) -> Sequence[Scene]:
        return DomainScenes(self, letter)

    def check(self) -> str:
        counts = []
        for domain, scenes in self.scenes.items():
            for files in scenes:
                read_masks(
                    files.masks, tuple(read_image(files.image, self.opt.input_nc).shape[-2:])
                )
            instances = sum(len(files.masks) for files in scenes)
            counts.append(f"{domain}: {len(scenes)} pictures with {instances} masks")
        return "; ".join(counts)


def preprocessing(opt) -> Preprocessing | None:
    """How pictures are brought to size; None if they keep their own."""
    if getattr(opt, "keep_size", False):
        return None
    return Preprocessing(
        mode=opt.resize_or_crop,
        load_size=(opt.loadSizeH, opt.loadSizeW),
        fine_size=(opt.fineSizeH, opt.fineSizeW),
        flip=not opt.no_flip,
        random=opt.is_train,
    )


class DomainScenes(Sequence):
    """One domain's scenes in order, read when asked for."""

    def __init__(self, dataset: UnalignedDataset, letter: str):
        self.dataset = dataset
        self.files = dataset.find(letter)
        self.letter = letter

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Scene:
        generator = generator_for(self.dataset.seed, "AB".index(self.letter), index)
        return self.dataset.read(self.files[index], generator)
