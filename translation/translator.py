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
from models.contract import Translated
from models.trained_run import TrainedRun
from options.base_options import run_folder
from options.translate_options import options_of_run
from translation.finders import Finder, finder_of
from translation.inputs import Picture, as_image, as_masks
from translation.memory import check_memory
from translation.result import Result
from translation.sizes import enlarged, fitted, resized_masks
from util.errors import UserError
from util.images import to_pixels

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
        words = words_of({"direction": direction, **options})
        said = StringIO()
        with redirect_stdout(StringIO()), redirect_stderr(said):
            try:
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
        if masks is not None and len(masks) != len(image):
            raise UserError(f"{len(image)} pictures and masks of {len(masks)}: one for each")
        return self.translate(image, masks or [None] * len(image), batch_size)

    def translate(
        self, pictures: Sequence[Picture], masks: Sequence, batch_size: int = 1
    ) -> list[Result]:
        """Translate pictures with their masks; None of those whose masks are to be found."""
        images = [as_image(picture, self.opt.input_nc) for picture in pictures]
        small = [fitted(image, self.opt.size) for image in images]
        given = self.masks_of(images, small, masks)
        scenes = [
            self.scene(image, own, str(i))
            for i, (image, own) in enumerate(zip(small, given, strict=True))
        ]
        results: dict[int, Result] = {}
        for places, batch in batches_of_one_size(scenes, len(scenes), batch_size):
            check_memory(self.run, batch, self.way)
            moved = self.run(batch, self.way)
            for i, place in enumerate(places):
                own = result_of(moved, batch, i, self.way)
                left_out = int(given[place].any((1, 2)).sum()) - len(own.numbers)
                results[place] = replace(enlarged(own, images[place]), left_out=left_out)
        return [results[i] for i in range(len(images))]

    def masks_of(
        self, images: Sequence[np.ndarray], small: Sequence[np.ndarray], masks: Sequence
    ) -> list[np.ndarray]:
        """Each picture's masks at the size that is translated, bool [N, H, W]."""
        given = {
            i: resized_masks(as_masks(own, images[i].shape[:2]), small[i].shape[:2])
            for i, own in enumerate(masks)
            if own is not None
        }
        bare = [i for i in range(len(images)) if i not in given]
        if bare and not self.finder and self.needs_masks:
            raise UserError(
                f"--model {self.opt.model} translates what masks mark: give --masks FILE…, or "
                "auto:RUN of a trained --model mask_predictor, or maskrcnn:CATEGORY, or a --box"
            )
        found = self.finder([small[i] for i in bare]) if bare and self.finder else None
        for place, i in enumerate(bare):
            given[i] = found[place] if found else np.zeros((0, *small[i].shape[:2]), bool)
        return [given[i] for i in range(len(images))]

    def scene(self, image: np.ndarray, masks: np.ndarray, name: str) -> Scene:
        """What a dataset would make of a picture, [H, W, C], and its masks, [N, H, W]."""
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1))
        picture = ReadPicture(
            name,
            torch.from_numpy(pixels),
            torch.from_numpy(masks),
            tuple(range(len(masks))),
            made_of(self.kinds, pixels, masks),
        )
        return self.dataset.read(Given(picture), 0, generator_for(self.opt.seed)).normalized()


class Given:
    """A picture in memory, where a dataset expects a folder of them."""

    def __init__(self, picture: ReadPicture):
        self.picture = picture

    def read(self, index: int, generator: torch.Generator) -> ReadPicture:
        return self.picture


def result_of(moved: Translated, batch: Scene, sample: int, way: Direction) -> Result:
    """What became of one picture of a batch."""
    fake = moved.fakes[0]
    numbers = batch.numbers[sample]
    before = (batch.masks[sample] > 0).numpy()[: len(numbers)]
    after = (fake.masks[sample] > 0).numpy()[: len(numbers)]
    own = [step for step in moved.steps if numbers[step.start : step.stop]]
    titles = moved.styles or ["translation", *(f"style {i}" for i in range(1, len(moved.fakes)))]
    return Result(
        pixels_of(batch.image[sample]),
        [pixels_of(one.image[sample]) for one in moved.fakes],
        list(titles),
        list(numbers),
        before,
        after if len(after) == len(before) else before,
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
