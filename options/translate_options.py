"""Options of `translate.py`, and of the same from Python."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from models import find_model
from options.parser import OptionParser
from options.test_options import TestOptions

OF_FOLDERS = (  # options of test.py that are about datasets, and say nothing of single pictures
    *("dataroot", "phase", "num_test", "results_dir", "aspect_ratio", "dry_run", "resize_or_crop"),
    *("dataset_mode", "max_dataset_size", "display_winsize", "loadSizeH", "loadSizeW", "fineSizeH"),
    *("fineSizeW", "no_flip", "serial_batches", "no_mask", "num_threads"),
    *("load_size", "crop_size", "batch_size"),
)
OF_THE_COMMAND = ("pictures", "masks", "box", "out", "everything", "smooth")  # not for Python
KINDS = ("auto", "maskrcnn")  # of what finds masks: the word before the colon


class TranslateOptions(TestOptions):
    """Flags of `translate.py`: its own, and those of `test.py` that are about networks."""

    description = "Translate pictures, folders of pictures or videos with a trained run."
    direction = None
    further = ()
    direction_help = "from which domain to which (default: the first that the run has)"
    usage = (
        "%(prog)s --name RUN PICTURE… [--masks FILE… | auto:RUN | maskrcnn:CATEGORY | --box …] "
        "[options]"
    )

    def add_arguments(self, parser: OptionParser) -> None:
        super().add_arguments(parser)
        parser.usage = self.usage
        parser.add_argument("pictures", nargs="*", metavar="PICTURE", help="files or folders")
        self.add_mask_arguments(parser.group("masks"))
        group = parser.group("results")
        group.add_argument(
            "--out", default="translated", metavar="FOLDER", help="where results are written"
        )
        group.add_argument(
            "--size",
            type=int,
            metavar="PIXELS",
            help="translate with the longer side at most this long; what changed is enlarged "
            "again, all else keeps its own pixels (default: at each picture's own size)",
        )
        group.add_argument(
            "--everything",
            action="store_true",
            help="write masks, and the picture after each step, as well",
        )
        group = parser.group("video")
        group.add_argument(
            "--smooth",
            type=float,
            default=0.0,
            metavar="SHARE",
            help="how much of a frame's masks comes from the frames before, 0 to 0.95; 0.5 to 0.7 "
            "is a good choice",
        )
        parser.set_defaults(dataroot=".", phase="none", keep_size=True)

    def parser(self, first: argparse.Namespace | None = None) -> OptionParser:
        parser = super().parser(first)
        for action in parser._actions:
            if action.dest in (*OF_FOLDERS, "keep_size"):  # which is so anyway
                action.help = argparse.SUPPRESS
        if first is not None:
            parser.set_defaults(**find_model(first.model).defaults_for_pictures)
        return parser

    def add_mask_arguments(self, group) -> None:
        group.add_argument(
            "--masks",
            nargs="+",
            default=[],
            metavar="FROM",
            help="files, one for each instance of the picture; folders of STEM_0.png, STEM_1.png, "
            "…; auto:RUN, a trained --model mask_predictor; or maskrcnn:CATEGORY, such as "
            "maskrcnn:sheep",
        )
        group.add_argument(
            "--box",
            type=box,
            action="append",
            default=[],
            metavar="X0,Y0,X1,Y1",
            help="a rectangle in pixels that is taken for an instance; may be given several times",
        )
        group.add_argument(
            "--maskrcnn_weights",
            default="coco",
            metavar="FILE",
            help="of maskrcnn: a file, or coco (fetched by torchvision)",
        )

    def direction_names(self, opt: argparse.Namespace) -> Sequence[str]:
        return [way.name for way in find_model(opt.model).ways(opt)]

    def complete(self, opt: argparse.Namespace) -> None:
        super().complete(opt)
        opt.direction = opt.direction or self.direction_names(opt)[0]
        if opt.masks and names_a_finder(opt.masks[0]):  # what stands behind it is a picture
            opt.pictures, opt.masks = [*opt.pictures, *opt.masks[1:]], opt.masks[:1]
        if getattr(opt, "set_order", "") == "random" and "set_order" not in opt.typed:
            opt.set_order = "decreasing"  # random was for the training

    def problems(self, opt: argparse.Namespace) -> Iterator[str]:
        if wrong := [flag for flag in OF_FOLDERS if flag in opt.typed]:
            yield f"--{wrong[0]} is about datasets: leave it out, or translate one by test.py"
            return
        yield from super().problems(opt)
        if opt.size is not None and opt.size < opt.least_size:
            yield f"--size {opt.size}: at least {opt.least_size}"
        if not 0 <= opt.smooth <= 0.95:
            yield f"--smooth {opt.smooth}: from 0 to 0.95"
        if opt.masks and opt.box:
            yield "--masks and --box exclude each other"
        by_detector = any(word.startswith("maskrcnn:") for word in opt.masks)
        if "maskrcnn_weights" in opt.typed and not by_detector:
            yield f"--maskrcnn_weights {opt.maskrcnn_weights}: needs --masks maskrcnn:CATEGORY"


def names_a_finder(word: str) -> bool:
    """Whether a word of --masks names what finds masks, and no file."""
    kind, colon, _ = word.partition(":")
    return kind in KINDS and bool(colon)


def box(text: str) -> tuple[int, int, int, int]:
    """`10,20,60,80` -> (10, 20, 60, 80): left, top, right and bottom."""
    try:
        left, top, right, bottom = (int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: four whole numbers, X0,Y0,X1,Y1") from None
    if not (0 <= left < right and 0 <= top < bottom):
        raise argparse.ArgumentTypeError(f"{text}: left to right and top to bottom, none below 0")
    return left, top, right, bottom


def options_of_run(folder: Path | str, words: Sequence[str] = ()) -> argparse.Namespace:
    """The options of a run's folder, with some typed. Raises UserError or SystemExit(2)."""
    folder = Path(folder)
    where = ["--name", folder.name, "--checkpoints_dir", str(folder.parent)]
    return TranslateOptions().parse([*where, *words])
