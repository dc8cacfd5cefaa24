"""Options and datasets that nobody thought of, for hypothesis to draw."""

import shutil
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from options.parser import OptionParser
from options.train_options import TrainOptions

SMALL = "--gpu_ids -1 --ngf 2 --ndf 2 --n_blocks 1 --load_size 32 --crop_size 24 --display_id 0"
# Options of which any value is fine and slow, or which reach beyond this machine.
LEFT_OUT = {
    *("--help", "-h", "--dataroot", "--name", "--checkpoints_dir", "--compile", "--gpu_ids"),
    *("--logger", "--display_id", "--display_start", "--display_server", "--wandb_project"),
    *("--data_patience", "--eval_epoch_freq", "--eval_metric", "--num_threads", "--nThreads"),
    *("--verbose", "--cache", "--precision", "--dist_timeout"),
}
NUMBERS = (-1, 0, 1, 2, 3, 4, 5, 7, 8, 24, 28, 32, 33, 36, 64)
WORDS = ("", "x", "..", "a b", "ü", "{model}", "{", "'\"<script>", "0", "-1", "nan", "é/è")
MODES = {"RGB": "png", "L": "png", "RGBA": "png", "LA": "png", "P": "png", "1": "png"}
MODES |= {"I;16": "png", "I": "tif", "F": "tif", "CMYK": "jpg"}


# ---- options


def flags() -> list:
    """Every option of train.py, as argparse knows it."""
    found = []
    honest = OptionParser.parse_args

    def look(self, *arguments, **more):
        found.extend(self._actions)
        return honest(self, *arguments, **more)

    OptionParser.parse_args = look
    try:
        TrainOptions().parse(["--dataroot", ".", *SMALL.split()])
    finally:
        OptionParser.parse_args = honest
    return [a for a in found if a.option_strings and not {*a.option_strings} & LEFT_OUT]


def values_of(action) -> st.SearchStrategy[list[str]]:
    """What may be typed after a flag."""
    if action.nargs == 0:
        return st.just([])
    if action.choices:
        one = st.sampled_from([*map(str, action.choices), "nonsense"])
    elif action.type is int:
        one = st.sampled_from([*map(str, NUMBERS), "1.5", "x"])
    elif action.type is float:
        one = st.sampled_from(["-1", "0", "0.5", "1", "10", "1e30", "nan", "inf", "x"])
    else:
        one = st.sampled_from([*WORDS, *map(str, NUMBERS)])
    many = action.nargs in ("+", "*")
    return st.lists(one, min_size=1, max_size=3) if many else st.lists(one, min_size=1, max_size=1)


def option_sets() -> st.SearchStrategy[list[str]]:
    def typed(action) -> st.SearchStrategy[list[str]]:
        names = st.sampled_from(action.option_strings)
        return st.tuples(names, values_of(action)).map(lambda pair: [pair[0], *pair[1]])

    some = st.lists(st.sampled_from(flags()).flatmap(typed), min_size=1, max_size=6)
    return some.map(lambda parts: [word for part in parts for word in part])


# ---- datasets


@st.composite
def datasets(draw) -> list[tuple]:
    """Pictures of both domains: their sizes, modes, masks, and what is odd about some of them."""
    usual = st.sampled_from(((32, 32), (40, 57), (24, 33)))
    odd = st.tuples(st.sampled_from((1, 23, 24)), st.sampled_from((1, 24, 57)))
    sizes = st.one_of(usual, usual, usual, odd)
    kinds = ("full", "half", "half", "half", "grey", "empty", "of another size", "broken")
    name = st.sampled_from(("a", "b 1", "c_0", "ü", "d.e", "f_1_2", "'<i>"))
    mask = st.tuples(
        st.sampled_from((0, 1, 7, 10**6)),
        st.sampled_from(kinds),
        st.sampled_from(("L", "1", "RGB", "P", "I;16")),
    )
    picture = st.tuples(
        st.sampled_from("AB"),
        name,
        sizes,
        st.sampled_from(sorted(MODES)),
        st.lists(mask, max_size=3),
    )
    good = [(domain, "good", (32, 32), "RGB", [(0, "half", "L")]) for domain in "AB"]
    return [*good, *draw(st.lists(picture, max_size=3))]


def write_dataset(root: Path, pictures: list[tuple]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    for domain in "AB":
        for folder in (f"train{domain}", f"train{domain}_seg"):
            (root / folder).mkdir(parents=True)
    for domain, name, (height, width), mode, masks in pictures:
        pixels = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
        save(Image.fromarray(pixels), mode, root / f"train{domain}" / f"{name}.{MODES[mode]}")
        for number, kind, mask_mode in masks:
            size = (height + 1, width) if kind == "of another size" else (height, width)
            level = {"empty": 0, "grey": 100}.get(kind, 255)
            values = np.full(size, level, np.uint8)
            if kind == "half":
                values[:, : width // 2] = 0
            path = root / f"train{domain}_seg" / f"{name}_{number}.png"
            save(Image.fromarray(values), mask_mode, path)
            if kind == "broken":
                path.write_bytes(path.read_bytes()[:40])


def save(picture: Image.Image, mode: str, path: Path) -> None:
    """In a mode that Pillow does not convert to by itself, too."""
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    picture.save(path)
