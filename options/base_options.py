"""Options that training and testing share."""

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path, PurePath

import torch

import data
import models
from options.device_options import add_device_arguments, device_problems
from options.parser import OptionParser, SizePair
from training.device import parse_gpu_ids
from training.distributed import is_main
from util.errors import UserError
from util.files import write_text

MODES = (
    *("resize_and_crop", "crop", "scale_width", "scale_width_and_crop"),
    *("scale_shorter", "scale_shorter_and_crop", "enlarge_and_crop", "none"),
)
OPTIONS_FILE = "options.json"


class BaseOptions:
    """Collects the flags of command, model and dataset, and checks them together."""

    is_train = False
    description = ""

    def parse(self, argv: list[str] | None = None) -> argparse.Namespace:
        """The options as a namespace. Raises UserError, a line per mistake, or SystemExit(2)."""
        first, _ = self.parser().parse_known_args(argv)
        first, _ = self.parser(first).parse_known_args(argv)  # with what --suffix may name
        if saved := self.saved_options(first):
            base = self.parser()
            base.set_defaults(**saved)
            first, _ = base.parse_known_args(argv)  # the run's model, if none is typed
        parser = self.parser(first)
        parser.set_defaults(**saved)
        parser.add_argument("-h", "--help", action="help", help="show this help and exit")
        opt = parser.parse_args(argv)
        opt.is_train = self.is_train
        words = {word.split("=")[0] for word in (sys.argv[1:] if argv is None else argv)}
        opt.typed = [a.dest for a in parser._actions if words & set(a.option_strings)]
        self.defaults = {
            a.dest: a.default for a in parser._actions if a.default is not argparse.SUPPRESS
        }
        self.complete(opt)
        if problems := list(self.problems(opt)):
            raise UserError("\nerror: ".join(problems))
        return opt

    def parser(self, first: argparse.Namespace | None = None) -> OptionParser:
        """A parser of the command's options, and of those of the model and dataset in `first`."""
        parser = OptionParser(self.description)
        self.add_arguments(parser)
        if first is None:
            return parser
        model, dataset = models.find_model(first.model), data.find_dataset(first.dataset_mode)
        if "masks" in model.needs and not dataset.with_masks:
            raise UserError(
                f"--dataset_mode {first.dataset_mode} reads no masks and --model {first.model} "
                "needs them: use --dataset_mode unaligned_seg"
            )
        for part in (model, dataset):
            part.modify_commandline_options(parser, self.is_train)
        return parser

    def known(self, words: Sequence[str], argv: Sequence[str]) -> list[str]:
        """Of typed flags with their values, those that the model in `argv` has."""
        first, _ = self.parser().parse_known_args(argv)
        flags, kept, takes = self.parser(first)._option_string_actions, [], False
        for word in words:
            takes = word in flags if word.startswith("--") else takes
            kept += [word] if takes else []
        return kept

    def add_arguments(self, parser: OptionParser) -> None:
        group = parser.group("the run")
        group.add_argument("--dataroot", help="dataset folder with trainA, trainA_seg, trainB, …")
        group.add_argument("--name", default="experiment_name", help="name of the run")
        group.add_argument("--suffix", default="", help="appended to --name, e.g. {model}_{netG}")
        group.add_argument("--checkpoints_dir", default="./checkpoints", help="where runs are kept")
        group.add_argument(
            "--model", default="insta_gan", help=f"one of: {', '.join(models.names())}"
        )
        group.add_argument(
            "--epoch", "--which_epoch", default="latest", help="which saved weights to load"
        )
        group.add_argument(
            "--load_iter", type=int, default=0, help="load iter_N instead of --epoch"
        )
        group.add_argument("--seed", type=int, default=0, help="everything random hangs on it")
        group.add_argument("--verbose", action="store_true", help="print the networks")
        group.add_argument(
            "--dry_run",
            action="store_true",
            help="check options and data, print the plan, write nothing",
        )
        self.add_data_arguments(parser.group("data"))
        group = parser.group("networks")
        for flag, domain in (("input_nc", "A"), ("output_nc", "B")):
            group.add_argument(
                f"--{flag}", type=int, default=3, help=f"channels of {domain}: 3 colour, 1 grey"
            )
        group = parser.group("device")
        add_device_arguments(group)
        group.add_argument(
            "--num_threads",
            "--nThreads",
            type=int,
            help="loader processes of training (default: 4; on a CPU 0)",
        )

    def add_data_arguments(self, group) -> None:
        group.add_argument(
            "--dataset_mode", default="unaligned_seg", help=f"one of: {', '.join(data.names())}"
        )
        group.add_argument(
            "--batch_size", "--batchSize", type=int, default=1, help="pictures per domain"
        )
        for side in "HW":
            name = {"H": "height", "W": "width"}[side]
            group.add_argument(
                f"--loadSize{side}", type=int, help=f"{name} to resize to (default 220)"
            )
            group.add_argument(
                f"--fineSize{side}", type=int, help=f"{name} to crop to (default 200)"
            )
        for flags, kind in (
            (("--load_size", "--loadSize"), "load"),
            (("--crop_size", "--fineSize"), "fine"),
        ):
            group.add_argument(
                *flags,
                type=int,
                nargs="+",
                action=SizePair,
                const=(f"{kind}SizeH", f"{kind}SizeW"),
                default=argparse.SUPPRESS,
                metavar="N",
                help=f"both {kind} sizes: one number, or height and width",
            )
        group.add_argument(
            "--resize_or_crop",
            "--preprocess",
            choices=MODES,
            default="resize_and_crop",
            help="scale_width: the width to loadSizeW, aspect kept; scale_shorter: likewise the "
            "shorter side to the smaller load size; crop: as large as they are, too small ones are "
            "refused, and made larger by enlarge_and_crop; none: rounded to multiples of 4",
        )
        group.add_argument("--no_flip", action="store_true", help="no random horizontal flip")
        group.add_argument(
            "--serial_batches", action="store_true", help="pictures in order, not shuffled"
        )
        group.add_argument(
            "--max_dataset_size", type=int, help="use this many pictures per domain at most"
        )
        group.add_argument(
            "--display_winsize",
            type=int,
            metavar="PIXELS",
            help="picture width on the training page and in the table of results (default: 128 in "
            "the table, on the training page as the window allows)",
        )

    def saved_options(self, first: argparse.Namespace) -> dict:
        """Options that the run was begun with and that stand in for the defaults."""
        path = Path(first.checkpoints_dir) / run_name(first) / OPTIONS_FILE
        if not path.is_file():
            return {}
        try:
            saved = json.loads(path.read_text())
            model = models.find_model(saved.get("model", first.model))
        except (ValueError, AttributeError):
            raise UserError(
                f"{path} is no JSON: delete it and type the options that the run was begun with"
            ) from None
        return {name: saved[name] for name in self.inherited(first, model) if name in saved}

    def inherited(self, first: argparse.Namespace, model: type) -> Sequence[str]:
        """The names of these options; model is the class of the run's model."""
        return ()

    def complete(self, opt: argparse.Namespace) -> None:
        """Fill in what depends on other options or on the machine."""
        opt.name = run_name(opt)
        opt.label = f"iter_{opt.load_iter}" if opt.load_iter else opt.epoch
        opt.gpu_ids = parse_gpu_ids(opt.gpu_ids)
        model = models.find_model(opt.model)
        model.complete_options(opt)
        opt.extras, opt.needs_masks = model.extras_of(opt), model.needs_masks(opt)
        if opt.num_threads is None:
            opt.num_threads = 4 if opt.gpu_ids else 0
        for side in "HW":
            if getattr(opt, f"fineSize{side}") is None:
                setattr(opt, f"fineSize{side}", 200)
        opt.size_multiple, opt.least_size = model.size_multiple(opt), model.least_size(opt)

    def problems(self, opt: argparse.Namespace):
        """One line for each value that cannot work."""
        if not opt.dataroot:
            yield "--dataroot is missing: name the dataset's folder"
        elif not Path(opt.dataroot).is_dir():
            yield f"--dataroot {opt.dataroot}: there is no such folder"
        at_least_one = ("batch_size", "ins_max", "max_dataset_size", "display_winsize")
        for flag in (*at_least_one, "num_threads", "seed", "load_iter"):
            value, least = getattr(opt, flag, None), int(flag in at_least_one)
            if value is not None and value < least:
                yield f"--{flag} {value}: at least {least}"
        if opt.seed >= 2**63:
            yield f"--seed {opt.seed}: less than 2^63"
        if not is_inside(opt.name):
            yield f"--name {opt.name!r}: a folder below {opt.checkpoints_dir}, such as myrun"
        yield from device_problems(opt)
        yield from models.find_model(opt.model).option_problems(opt)
        if opt.input_nc != opt.output_nc or opt.input_nc not in (1, 3):
            yield (
                f"--input_nc {opt.input_nc} --output_nc {opt.output_nc}: "
                "both 3 (colour) or both 1 (grey)"
            )
        if "crop" in opt.resize_or_crop:
            yield from islice(self.size_problems(opt), 1)  # height and width share their mistake

    def size_problems(self, opt: argparse.Namespace):
        multiple, least = opt.size_multiple, opt.least_size
        for side in "HW":
            fine, load = getattr(opt, f"fineSize{side}"), getattr(opt, f"loadSize{side}")
            if fine % multiple:
                near = max(least, round(fine / multiple) * multiple)
                yield f"--fineSize{side} {fine}: must be a multiple of {multiple}, such as {near}"
            elif fine < least:
                what = f"too small for --model {opt.model}"
                yield f"--fineSize{side} {fine}: {what}, at least {least}"
            elif opt.resize_or_crop == "resize_and_crop" and load < fine:
                yield f"--loadSize{side} {load} is smaller than --fineSize{side} {fine}: raise it"
        if opt.resize_or_crop == "scale_width_and_crop" and opt.loadSizeW < opt.fineSizeW:
            yield f"--loadSizeW {opt.loadSizeW} is below --fineSizeW {opt.fineSizeW}: raise it"
        shorter, fine = min(opt.loadSizeH, opt.loadSizeW), max(opt.fineSizeH, opt.fineSizeW)
        if opt.resize_or_crop == "scale_shorter_and_crop" and shorter < fine:
            yield f"--load_size {shorter} is below the crop's {fine}, so it may not fit: raise it"

    @staticmethod
    def saved(opt: argparse.Namespace) -> dict:
        """The options as they are written down."""
        return {name: value for name, value in vars(opt).items() if name != "typed"}

    def changed(self, opt: argparse.Namespace) -> dict:
        """The options that differ from their defaults."""
        own = self.saved(opt)
        known = {n: x for n, x in self.defaults.items() if x is not None or n in opt.typed}
        return {n: own[n] for n, x in sorted(known.items()) if n in own and own[n] != x}

    def text(self, opt: argparse.Namespace) -> str:
        """The options as a list, those that differ from their defaults marked."""
        lines = ["----------------- Options ---------------"]
        changed = self.changed(opt)
        for name, value in sorted(self.saved(opt).items()):
            mark = f"\t[default: {self.defaults[name]}]" if name in changed else ""
            lines.append(f"{name:>25}: {str(value):<30}{mark}".rstrip())
        return "\n".join([*lines, "----------------- End -------------------"]) + "\n"

    def save(self, opt: argparse.Namespace) -> None:
        """Write opt.txt for people and options.json for `test.py` into the run's folder."""
        if not is_main():
            return
        folder = run_folder(opt)
        write_text(folder / "opt.txt", self.text(opt))
        versions = {"torch": str(torch.__version__)}
        write_text(
            folder / OPTIONS_FILE,
            json.dumps(self.saved(opt) | {"versions": versions}, indent=1) + "\n",
        )


def run_name(opt: argparse.Namespace) -> str:
    """--name with the filled-in --suffix behind it."""
    try:
        return f"{opt.name}_{opt.suffix.format(**vars(opt))}" if opt.suffix else opt.name
    except (KeyError, IndexError, ValueError):
        raise UserError(
            f"--suffix {opt.suffix}: put names of options in braces, as {{model}}"
        ) from None


def is_inside(name: str) -> bool:
    """Whether a name is that of a folder below the one that it is put in."""
    path = PurePath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def run_folder(opt: argparse.Namespace) -> Path:
    """`checkpoints/NAME`."""
    return Path(opt.checkpoints_dir) / opt.name
