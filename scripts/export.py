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
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.scene import Scene
from models import create_model
from models.building import fit_to_weights
from models.networks.generators import erase_absent
from models.pasting import LEFT_OUT, Pasting, grown, pasting_of
from options.base_options import run_folder
from options.test_options import TestOptions, add_weights_argument
from training.checkpoint import Checkpoints
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command
from util.files import write_atomic

TOLERANCE = 1e-4
TRACED = (40, 48)  # the size that is traced; others are checked
SMALLEST, LARGEST = 24, 4096
CASES = ((64, 64), (36, 56), (36, 56, True))  # height and width, and whether a mask is absent
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
Inputs = tuple[Tensor, ...]  # image, masks, present and others; the first; or the first three


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    opt, checkpoints = options(args)
    network = load_generator(opt, checkpoints, args.direction)
    masks = count_masks(network, opt, args.masks)
    pasting = pasting_of(opt) if masks else None
    fills = pasting is not None and pasting.on == "fill"
    if masks == 0:
        network = ImageAlone(network)
    elif pasting:
        network = (FillingGenerator if fills else PastingGenerator)(network, pasting)
    make = partial(example, opt.input_nc, masks, others=fills)
    program = traced(network, make(*TRACED))
    rows = [["file", *(f"{h}x{w}" for h, w, *_ in CASES[:2]), "an absent mask"]]
    for kind in args.format:
        path = args.output / f"{opt.name}_{args.direction}{SUFFIXES[kind]}"
        run = WRITERS[kind](program, path)
        differences = [largest_difference(run, network, make(*case)) for case in CASES]
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
    parser.add_argument(
        "--direction", choices=("AtoB", "BtoA"), default="AtoB", help="which generator"
    )
    parser.add_argument("--masks", type=int, help="masks per call (default: the run's --ins_per)")
    parser.add_argument(
        "--format", choices=SUFFIXES, nargs="+", default=list(SUFFIXES), help="default: both"
    )
    parser.add_argument("--output", type=Path, default=Path("exported"), help="folder to write to")
    args = parser.parse_args(argv)
    if args.masks is not None and args.masks < 1:
        raise UserError(f"--masks {args.masks}: at least 1")
    if missing := [name for name in PACKAGES if "onnx" in args.format and not find_spec(name)]:
        raise UserError(
            f"--format onnx needs {missing[0]}: pip install -r requirements-export.txt, "
            "or give --format torch"
        )
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--output {args.output} cannot be written ({error.strerror}): name another folder"
        ) from None
    return args


def options(args: argparse.Namespace) -> tuple[argparse.Namespace, Checkpoints]:
    """The run's options, as `test.py` would have them."""
    words = ["--dataroot", ".", "--gpu_ids", "-1", "--phase", "none", "--name", args.name]
    words += ["--checkpoints_dir", args.checkpoints_dir, "--epoch", args.epoch]
    words += ["--weights", args.weights] if args.weights else []
    opt = TestOptions().parse(words)
    checkpoints = Checkpoints(run_folder(opt))
    if not opt.has_saved_options:
        fit_to_weights(opt, checkpoints)
    return opt, checkpoints


def load_generator(opt, checkpoints: Checkpoints, direction: str) -> nn.Module:
    """The direction's generator, in evaluation mode."""
    model = create_model(opt, torch.device("cpu"))
    model.setup(checkpoints)
    letter = direction[-1] if opt.swap_networks else direction[0]
    return model.networks[f"G_{letter}"].eval().requires_grad_(False)


def count_masks(network: nn.Module, opt, wanted: int | None) -> int:
    """Masks per call: what was asked for, if the network can do that."""
    if opt.netG == "set":
        return min(opt.ins_per, opt.ins_max) if wanted is None else wanted
    if wanted not in (None, network.slots):
        raise UserError(f"--masks {wanted}: this --netG basic takes {network.slots} masks")
    return network.slots


