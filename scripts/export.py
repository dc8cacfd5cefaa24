#!/usr/bin/env python3
"""Export a trained generator for other programs: `python scripts/export.py --name shapes`.

Writes `exported/NAME_AtoB.onnx` and `exported/NAME_AtoB.pt2` (torch.export), each one call of the
generator on one picture of any height and width that are multiples of 4, and checks them:

    image   [1, C, H, W] and masks [1, N, H, W] in [-1, 1], present [1, N] bool
    -> translated_image [1, C, H, W], translated_masks [1, N, H, W]; an absent mask comes out as -1

More than N instances are translated group after group: the translated image is the next image.
A run with --paste is exported with it: only objects and what is close to them change. One with
--paste_on fill has a fourth input, others [1, 1, H, W] in [-1, 1]: where instances are that are not
among the masks, -1 elsewhere. They stay as they are, and lend the fill no colour.
CycleGAN's generators have image and translated_image alone; CycleGAN+Seg's one mask, the union.
MGD-GAN takes all masks at once, and to paint also background [1, C, H, W] and hole [1, 1, H, W],
in [-1, 1]: the picture without its objects, and where they were (datasets/make_backgrounds.py).
INIT takes image and style [1, 8], normally distributed numbers, and gives translated_image.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models import create_model, find_model
from models.base_model import BaseModel
from models.exporting import Exportable, Inputs
from options.base_options import run_folder
from options.test_options import TestOptions, add_weights_argument
from training.checkpoint import Checkpoints
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command
from util.files import write_atomic

TOLERANCE = 1e-4
SIZES = ((40, 48), (64, 64), (36, 56))  # height and width: the first is traced, others checked
SIDES = ("height", "width")
LARGEST = 4096
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    opt, checkpoints = options(args)
    model = load_model(opt, checkpoints)
    what, program, examples = prepared(model, opt, args.direction, args.masks)
    rows = [["file", *(size_of(inputs) for inputs in examples[:-1]), "an absent mask"]]
    for kind in args.format:
        path = args.output / f"{opt.name}_{args.direction}{SUFFIXES[kind]}"
        run = WRITERS[kind](program, path, what.outputs)
        differences = [largest_difference(run, what, inputs) for inputs in examples]
        rows.append([str(path), *(f"{value:.1e}" for value in differences)])
        if not max(differences) <= TOLERANCE:
            path.unlink()
            raise UserError(f"{path} differs from PyTorch by {max(differences):.1e}: not kept")
    print(f"largest difference to PyTorch (at most {TOLERANCE:.0e} is kept)\n{aligned(rows)}")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", required=True, help="name of the run")
    parser.add_argument("--checkpoints_dir", default="./checkpoints", help="where runs are kept")
    parser.add_argument("--epoch", default="latest", help="which saved weights (default: latest)")
    add_weights_argument(parser)
    parser.add_argument("--direction", default="AtoB", help="AtoB or BtoA: which generator")
    parser.add_argument(
        "--masks", type=int, help="masks per call (default: the run's --ins_per, or 2)"
    )
    parser.add_argument(
        "--format", choices=SUFFIXES, nargs="+", default=list(SUFFIXES), help="default: both"
    )
    parser.add_argument("--output", type=Path, default=Path("exported"), help="folder to write to")
    args = parser.parse_args(argv)
    if args.masks is not None and args.masks < 1:
        raise UserError(f"--masks {args.masks}: at least 1")
    if "onnx" in args.format:
        check_packages("--format onnx", ", or give --format torch")
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--output {args.output} cannot be written ({error.strerror}): name another folder"
        ) from None
    return args


def check_packages(what: str, otherwise: str = "") -> None:
    """Raise UserError where a package is missing that writes or runs ONNX files."""
    if missing := [name for name in PACKAGES if not find_spec(name)]:
        raise UserError(
            f"{what} needs {missing[0]}: pip install -r requirements-export.txt{otherwise}"
        )


def options(args: argparse.Namespace) -> tuple[argparse.Namespace, Checkpoints]:
    """The run's options, as `test.py` would have them."""
    words = ["--dataroot", ".", "--gpu_ids", "-1", "--phase", "none", "--name", args.name]
    words += ["--checkpoints_dir", args.checkpoints_dir, "--epoch", args.epoch]
    words += ["--weights", args.weights] if args.weights else []
    opt = TestOptions().parse(words)
    checkpoints = Checkpoints(run_folder(opt))
    if not opt.has_saved_options:
        find_model(opt.model).fit_options_to_weights(opt, checkpoints)
    return opt, checkpoints


