"""Two folders of pictures that do not belong together: CycleGAN's dataset."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import torch

from data.base_dataset import BaseDataset, Draw, generator_for
from data.checks import check_headers, check_names, refuse
from data.extras import Extras, kinds_of
from data.pixel_checks import check_pixels, first_look, nothing_to_translate
from data.scene import Scene
from data.scene_cache import SceneCache, open_cache
from data.scene_folder import SceneFolder, SceneListing, find_scenes
from data.transforms import Preprocessing, fit, make_scene
from util.errors import UserError


class UnalignedDataset(BaseDataset):
    """`{phase}A/*.png` and `{phase}B/*.png`. A sample is a picture of A and a random one of B.

    An epoch is as long as the larger domain. A folder is read when its domain is first asked for.
    """

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        if is_train:
            parser.group("data").add_argument(
                "--cache",
                nargs="?",
                const="",
                metavar="FOLDER",
                help="pack the resized pictures into one file per domain, once, and read them "
                "from it; without a folder in DATAROOT/cache",
            )
        else:
            parser.set_defaults(cache=None)
        parser.set_defaults(exif=None)
        return parser

    def __init__(self, opt):
        self.opt = opt
        self.seed = opt.seed
        self.how = preprocessing(opt)

    @cached_property
    def sources(self) -> dict[str, SceneFolder | SceneCache]:
        return {domain: self.source(domain) for domain in "AB"}

    def source(self, domain: str) -> SceneFolder | SceneCache:
        """The domain's pictures, each known to be as large as its masks and as the crop."""
        folder = self.folder(domain)
        with_masks = self.has_masks(self.opt.phase, domain)
        problems = check_names(Path(self.opt.dataroot), self.opt.phase, domain, with_masks)
        if self.opt.cache is None or self.opt.dry_run:
            sizes, wrong = check_headers(folder.files, folder.exif)
            refuse([*problems, *wrong])
            self.look_at_masks(folder, domain)
            source = folder
        else:  # a picture that will not do ends the packing
            refuse(problems)
            self.look_at_masks(folder, domain)
            where = Path(self.opt.cache or f"{self.opt.dataroot}/cache")
            source = open_cache(folder, where, f"{self.opt.phase}{domain}", self.selection())
            sizes = source.sizes()
        if self.how:
            for size, name in sizes.items():
                fit(size, self.how, name)
        return source

    def look_at_masks(self, folder: SceneFolder, domain: str) -> None:
        """Tell what is unusual about a domain's masks; refuse to train if none marks an instance.

        A dry run reads all files anyway, and tells it then.
        """
        if not self.has_masks(self.opt.phase, domain) or self.opt.dry_run:
            return
        fault = first_look(folder.files, self.mask_folder(domain), folder.exif)
        if fault and self.opt.is_train and self.opt.needs_masks:
            raise UserError(fault)

    def has_masks(self, phase: str, domain: str) -> bool:
        """Whether masks of a domain are read: where no model needs any, there may be none."""
        folder = Path(f"{self.opt.dataroot}/{phase}{domain}_seg")
        return self.with_masks and (self.opt.needs_masks or folder.is_dir())

    def mask_folder(self, domain: str) -> Path:
        return Path(f"{self.opt.dataroot}/{self.opt.phase}{domain}_seg")

    def folder(self, domain: str) -> SceneFolder:
        with_masks = self.has_masks(self.opt.phase, domain)
        files = find_scenes(Path(self.opt.dataroot), self.opt.phase, domain, with_masks)
        files = self.choose(files, domain)
        limit = self.opt.max_dataset_size
        if limit and limit < len(files):
            files = files.select(range(limit))
        folder = self.scene_folder(files, self.opt.phase, domain, self.how)
        if folder.extras and (line := folder.extras.note()):
            print(f"note: {line}")
        return folder

    def scene_folder(
        self, files: SceneListing, phase: str, domain: str, how: Preprocessing | None
    ) -> SceneFolder:
        """The pictures of a domain, with the extras that the model asks for."""
        kinds = {n: k for n, k in kinds_of(self.opt).items() if k != "others"}
        names = [scene.name for scene in files] if kinds else []
        root = Path(self.opt.dataroot)
        extras = Extras(root, f"{phase}{domain}", kinds, names) if kinds else None
        return SceneFolder(files, how, self.opt.input_nc, self.opt.exif, extras)

    def choose(self, files: SceneListing, domain: str) -> SceneListing:
        """The pictures that take part."""
        return files

    def selection(self) -> list:
        """What decides which pictures take part, so that each choice has its own cache."""
        root = str(Path(self.opt.dataroot).resolve()) if self.opt.cache else ""
        kinds = {n: k for n, k in kinds_of(self.opt).items() if k != "others"}
        own = [root, self.with_masks, self.opt.max_dataset_size, self.opt.exif]
        return [*own, kinds] if kinds else own

    def __len__(self) -> int:
        return max(len(source) for source in self.sources.values())

    def __getitem__(self, draw: Draw) -> dict[str, Scene]:
        generator = draw.generator(self.seed)
        chosen = self.choose_pair(draw, generator)
        return {
            domain: self.read(source, chosen[domain], generator)
            for domain, source in self.sources.items()
        }

    def choose_pair(self, draw: Draw, generator: torch.Generator) -> dict[str, int]:
        """The picture of each domain: A's by the draw, B's any, or the same with serial batches."""
        size = len(self.sources["B"])
        partner = int(torch.randint(size, (), generator=generator))
        chosen = {"A": draw.index, "B": draw.index if self.opt.serial_batches else partner}
        return {domain: i % len(self.sources[domain]) for domain, i in chosen.items()}

    def sources_of(self, draw: Draw) -> list[str]:
        chosen = self.choose_pair(draw, draw.generator(self.seed))
        return [self.sources[domain].place(index) for domain, index in chosen.items()]

    def read(
        self, source: SceneFolder | SceneCache, index: int, generator: torch.Generator
    ) -> Scene:
        """One picture and its masks, under one geometry."""
        picture = source.read(index, generator)
        own = (picture.name, picture.numbers, picture.extras)
        return make_scene(picture.image, picture.masks, *own)

    def domain(self, letter: str) -> Sequence[Scene]:
        return DomainScenes(self, letter)

    def showcase(self, count: int) -> dict[str, list[Scene]]:
        """Validation pictures if there are any, else test pictures, else training pictures."""
        how = still(self.how)
        for phase in ("val", "test"):
            with suppress(UserError):  # of no harm to a run that does not need them
                return {domain: self.first(phase, domain, count, how) for domain in "AB"}
        return {domain: self.first(self.opt.phase, domain, count, how) for domain in "AB"}

    def first(self, phase: str, domain: str, count: int, how: Preprocessing | None) -> list[Scene]:
        """The first pictures of a phase that have what is to be translated, all of one size."""
        with_masks = self.has_masks(phase, domain)
        files = find_scenes(Path(self.opt.dataroot), phase, domain, with_masks)
        usable = [i for i, scene in enumerate(files) if scene.masks or not with_masks]
        if not usable:
            raise UserError(f"{phase}{domain} has no picture with a mask")
        files = files.select(usable[:count])
        source = self.scene_folder(files, phase, domain, how)
        scenes = [self.read(source, i, generator_for(0, i)) for i in range(len(source))]
        return [scene for scene in scenes if scene.image.shape == scenes[0].image.shape]

    def check(self) -> tuple[str, list[str]]:
        counts, faults = [], []
        for domain in "AB":
            folder = self.folder(domain)
            facts = [check_pixels(scene, folder.exif) for scene in folder.files]
            bare = {"no mask"}  # said already, or of no importance
            refuse(p for fact in facts for p in fact.problems if p.kind not in bare)
            instances = sum(len(fact.areas) for fact in facts)
            counts.append(f"{domain}: {len(facts)} pictures with {instances} masks")
            needed = self.with_masks and self.opt.needs_masks
            if needed and (fault := nothing_to_translate(self.mask_folder(domain), facts)):
                faults.append(fault)
        return "; ".join(counts), faults


def still(how: Preprocessing | None) -> Preprocessing | None:
    """The same size as `how` makes, of the whole picture if it is resized, with nothing drawn."""
    if how is None:
        return None
    load = how.fine_size if how.mode == "resize_and_crop" else how.load_size
    return replace(how, load_size=load, flip=False, random=False)


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
        multiple=opt.size_multiple,
        least=opt.least_size,
    )


class DomainScenes(Sequence):
    """One domain's scenes in order, read when asked for, normalised."""

    def __init__(self, dataset: UnalignedDataset, letter: str):
        self.dataset = dataset
        self.source = dataset.source(letter)
        self.letter = letter

    def __len__(self) -> int:
        return len(self.source)

    def masks_of(self, index: int) -> int:
        """How many masks a picture has, translated or not."""
        return len(self.source.files[index].masks)

    def __getitem__(self, index: int) -> Scene:
        if not 0 <= index < len(self):
            raise IndexError(index)
        generator = generator_for(self.dataset.seed, "AB".index(self.letter), index)
        return self.dataset.read(self.source, index, generator).normalized()
