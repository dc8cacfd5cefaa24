"""Runs' directions as ONNX files for the page, and what the page has to know of them."""

import argparse
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.export import ExportedProgram

from data.direction import Direction
from models import find_model
from models.base_model import BaseModel
from models.exporting import Exportable, Inputs
from scripts.export import (
    TOLERANCE,
    largest_difference,
    load_model,
    onnx_runner,
    options,
    prepared,
    write_onnx,
)
from util.errors import UserError
from util.files import write_atomic

PRECISIONS = ("fp32", "fp16")
INPUTS = {"image", "masks", "present", "others", "style"}  # all that the page can give
TRANSLATES, PREDICTS = {"translated_image"}, {"masks", "scores"}  # outputs
SMALL = 1024  # numbers; smaller tensors stay as they are
MOST_HALF = 65504  # the largest number of fp16


class Run(NamedTuple):
    """A trained run, and the directions of it that the page offers."""

    name: str
    opt: argparse.Namespace
    model: BaseModel
    ways: Sequence[Direction]


def translator(args: argparse.Namespace, name: str) -> Run:
    """A run that translates. Raises UserError for one that is not there, or does not."""
    run = load_run(args, name)
    if not outputs(run) >= TRANSLATES:
        raise UserError(
            f"--name {name}: --model {run.opt.model} translates no pictures: give a mask predictor "
            "as --masks"
        )
    ways = [way for way in run.ways if args.direction in (way.name, "both")]
    if not ways:
        names = ", ".join(way.name for way in run.ways)
        raise UserError(f"--direction {args.direction}: {name} has {names}")
    return run._replace(ways=ways)


def mask_predictor(args: argparse.Namespace, name: str, domains: Collection[str]) -> Run:
    """A mask predictor, for these domains. Raises UserError for a run that is none."""
    run = load_run(args, name)
    if not outputs(run) >= PREDICTS:
        raise UserError(
            f"--masks {name}: --model {run.opt.model} finds no masks: give it as --name"
        )
    return run._replace(ways=[way for way in run.ways if way.source in domains])


def load_run(args: argparse.Namespace, name: str) -> Run:
    """A run with all of its directions."""
    opt, checkpoints = options(argparse.Namespace(**vars(args) | {"name": name}))
    refuse_backgrounds(opt)
    model = load_model(opt, checkpoints)
    return Run(name, opt, model, model.ways(opt))


def outputs(run: Run) -> set[str]:
    """What comes out of the run's network as an ONNX file."""
    return {*run.model.exportable(run.ways[0].source, None).outputs}


def exported(run: Run, args: argparse.Namespace, folder: Path) -> Iterator[tuple[dict, list[str]]]:
    """Write a run's directions; yields each one's entry for the page, and a row of a table."""
    (folder / "models").mkdir(exist_ok=True)
    for way in run.ways:
        path = folder / "models" / f"{re.sub(r'[^A-Za-z0-9.-]', '_', run.name)}_{way.name}.onnx"
        what, program, examples = prepared(run.model, run.opt, way.name, None)
        call = checked(program, path, what, examples, run.name)
        if args.precision == "fp16":
            halve_weights(path)
            call = onnx_runner(path, what.outputs)
        size = path.stat().st_size
        entry = {"run": run.name, "file": f"models/{path.name}", "bytes": size}
        entry |= {"source": way.source, "target": way.target, "direction": way.name}
        entry |= facts(run, path, what) | ({"most": args.ins_max} if args.ins_max else {})
        yield entry, [path.name, f"{size / 1e6:.1f}", *levels(call, what, examples)]


def checked(
    program: ExportedProgram, path: Path, what: Exportable, examples: Sequence[Inputs], name: str
) -> Callable:
    """Write a graph as ONNX; returns what runs the file.

    Raises UserError if it cannot be written or run, or does not agree with PyTorch.
    """
    try:
        run = write_onnx(program, path, what.outputs)
        worst = max(largest_difference(run, what, inputs) for inputs in examples)
    except Exception as error:  # torch.onnx and onnxruntime raise many kinds of their own
        reason = str(error).partition("\n")[0]
        raise UserError(f"--name {name} cannot be made an ONNX file: {reason}") from error
    if not worst <= TOLERANCE:
        raise UserError(f"--name {name}: {path.name} differs from PyTorch by {worst:.1e}")
    return run


def refuse_backgrounds(opt) -> None:
    """Raise UserError for a model that paints on a picture without its objects."""
    kinds = {kind.rstrip("?") for kind in find_model(opt.model).extras_of(opt).values()}
    if kinds & {"background", "hole"}:
        raise UserError(
            f"--name {opt.name}: --model {opt.model} needs pictures without their objects, which "
            "the page cannot make: use test.py"
        )


def facts(run: Run, path: Path, what: Exportable) -> dict:
    """What the page has to know to call a model as test.py does."""
    import onnx

    model, opt = run.model, run.opt
    graph = onnx.load(path, load_external_data=False).graph
    shapes = {
        given.name: [side.dim_value for side in given.type.tensor_type.shape.dim]
        for given in graph.input
    }
    if unknown := {*shapes} - INPUTS:
        raise UserError(f"--name {opt.name}: the page cannot give {', '.join(sorted(unknown))}")
    return {
        "inputs": list(shapes),
        "outputs": list(what.outputs),
        "channels": opt.input_nc,
        "masks": shapes["masks"][1] if "masks" in shapes else 0,  # of a call
        "most": getattr(opt, "ins_max", 0),  # instances of a picture
        "union": "masks" in shapes and not model.tells_instances_apart,
        "style": shapes["style"][1] if "style" in shapes else 0,
        "multiple": model.size_multiple(opt),
        "least": model.least_size(opt),
        "size": [opt.fineSizeH, opt.fineSizeW],  # that it was trained at
    }


def halve_weights(path: Path) -> None:
    """Store an ONNX file's weights as fp16, each cast to fp32 when the file is loaded."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        if abs(values).max() > MOST_HALF:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype("float16"), f"{name}_half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    write_atomic(path, lambda file: file.write(model.SerializeToString()))


def levels(run, what: Exportable, examples: Sequence[Inputs]) -> list[str]:
    """How far the file is from the network, of 255, over all that comes out: mean and largest."""
    differences = torch.cat([d.flatten() for x in examples for d in compared(run(*x), what, x)])
    return [f"{127.5 * value:.3f}" for value in (differences.mean(), differences.max())]


def compared(found: Sequence[Tensor], what: Exportable, inputs: Inputs) -> list[Tensor]:
    """The pixels' differences, of each output."""
    return [(x - y).abs() for x, y in zip(found, what.network(*inputs), strict=True)]