class ImageAlone(nn.Module):
    """A generator without masks, as a function of the image."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor]:
        present = torch.ones(1, 0, dtype=torch.bool, device=image.device)
        return self.network(image, image[:, :0], present)[:1]


class PastingGenerator(nn.Module):
    """A generator whose translation is pasted on the picture it came from, as `--paste` does."""

    def __init__(self, network: nn.Module, pasting: Pasting):
        super().__init__()
        self.network = network
        self.pasting = pasting

    def forward(self, image: Tensor, masks: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        return self.translated(Scene(image, masks, present))

    def translated(self, canvas: Scene) -> tuple[Tensor, Tensor]:
        image, masks = self.network(canvas.image, canvas.masks, canvas.present)
        canvas = replace(canvas, masks=erase_absent(canvas.masks, canvas.present))
        fake = Scene(image, masks, canvas.present)
        return self.pasting.exactly(canvas, fake).image, masks

    def undecided(self, masks: Tensor) -> Tensor:
        """Pixels that a mask's last bits decide, [1, 1, H, W]: around those that are almost 0."""
        near = (masks.abs() < TOLERANCE).any(1, keepdim=True).float()
        return grown(near, 2 * self.pasting.radius) > 0


class FillingGenerator(PastingGenerator):
    """The same with --paste_on fill, which has to know where the other instances are."""

    def forward(
        self, image: Tensor, masks: Tensor, present: Tensor, others: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.translated(Scene(image, masks, present, extras={LEFT_OUT: others}))


def example(
    channels: int, masks: int, height: int, width: int, absent: bool = False, others: bool = False
) -> Inputs:
    """A random picture with `masks` masks, of which the last may be absent; alone without any.

    others: with the place of other instances.
    """
    generator = torch.Generator().manual_seed(height + width)
    image = torch.rand(1, channels, height, width, generator=generator) * 2 - 1
    if masks == 0:
        return (image,)
    sets = torch.where(torch.rand(1, masks, height, width, generator=generator) > 0.5, 1.0, -1.0)
    present = torch.ones(1, masks, dtype=torch.bool)
    present[0, -1] = not absent
    if not others:
        return image, sets, present
    places = torch.rand(1, 1, height, width, generator=generator) > 0.9
    return image, sets, present, torch.where(places, 1.0, -1.0)


def traced(network: nn.Module, inputs: Inputs) -> ExportedProgram:
    """The network as a graph whose height and width are free."""
    height, width = (
        4 * Dim(name, min=SMALLEST // 4, max=LARGEST // 4) for name in ("height_4", "width_4")
    )
    free = {2: height, 3: width}
    return torch.export.export(
        network, inputs, dynamic_shapes=(free, free, None, free)[: len(inputs)]
    )


def write_program(program: ExportedProgram, path: Path) -> Callable:
    """Write a torch.export program; returns what runs the file."""
    write_atomic(path, lambda file: torch.export.save(program, file))
    return torch.export.load(path).module()


def write_onnx(program: ExportedProgram, path: Path) -> Callable:
    """Write an ONNX model; returns what runs the file in onnxruntime."""
    import onnxruntime

    names = ["translated_image", "translated_masks"][: len(program.graph_signature.user_outputs)]
    model = torch.onnx.export(program, dynamo=True, output_names=names, verbose=False)
    write_atomic(path, lambda file: file.write(model.model_proto.SerializeToString()))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(*inputs: Tensor) -> list[Tensor]:
        named = zip(session.get_inputs(), inputs, strict=True)
        found = session.run(names, {given.name: value.numpy() for given, value in named})
        return [torch.from_numpy(value) for value in found]

    return run


SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}
WRITERS = {"onnx": write_onnx, "torch": write_program}


def largest_difference(run: Callable, network: nn.Module, inputs: Inputs) -> float:
    """Between the exported file and the network, over all pixels of image and masks."""
    expected = network(*inputs)
    pairs = zip(run(*inputs), expected, strict=True)
    image, *masks = [(ours - theirs).abs() for ours, theirs in pairs]
    if isinstance(network, PastingGenerator):
        image = image.masked_fill(network.undecided(expected[1]), 0)
    return max(difference.max().item() for difference in (image, *masks))


if __name__ == "__main__":
    main()
