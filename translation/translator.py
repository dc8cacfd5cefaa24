"""A trained run that takes any picture."""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from copy import copy
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import torch

from data import create_dataset
from data.base_dataset import generator_for
from data.direction import Direction
from data.extras import MADE, kinds_of, made_of
from data.loader import batches_of_one_size
from data.scene import Scene
from data.scene_folder import Picture as ReadPicture
from models.base_model import BaseModel
from models.contract import Translated
from models.trained_run import TrainedRun
from options.base_options import run_folder
from options.translate_options import OF_THE_COMMAND, options_of_run
from translation.finders import Finder, finder_of
from translation.inputs import FILE, Picture, as_image, as_masks
from translation.memory import MemoryCheck
from translation.result import Result
from translation.sizes import enlarged, fitted, resized_masks, smooth
from util.errors import UserError
from util.images import to_pixels
from util.memory import enough_memory

LARGER = 2  # times the size of the training: from there on objects may be of a size never seen


class Translator:
    """Translates pictures in one direction, with the weights of a run.

    Make one by `from_run`. Raises UserError for pictures and masks that will not do.
    """

    def __init__(self, opt, finder: Finder | None = None):
        """opt are options of `translate.py`; finder finds masks of pictures that come without."""
        self.opt = opt
        self.run = TrainedRun(opt, run_folder(opt))
        self.way = next(way for way in self.run.model.directions if way.name == opt.direction)
        self.finder = finder
        self.dataset = create_dataset(opt)
        self.memory = MemoryCheck(self.run, self.way)
        self.kinds = kinds_of(opt)
        for name, kind in self.kinds.items():
            if kind not in (*MADE, "others") and not kind.endswith("?"):
                raise UserError(
                    f"--model {opt.model} needs {name} of each picture: make a dataset with it "
                    "(docs/data.md), and translate that by test.py"
                )

    @classmethod
    def from_run(
        cls,
        folder: str | Path,
        direction: str | None = None,
        masks: str | None = None,
        **options,
    ) -> "Translator":
        """The run in a folder such as `checkpoints/shapes`.

        direction  such as BtoA (default: the model's first one)
        masks      `auto:RUN` or `maskrcnn:CATEGORY`: finds masks of pictures that come without
        options    further flags of `translate.py`: gpu_ids="0", size=512, n_styles=3, eval=True
        """
        if wrong := [name for name in options if name in OF_THE_COMMAND]:
            raise UserError(f"{wrong[0]}: is for translate.py alone; see docs/api.md")
        words, said = words_of({"direction": direction, **options}), StringIO()
        with redirect_stdout(StringIO()):  # a library does not speak
            try:
                with redirect_stderr(said):
                    opt = options_of_run(folder, words)
            except SystemExit:  # as a command would end
                raise UserError(said.getvalue().strip().removeprefix("error: ")) from None
            return cls(opt, finder_of(masks, opt) if masks else None)

    @property
    def needs_masks(self) -> bool:
        """Whether nothing is translated of a picture without masks."""
        return "masks" in self.run.model.needs

    def in_given_order(self) -> "Translator":
        """The same, which translates instances in the order of their masks, not the largest first.

        For videos, whose instance k stays instance k; masks may be empty.
        """
        twin = copy(self)
        twin.opt = Namespace(**vars(self.opt) | {"set_order": "given"})
        twin.dataset = create_dataset(twin.opt)
        return twin

    def advice(self, size: tuple[int, int]) -> str:
        """What to say of a picture of (height, width) whose objects may be too large; or ''."""
        trained = max(self.opt.fineSizeH, self.opt.fineSizeW)
        if self.opt.size or max(size) <= LARGER * trained:
            return ""
        return (
            f"is {size[1]}x{size[0]}, and the run was trained at {self.opt.fineSizeW}x"
            f"{self.opt.fineSizeH}: --size {trained * 3 // 2} may translate its objects better"
        )

    def __call__(
        self, image: Picture | Sequence[Picture], masks=None, batch_size: int = 1
    ) -> Result | list[Result]:
        """Translate a picture, or a list of them with a list of their masks.

        A picture is a file, a PIL picture, an array [H, W, 3] or a tensor [3, H, W]; its masks are
        bool [N, H, W] or a list of pictures. Of a list `batch_size` pictures of one size are
        translated together.
        """
        if not isinstance(image, (list, tuple)):
            return self.translate([image], [masks])[0]
        given = [None] * len(image) if masks is None else list(masks)
        if len(given) != len(image):
            raise UserError(f"{len(image)} pictures and masks of {len(given)}: one for each")
        return self.translate(image, given, batch_size)

    def translate(
        self,
        pictures: Sequence[Picture],
        masks: Sequence,
        batch_size: int = 1,
        numbers: Sequence[Sequence[int]] | None = None,
    ) -> list[Result]:
        """Translate pictures with their masks; None of those whose masks are to be found.

        numbers are what the masks of each picture are called (default: 0, 1, …).
        """
        if any(own is None for own in masks) and self.needs_masks and not self.finder:
            raise UserError(
                f"--model {self.opt.model} translates what masks mark: give --masks FILE…, or "
                "auto:RUN of a trained --model mask_predictor, or maskrcnn:CATEGORY, or a --box"
            )
        prepared = Prepared(self, pictures, masks, numbers)
        results: dict[int, Result] = {}
        with enough_memory("give a smaller size"):
            for places, batch in batches_of_one_size(prepared, len(prepared), batch_size):
                self.memory.check(batch)
                moved = self.run(batch, self.way)
                for i, place in enumerate(places):
                    image, chosen = prepared.given.pop(place)
                    own = enlarged(result_of(moved, batch, i, self.run.model, self.way), image)
                    left_out = chosen - len(batch.numbers[i])
                    results[place] = replace(own, left_out=left_out)
        return [results[i] for i in range(len(prepared))]

    def masks_of(self, picture: Picture, masks, image: np.ndarray) -> np.ndarray:
        """The masks of a picture, given or found, bool [N, H, W]; image is uint8 [H, W, C]."""
        if masks is not None:
            return as_masks(masks, image.shape[:2], picture, getattr(self.opt, "exif", None))
        if self.finder and self.needs_masks:
            small = fitted(image, self.opt.size)
            return smooth(self.finder([small])[0], image.shape[:2])
        return np.zeros((0, *image.shape[:2]), bool)

    def scene(
        self, image: np.ndarray, masks: np.ndarray, name: str, numbers: Sequence[int] | None = None
    ) -> Scene:
        """What a dataset would make of a picture, [H, W, C], and its masks, [N, H, W]."""
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1))
        picture = ReadPicture(
            name,
            torch.from_numpy(pixels),
            torch.from_numpy(np.ascontiguousarray(masks)),
            tuple(range(len(masks)) if numbers is None else numbers),
            made_of(self.kinds, pixels, masks),
        )
        return self.dataset.read(Given(picture), 0, generator_for(self.opt.seed)).normalized()


