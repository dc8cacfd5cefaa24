"""What `test.py` leaves behind: pictures, instance masks, and a page that shows them."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm import tqdm

from util.files import write_json
from util.html import Page, rows_of
from util.images import save_png, to_pixels

if TYPE_CHECKING:  # for the names of types alone: util imports nothing of the other rooms
    from data.scene import Scene

LISTING = "results.json"
SCORES = ("metrics.json", "metrics_detail.json")


class Results:
    """The folder `results/NAME/PHASE_EPOCH`, filled picture by picture.

    Besides the pictures, `images/STEM_VISUAL.png`, it holds every instance's mask before and after,
    `STEM_real_A_mask_0.png` and `STEM_fake_B_mask_0.png`, and a list of what was translated.
    """

    def __init__(self, folder: Path, opt, how: Mapping | None):
        """how is what brought the pictures to size, None if nothing did; it is written down."""
        self.folder = folder
        self.opt = opt
        self.data = {
            "dataroot": opt.dataroot,
            "phase": opt.phase,
            "channels": opt.input_nc,
            "aspect_ratio": opt.aspect_ratio,
            "preprocessing": how,
        }
        self.sections: dict[tuple[str, int], dict] = {}
        self.bar: tqdm | None = None
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for name in SCORES:  # of an earlier translation
            (folder / name).unlink(missing_ok=True)

    def add(
        self,
        places: Sequence[int],
        real: "Scene",
        fake: "Scene",
        visuals: Mapping[str, Tensor],
        target: str,
    ) -> None:
        """Write one batch: every visual and every instance's mask.

        places are those of its pictures on the page, among the ones with this target. fake has the
        masks that the model translated, which may be fewer than the picture's or none.
        """
        source = "A" if target == "B" else "B"
        for i, name in enumerate(real.names):
            files = {}
            for visual, batch in visuals.items():
                files[visual] = f"images/{name}_{visual}.png"
                save_png(to_pixels(batch[i]), self.folder / files[visual], self.opt.aspect_ratio)
            masks = self.save_masks(real, i, f"real_{source}")
            masks |= self.save_masks(fake, i, f"fake_{target}")
            self.sections[target, places[i]] = {
                "name": name,
                "source": source,
                "instances": len(real.numbers[i]),
                "width": real.image.shape[-1],
                "files": files,
                "masks": masks,
            }

    def save_masks(self, scene: "Scene", sample: int, role: str) -> dict[str, str]:
        """Write the masks of one sample, by their numbers; returns the files."""
        files = {}
        for slot, number in enumerate(scene.numbers[sample]):
            mask = torch.where(scene.masks[sample, slot] > 0, 1.0, -1.0)[None]
            key = f"{role}_mask_{number}"
            files[key] = f"images/{scene.names[sample]}_{key}.png"
            save_png(to_pixels(mask), self.folder / files[key], self.opt.aspect_ratio)
        return files

    def report(self, letter: str, done: int, count: int, available: int) -> None:
        """A progress bar, or on no terminal one line per domain."""
        if self.bar is None:
            self.bar = tqdm(
                total=count, unit="img", desc=f"domain {letter}", disable=not sys.stderr.isatty()
            )
        self.bar.update(done - self.bar.n)
        if done >= count:
            self.bar.close()
            self.bar = None
            print(f"domain {letter}: translated {count} of {available} pictures")

    def write(self) -> None:
        """Write the list of the pictures and the page."""
        opt = self.opt
        in_order = sorted(self.sections, key=lambda of: ("BA".index(of[0]), of[1]))
        listing = {
            "title": f"{opt.name}: {opt.phase}, epoch {opt.label}",
            "about": f"Model {opt.model}, data {opt.dataroot}. Each row: the picture, its "
            "translation, and its translation back; then the unions of their instance masks.",
            "picture_width": opt.display_winsize,
            "data": self.data,
            "pictures": [self.sections[key] for key in in_order],
        }
        write_json(self.folder / LISTING, listing)
        write_page(self.folder, listing)
        print(f"page: {(self.folder / 'index.html').resolve()}")


def write_page(
    folder: Path,
    listing: Mapping,
    scores: Sequence[Sequence[str]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write `index.html`: notes, a table of scores, its header first, and the listed pictures."""
    page = Page(listing["title"], [listing["about"], *notes], listing["picture_width"])
    if scores:
        page.add_table(scores[0], scores[1:])
    width = max((picture["width"] for picture in listing["pictures"]), default=0)
    for picture in listing["pictures"]:
        there = "A to B" if picture["source"] == "A" else "B to A"
        count = picture["instances"]
        note = f"{count} instance{'s' * (count != 1)}" if count is not None else ""
        files = picture["files"]
        page.add_section(f"{picture['name']}, {there}", rows_of(list(files), files), note, width)
    page.write(folder / "index.html")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
