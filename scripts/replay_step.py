#!/usr/bin/env python3
"""Make the update again that training could not: `python scripts/replay_step.py DUMP`.

Training writes a dump when a loss or a gradient is not finite: networks, optimisers, pictures, past
fakes and random states of that update. This makes it once more and says what is not finite, and
in which layer that began. Nothing is written.
"""

import argparse
import sys
from argparse import Namespace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models import create_model
from models.base_model import BaseModel
from training.device import choose_device, parse_gpu_ids
from training.replay import first_not_finite, update_of
from training.state_file import first_line, read_state
from util.command_line import OneLineParser, aligned
from util.errors import UserError, command


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    dump = read_state(args.dump)
    if not {"method", "structure"} <= dump.keys():
        raise UserError(f"{args.dump} is no dump of an update: name a checkpoints/NAME/broken_N.pt")
    try:
        opt = Namespace(**dump["options"])
        opt.gpu_ids, opt.compile = parse_gpu_ids(args.gpu_ids), False
        opt.no_fused = True  # so that every layer can be asked
        opt.cuda_graphs = False
        device = choose_device(opt.gpu_ids)
        model = create_model(opt, device)
        model.load_state_dict(dump["model"])
        update = update_of(dump, device)
        where = dump["where"]
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise UserError(
            f"{args.dump} is no dump of an update of this version ({first_line(error)})"
        ) from None
    print(f"{where}, on {device}")
    with first_not_finite(model.networks) as layers:
        losses = model.repeat(update)
    print(aligned([["loss", "then", "now"], *rows(losses, dump["losses"])]))
    for name, count in broken_gradients(model).items():
        print(f"gradient of {name}: {count}")
    print(f"first layer that gives what is not finite: {layers[0] if layers else 'none'}")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dump", type=Path, help="checkpoints/NAME/broken_….pt")
    parser.add_argument("--gpu_ids", default="-1", help="as in train.py (default: the CPU)")
    return parser.parse_args(argv)


def rows(now: dict, then: dict) -> list[list[str]]:
    return [[name, f"{then.get(name, 0):.6g}", f"{float(x):.6g}"] for name, x in now.items()]


def broken_gradients(model: BaseModel) -> dict[str, str]:
    """How many tensors of each network's gradient are not finite, of how many."""
    found = {}
    for name, network in model.networks.items():
        own = [w.grad for w in network.parameters() if w.grad is not None]
        bad = sum(not bool(torch.isfinite(gradient).all()) for gradient in own)
        if own:
            found[name] = f"{bad} of {len(own)} tensors are not finite"
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