class Prepared(Sequence[Scene]):
    """Pictures as scenes, each made when it is asked for.

    given has of those that were: the picture, uint8 [H, W, C], and how many instances are to be
    translated.
    """

    def __init__(self, translator: Translator, pictures: Sequence, masks: Sequence, numbers):
        self.translator = translator
        self.pictures, self.masks, self.numbers = pictures, masks, numbers
        self.given: dict[int, tuple[np.ndarray, int]] = {}

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> Scene:
        translator, picture = self.translator, self.pictures[place]
        opt = translator.opt
        image = as_image(picture, opt.input_nc)
        masks = translator.masks_of(picture, self.masks[place], image)
        numbers = list(self.numbers[place] if self.numbers else range(len(masks)))
        wanted = getattr(opt, "instances", None) or numbers
        there = [n for n, mask in zip(numbers, masks, strict=True) if mask.any() and n in wanted]
        self.given[place] = (image, len(there))
        small = fitted(image, opt.size)
        name = Path(picture).stem if isinstance(picture, FILE) else "picture"
        return translator.scene(small, resized_masks(masks, small.shape[:2]), name, numbers)


class Given:
    """A picture in memory, where a dataset expects a folder of them."""

    def __init__(self, picture: ReadPicture):
        self.picture = picture

    def read(self, index: int, generator: torch.Generator) -> ReadPicture:
        return self.picture


def result_of(
    moved: Translated, batch: Scene, sample: int, model: BaseModel, way: Direction
) -> Result:
    """What became of one picture of a batch."""
    fake, numbers = moved.fakes[0], batch.numbers[sample]
    before, after = ((x.masks[sample] > 0).numpy() for x in (batch, fake))
    before = before[: len(numbers)]
    if model.finds_masks:
        numbers = fake.numbers[sample]
        before = after = after[: len(numbers)]
    elif after.shape[0] and not model.tells_instances_apart and model.needs:
        before, after = before.any(0, keepdims=True), after[:1]  # the union, in one
        before, after, numbers = (x[: len(numbers)] for x in (before, after, [0]))
    else:
        after = after[: len(numbers)] if after.shape[0] else before
    own = [step for step in moved.steps if batch.numbers[sample][step.start : step.stop]]
    return Result(
        pixels_of(batch.image[sample]),
        [pixels_of(one.image[sample]) for one in moved.fakes],
        moved.titles,
        list(numbers),
        before,
        after,
        [pixels_of(step.canvas.image[sample]) for step in own] if len(own) > 1 else [],
        way.name,
    )


def pixels_of(image: torch.Tensor) -> np.ndarray:
    """[C, H, W] in [-1, 1] -> uint8 [H, W, C]."""
    pixels = to_pixels(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def words_of(options: dict) -> list[str]:
    """Options as they are typed: {"size": 512, "eval": True} -> --size 512 --eval."""
    words = []
    for name, value in options.items():
        if value is None or value is False:
            continue
        values = value if isinstance(value, (list, tuple)) else [value]
        words += [f"--{name}", *([] if value is True else map(str, values))]
    return words
