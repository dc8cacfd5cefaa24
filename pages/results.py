"""What `test.py` leaves behind: pictures, instance masks, and a list that the page is made of."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from pages.results_page import COPY, write_page
from util.files import write_json
from util.images import (
    outline_layer,
    save_picture,
    save_png,
    shown_size,
    stretched,
    to_pixels,
)

if TYPE_CHECKING:  # for the names of types alone
    from data.scene import Scene

LISTING = "results.json"
SCORES = ("metrics.json", "metrics_detail.json")
LAYER = 512  # pixels of the longer side of outlines


class Results:
    """The folder `results/NAME/PHASE_EPOCH`, filled picture by picture.

    Besides the pictures, `images/STEM_VISUAL.png`, it holds every instance's mask before and after,
    `STEM_real_A_mask_0.png` and `STEM_fake_B_mask_0.png`, the canvas after each step of a
    sequential translation, `STEM_fake_B_step_1.png`, what the page lays over the pictures,
    `STEM_real_A_outlines.png`, and a list of all.
    """

    def __init__(
        self,
        folder: Path,
        opt,
        how: Mapping | None,
        about: Mapping[str, str],
        scored_by: Sequence[str] = (),
    ):
        """how is what brought the pictures to size, None if nothing did; it is written down.

        about has what the head of the page says, scored_by the metrics that suit the model.
        """
        self.scored_by = list(scored_by)
        self.folder = folder
        self.opt = opt
        self.about = dict(about)
        self.data = {
            "dataroot": opt.dataroot,
            "phase": opt.phase,
            "channels": opt.input_nc,
            "aspect_ratio": opt.aspect_ratio,
            "preprocessing": how,
            "exif": getattr(opt, "exif", None),
        }
        self.sections: dict[tuple[str, int], dict] = {}
        self.directions: dict[str, dict] = {}  # in the order of the page
        self.bar: tqdm | None = None
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for name in SCORES:  # of an earlier translation
            (folder / name).unlink(missing_ok=True)

    def add(
        self,
        places: Sequence[int],
        batch: "Scene",
        columns: Sequence,
        way,
        *,
        steps: Sequence = (),
        numbers: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write one batch: every column, every instance's mask, every step, and further numbers.

        places are those of its pictures on the page, among the ones of this direction. The columns
        are what `models.showcase.shown` makes of a translation, whose masks may be fewer than the
        picture's; the second is the translation that is scored.
        """
        fake = columns[1]
        roles = {columns[0].role: batch, fake.role: fake.scene}
        for i, name in enumerate(batch.names):
            files = {
                visual: self.save(f"{name}_{visual}", to_pixels(picture[i]))
                for visual, picture in visuals_of(columns).items()
            }
            shown = [file for visual, file in files.items() if visual.endswith("_img")]
            masks, outlines = self.save_masks(name, roles, i)
            tall, wide = batch.image.shape[-2:]
            width, height = stretched(wide, tall, self.opt.aspect_ratio)
            boxes = boxes_of(*(masks_of(scene, i) for scene in roles.values()))
            self.sections[way.name, places[i]] = {
                "name": name,
                "source": way.source,
                "instances": len(batch.numbers[i]),
                "vanished": sum(not mask.any() for mask in masks_of(fake.scene, i).values()),
                "width": width,
                "height": height,
                "files": files,
                "small": self.save_small(shown),
                "masks": masks,
                "outlines": outlines,
                "steps": self.save_steps(f"{name}_{fake.role}", batch.numbers[i], steps, i),
                "boxes": {n: scaled(box, height / tall, width / wide) for n, box in boxes.items()},
                **({"numbers": numbers_of(numbers, i)} if numbers else {}),
            }
        self.directions[way.name] = {
            "source": way.source,
            "target": way.target,
            "columns": [[column.title, f"{column.role}_img"] for column in columns],
        }

    def save_masks(
        self, name: str, roles: "Mapping[str, Scene]", sample: int
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Write the masks of a picture and of its translation, and their outlines."""
        masks, outlines = {}, {}
        for role, scene in roles.items():
            own = masks_of(scene, sample)
            masks |= {
                f"{role}_mask_{n}": self.save(f"{name}_{role}_mask_{n}", to_levels(mask))
                for n, mask in own.items()
            }
            if own:
                outlines[role] = self.save_outlines(f"{name}_{role}", own)
        return masks, outlines

    def save(self, stem: str, pixels: np.ndarray) -> str:
        """Write a picture; returns its place in the folder."""
        file = f"images/{stem}.png"
        save_png(pixels, self.folder / file, self.opt.aspect_ratio)
        return file

    def save_small(self, files: Sequence[str]) -> dict[str, str]:
        """Small copies of pictures that are too large for a table, by file."""
        copies = {}
        for file in files:
            with Image.open(self.folder / file) as picture:
                if max(picture.size) > COPY:
                    copies[file] = file.removesuffix(".png") + "_small.jpg"
                    small = picture.convert("RGB")
                    small.thumbnail((COPY, COPY))
                    save_picture(small, self.folder / copies[file], quality=88)
        return copies

    def save_outlines(self, stem: str, masks: Mapping[int, np.ndarray]) -> str:
        file = f"images/{stem}_outlines.png"
        size = shown_size(next(iter(masks.values())).shape, LAYER)
        layer = outline_layer(masks, size).quantize(32)
        save_picture(layer, self.folder / file, optimize=True)
        return file

    def save_steps(
        self, stem: str, numbers: Sequence[int], steps: Sequence, sample: int
    ) -> list[dict]:
        """The canvas after each step that translated an instance of this sample, if several did."""
        own = [step for step in steps if numbers[step.start : step.stop]]
        if len(own) < 2:
            return []
        return [
            {
                "file": self.save(f"{stem}_step_{i}", to_pixels(step.canvas.image[sample])),
                "instances": list(numbers[step.start : step.stop]),
            }
            for i, step in enumerate(own, 1)
        ]

    def report(self, letter: str, done: int, count: int, available: int, masks: int | None) -> None:
        """A progress bar, or on no terminal one line per domain.

        masks is how many its pictures have; None if the model translates none.
        """
        if self.bar is None:
            self.bar = tqdm(
                total=count, unit="img", desc=f"domain {letter}", disable=not sys.stderr.isatty()
            )
        self.bar.update(done - self.bar.n)
        if done >= count:
            self.bar.close()
            self.bar = None
            print(f"domain {letter}: {self.account(letter, count, available, masks)}")

    def account(self, letter: str, count: int, available: int, masks: int | None) -> str:
        """How much of a domain was translated, and what became of the rest."""
        if masks is None:
            return f"translated {count} of {available} pictures"
        own = [one for one in self.sections.values() if one["source"] == letter]
        counts = [one["instances"] for one in own]
        touched = sum(map(bool, counts))
        text = f"translated {sum(counts)} of {masks} instances in {touched} of {available} pictures"
        if sum(counts) < masks:
            chosen = ", not among --instances" if self.opt.instances is not None else ""
            asked = f", of pictures beyond --num_test {count}" if count < available else ""
            text += f"; the others are empty{chosen}{asked} or beyond --ins_max {self.opt.ins_max}"
        if touched < count:
            text += (
                f"; pictures without one to translate, which stay as they are: {count - touched}"
            )
        if vanished := sum(one["vanished"] for one in own):
            text += f"; {vanished} of the instances vanished: their translated masks are empty"
        return text

    def write(self) -> None:
        """Write the list of the pictures and the page."""
        opt = self.opt
        order = list(self.directions)
        in_order = sorted(self.sections, key=lambda of: (order.index(of[0]), of[1]))
        listing = {
            "title": f"{opt.name}: {opt.phase}, epoch {opt.label}",
            "about": self.about,
            "data": self.data,
            "scored_by": self.scored_by,
            "directions": self.directions,
            "picture_width": opt.display_winsize,
            "pictures": [self.sections[key] for key in in_order],
        }
        write_json(self.folder / LISTING, listing)
        write_page(self.folder, listing)
        print(f"page: {(self.folder / 'index.html').resolve()}")


def numbers_of(numbers: Mapping[str, Tensor], sample: int) -> dict[str, list]:
    """The numbers of a sample by name."""
    return {name: values[sample].tolist() for name, values in numbers.items()}


def visuals_of(columns: Sequence) -> dict[str, Tensor]:
    """Images and unions of masks by name, [B, 1 or 3, H, W] in [-1, 1]."""
    visuals = {f"{column.role}_img": column.scene.image for column in columns}
    return visuals | {
        f"{column.role}_seg": column.scene.union() * 2 - 1
        for column in columns
        if column.scene.masks.shape[1]
    }


def masks_of(scene: "Scene", sample: int) -> dict[int, np.ndarray]:
    """The instances of a sample by number, bool [H, W], in the order of their translation."""
    masks = (scene.masks[sample] > 0).numpy()
    return {number: masks[slot] for slot, number in enumerate(scene.numbers[sample])}


def to_levels(mask: np.ndarray) -> np.ndarray:
    """bool -> 0 and 255."""
    return mask.astype(np.uint8) * 255


def boxes_of(
    before: Mapping[int, np.ndarray], after: Mapping[int, np.ndarray]
) -> dict[int, list[int]]:
    """top, left, height and width of what each instance was and became, with a margin."""
    boxes = {}
    for number, mask in before.items():
        both = mask | after.get(number, mask)
        if both.any():
            (top, height), (left, width) = stretch(both.any(1)), stretch(both.any(0))
            boxes[number] = [top, left, height, width]
    return boxes


def scaled(box: Sequence[int], down: float, across: float) -> list[int]:
    """A box of pixels in a picture that was stretched by these factors."""
    return [round(x * by) for x, by in zip(box, (down, across, down, across), strict=True)]


def stretch(there: np.ndarray) -> tuple[int, int]:
    """Start and length of what is true in [N], with a margin."""
    places = np.flatnonzero(there)
    margin = 2 + (places[-1] - places[0]) // 8
    start, stop = max(0, places[0] - margin), min(len(there), places[-1] + 1 + margin)
    return int(start), int(stop - start)
