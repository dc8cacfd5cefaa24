#!/usr/bin/env python3
"""Translate any picture or video: `python translate.py --name RUN photo.png`."""

import sys
from pathlib import Path

from tqdm import tqdm

from data.masks import read_masks
from options.translate_options import TranslateOptions, names_a_finder
from translation.finders import finder_of
from translation.inputs import as_image, box_masks
from translation.result import Result, write
from translation.sources import Source, sources_of
from translation.translator import Translator
from util.errors import command
from util.memory import enough_memory

LESS_MEMORY = "give --size PIXELS, or try --precision bf16"


@command
def main(argv: list[str] | None = None) -> None:
    opt = TranslateOptions().parse(argv)
    with enough_memory(LESS_MEMORY):
        translate_all(opt)


def translate_all(opt) -> None:
    """Translate what the options name, and say what became of it."""
    finds = bool(opt.masks) and names_a_finder(opt.masks[0])
    sources = sources_of(opt.pictures, [] if finds else opt.masks)
    translator = Translator(opt, finder_of(opt.masks[0], opt) if finds else None)
    if (opt.masks or opt.box) and not translator.needs_masks:
        print(f"note: --model {opt.model} translates whole pictures, and looks at no masks")
    bar = tqdm(sources, unit="file", disable=not sys.stderr.isatty() or len(sources) == 1)
    for source in bar:
        step = translate_video if source.is_video else translate_picture
        tqdm.write(step(opt, translator, source))


def translate_picture(opt, translator: Translator, source: Source) -> str:
    """Write what one picture becomes; returns a line to print."""
    image = as_image(source.path, opt.input_nc)
    size, masks = image.shape[:2], None
    if opt.box:
        masks = box_masks(opt.box, size, source.path)
    elif source.masks is not None:
        masks = read_masks(source.masks, source.path, size)
    if line := translator.advice(size):
        print(f"note: {source.path} {line}")
    result = translator(image, masks)
    out = Path(opt.out)
    result.save(out / f"{source.name}.png")
    write(result.before_after(), out / f"{source.name}_before_after.png")
    if opt.everything:
        result.save_everything(out, source.name)
    return f"{source.path}: {account(translator, result)} -> {out / source.name}.png"


def account(translator: Translator, result: Result) -> str:
    """What was translated, in words."""
    way = translator.way.words
    if not translator.needs_masks:
        return f"translated, {way}"
    count = len(result.numbers)
    if not count:
        return "no instance found, the picture is as it was"
    words = f"{count} instance{'s' if count > 1 else ''} translated, {way}"
    if result.left_out and not translator.opt.instances:
        words += f"; {result.left_out} stay, for --ins_max is {translator.opt.ins_max}"
    return words


def translate_video(opt, translator: Translator, source: Source) -> str:
    """Write what a video becomes; returns a line to print."""
    from translation.video import translate_video as frame_by_frame  # needs PyAV

    path = Path(opt.out) / f"{source.name}.mp4"
    return f"{source.path}: {frame_by_frame(translator, source.path, path, opt.smooth)} -> {path}"


if __name__ == "__main__":
    main(sys.argv[1:])
