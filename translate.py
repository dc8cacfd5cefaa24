#!/usr/bin/env python3
"""Translate any picture or video: `python translate.py --name RUN photo.png`."""

import sys
from pathlib import Path

from tqdm import tqdm

from options.translate_options import TranslateOptions, names_a_finder
from translation.finders import finder_of
from translation.inputs import as_image, box_masks
from translation.result import Result, write
from translation.sources import Source, check_overwriting, sources_of
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
    check_overwriting(sources, Path(opt.out))
    translator = Translator(opt, finder_of(opt.masks[0], opt) if finds else None)
    if opt.verbose:
        print(*translator.run.model.networks.values(), sep="\n")
    if (opt.masks or opt.box) and not translator.needs_masks:
        print(f"note: --model {opt.model} translates whole pictures, and looks at no masks")
    for source in tqdm(sources, unit="file", disable=not sys.stderr.isatty()):
        step = translate_video if source.is_video else translate_picture
        tqdm.write(step(opt, translator, source))


def translate_picture(opt, translator: Translator, source: Source) -> str:
    """Write what one picture becomes; returns a line to print."""
    image = as_image(source.path, opt.input_nc)
    size, masks, numbers = image.shape[:2], source.masks, source.numbers
    if opt.box:
        masks = box_masks(opt.box, size, source.path)
        numbers = range(len(masks))
    if line := translator.advice(size):
        tqdm.write(f"note: {source.path} {line}")
    called = [numbers] if masks is not None else None
    (result,) = translator.translate([source.path], [masks], numbers=called)
    out = Path(opt.out)
    result.save(out / f"{source.name}.png")
    write(result.before_after(), out / f"{source.name}_before_after.png")
    if opt.everything:
        result.save_everything(out, source.name)
    return f"{source.path}: {account(translator, result)} -> {out / source.name}.png"


def account(translator: Translator, result: Result) -> str:
    """What was translated, in words."""
    model, count = translator.run.model, len(result.numbers)
    several = f"{count} instance{'s' if count != 1 else ''}"
    if model.finds_masks:
        return f"{several} found"
    if not translator.needs_masks:
        return f"translated, {translator.way.words}"
    if not count:
        return f"no instance {why_none(translator, result)}, the picture is as it was"
    what = several if model.tells_instances_apart else "objects"
    return f"{what} translated, {translator.way.words}{rest(translator, result)}"


def why_none(translator: Translator, result: Result) -> str:
    """Why nothing was translated, after the words `no instance`."""
    if result.left_out:
        return f"left at --size {translator.opt.size}"
    wanted = translator.opt.instances
    return f"of --instances {','.join(map(str, wanted))}" if wanted else "found"


def rest(translator: Translator, result: Result) -> str:
    """What was asked for and not translated, at the end of a line."""
    if not result.left_out:
        return ""
    small = f" or too small at --size {translator.opt.size}" if translator.opt.size else ""
    return f"; {result.left_out} stay, beyond --ins_max {translator.opt.ins_max}{small}"


def translate_video(opt, translator: Translator, source: Source) -> str:
    """Write what a video becomes; returns a line to print."""
    from translation.video import translate_video as frame_by_frame  # needs PyAV

    path = Path(opt.out) / f"{source.name}.mp4"
    return f"{source.path}: {frame_by_frame(translator, source.path, path, opt.smooth)} -> {path}"


if __name__ == "__main__":
    main(sys.argv[1:])
