"""Options of translation."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from models import find_model
from options.base_options import OPTIONS_FILE, BaseOptions, run_folder
from options.parser import OptionParser
from training.distributed import world_size

OF_DATA = (  # options of the run that a test takes, besides the model's
    *("model", "dataset_mode", "input_nc", "output_nc", "ins_max", "set_order", "no_mask", "exif"),
    *("fineSizeH", "fineSizeW", "resize_or_crop"),
)
WEIGHTS = ("raw", "ema")


class TestOptions(BaseOptions):
    """Flags of `test.py`; what the run was trained with stands in for the defaults."""

    __test__ = False  # not a test class, whatever pytest makes of the name
    description = "Translate pictures with a trained model and write a page of results."
    direction: str | None = "both"
    further = ("both",)  # besides the directions of the model
    direction_help = "one direction reads only its own domain"

    def add_arguments(self, parser) -> None:
        super().add_arguments(parser)
        group = parser.group("the run")
        group.add_argument(
            "--phase", default="test", help="which folders to translate: PHASEA, PHASEB"
        )
        group.add_argument(
            "--num_test", "--how_many", type=int, help="pictures per domain (default: all)"
        )
        group.add_argument("--eval", action="store_true", help="networks in evaluation mode")
        add_weights_argument(group)
        group = parser.group("results")
        group.add_argument("--results_dir", default="./results/", help="where results are written")
        group.add_argument(
            "--keep_size",
            action="store_true",
            help="translate at each picture's own size, not fineSize",
        )
        group.add_argument(
            "--aspect_ratio",
            type=float,
            default=1.0,
            help="width over height to stretch results by",
        )
        parser.set_defaults(no_flip=True, serial_batches=True)

    def parser(self, first: argparse.Namespace | None = None) -> OptionParser:
        parser = super().parser(first)
        if first is not None:
            names = [*(way.name for way in find_model(first.model).directions), *self.further]
            parser.group("the run").add_argument(
                "--direction",
                metavar=f"{{{','.join(names)}}}",
                default=self.direction,
                help=self.direction_help,
            )
        return parser

    def direction_names(self, opt: argparse.Namespace) -> Sequence[str]:
        """What `--direction` can be with these options."""
        return (*(way.name for way in find_model(opt.model).directions), *self.further)

    def inherited(self, first: argparse.Namespace, model: type) -> Sequence[str]:
        return (*OF_DATA, *model.architecture_options)

    def complete(self, opt: argparse.Namespace) -> None:
        super().complete(opt)
        opt.phase = existing_phase(opt)
        opt.no_flip = opt.serial_batches = True
        opt.has_saved_options = (run_folder(opt) / OPTIONS_FILE).is_file()
        for side in "HW":
            if getattr(opt, f"loadSize{side}") is None:
                setattr(opt, f"loadSize{side}", getattr(opt, f"fineSize{side}"))

    def problems(self, opt: argparse.Namespace):
        yield from super().problems(opt)
        if world_size() > 1:
            yield "only train.py runs in several processes: start this with python, not torchrun"
        names = self.direction_names(opt)
        if opt.direction not in names:
            yield f"--direction {opt.direction}: --model {opt.model} has {' and '.join(names)}"
        if opt.num_test is not None and opt.num_test < 1:
            yield f"--num_test {opt.num_test}: at least 1"
        if opt.aspect_ratio <= 0:
            yield f"--aspect_ratio {opt.aspect_ratio}: must be positive"


def add_weights_argument(group) -> None:
    """Which of a run's weights to translate with; for `export.py` as well."""
    group.add_argument(
        "--weights",
        type=kind_of_weights,
        metavar="{raw,ema}",
        help="of the last step, or averaged by train.py --ema (default: ema, if there are any)",
    )


def kind_of_weights(text: str) -> str:
    if text not in WEIGHTS:
        raise argparse.ArgumentTypeError(
            f"{text}: raw or ema; those of evaluate.py's classifier are --classifier_weights"
        )
    return text


def existing_phase(opt: argparse.Namespace) -> str:
    """The phase; `val` where `test` was not typed and is not there, as COCO and CCP have it."""
    if "phase" in opt.typed or opt.phase != "test" or not opt.dataroot:
        return opt.phase
    folders = [path.name for path in Path(opt.dataroot).glob("*[AB]") if path.is_dir()]
    if any(name in ("testA", "testB") for name in folders) or not {"valA", "valB"} & {*folders}:
        return opt.phase
    print(f"note: {opt.dataroot} has no phase test, its phase val is translated (see --phase)")
    return "val"