def load_model(opt, checkpoints: Checkpoints) -> BaseModel:
    """The run's model with its weights, in evaluation mode."""
    model = create_model(opt, torch.device("cpu"))
    model.setup(checkpoints)
    model.eval()
    for network in model.networks.values():
        network.requires_grad_(False)
    return model


def source_of(model: BaseModel, direction: str) -> str:
    """The domain that a direction of the model starts from."""
    ways = {way.name: way.source for way in model.directions}
    if direction not in ways:
        raise UserError(f"--direction {direction}: this model has {', '.join(ways)}")
    return ways[direction]


def prepared(
    model: BaseModel, opt, direction: str, masks: int | None
) -> tuple[Exportable, ExportedProgram, list[Inputs]]:
    """A direction as a function, as a graph, and inputs of other sizes to compare the two by.

    The last inputs have a mask absent. Raises UserError for a direction that the model has not.
    """
    sizes = (model.size_multiple(opt), model.least_size(opt))
    what = model.exportable(source_of(model, direction), masks)
    first, *others = [tuple(rounded_up(side, *sizes) for side in case) for case in SIZES]
    examples = [what.example(*case, False) for case in others]
    examples.append(what.example(*others[-1], True))
    return what, traced(what, first, *sizes), examples


def size_of(inputs: Inputs) -> str:
    """HEIGHTxWIDTH of the picture."""
    return "x".join(map(str, inputs[0].shape[2:]))


def rounded_up(side: int, multiple: int, least: int) -> int:
    """A height or width that the model takes."""
    return -(-max(side, least) // multiple) * multiple


def traced(what: Exportable, size: tuple[int, int], multiple: int, least: int) -> ExportedProgram:
    """The network as a graph whose height and width are free."""
    low, high = -(-least // multiple), LARGEST // multiple
    height, width = (multiple * Dim(f"{side}_{multiple}", min=low, max=high) for side in SIDES)
    inputs = what.example(*size, False)
    free = tuple({2: height, 3: width} if tensor.dim() == 4 else None for tensor in inputs)
    return torch.export.export(what.network, inputs, dynamic_shapes=(*free,))


def write_program(program: ExportedProgram, path: Path, _: Sequence[str]) -> Callable:
    """Write a torch.export program; returns what runs the file."""
    write_atomic(path, lambda file: torch.export.save(program, file))
    return torch.export.load(path).module()


def write_onnx(program: ExportedProgram, path: Path, names: Sequence[str]) -> Callable:
    """Write an ONNX model; returns what runs the file in onnxruntime."""
    model = torch.onnx.export(program, dynamo=True, output_names=list(names), verbose=False)
    write_atomic(path, lambda file: file.write(model.model_proto.SerializeToString()))
    return onnx_runner(path, names)


def onnx_runner(path: Path, names: Sequence[str]) -> Callable:
    """An ONNX file as a function of tensors, by onnxruntime; names are those of its outputs."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(*inputs: Tensor) -> list[Tensor]:
        named = zip(session.get_inputs(), inputs, strict=True)
        found = session.run(list(names), {given.name: value.numpy() for given, value in named})
        return [torch.from_numpy(value) for value in found]

    return run


SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
WRITERS = {"onnx": write_onnx, "torch": write_program}


def largest_difference(run: Callable, what: Exportable, inputs: Inputs) -> float:
    """Between the exported file and the network, over all pixels of what comes out."""
    expected = what.network(*inputs)
    differences = [(x - y).abs() for x, y in zip(run(*inputs), expected, strict=True)]
    for difference, ignored in zip(differences, what.ignored(expected), strict=True):
        if ignored is not None:
            difference.masked_fill_(ignored, 0)
    return max(difference.max().item() for difference in differences)


if __name__ == "__main__":
    main()
