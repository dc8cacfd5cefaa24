#!/usr/bin/env python3
"""Compare our networks and training step with recordings of the official code, in float64.

    python scripts/check_parity.py FIXTURE.pt [FIXTURE.pt …]

A fixture holds options, weights, one sample, the outputs of the official networks and the losses of
one to four training steps. Exits with 1 if a difference is larger than its tolerance.
"""

import math
import sys
from itertools import zip_longest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data.base_dataset import generator_for
from data.scene import Scene
from data.transforms import make_scene, order_instances
from models import create_model
from options.train_options import TrainOptions
from training.state_file import load_file
from util.command_line import OneLineParser
from util.errors import UserError, command

TOLERANCES = {"forward": 1e-9, "inference": 1e-9, "first step": 1e-6, "all steps": 1e-5}
SAME_NAME = (
    "ngf ndf n_layers_D n_blocks norm ins_max ins_per set_order lr_D beta1 pool_size gan_mode"
)
FLAGS = {"lr_G": "lr", **{name: name for name in SAME_NAME.split(" ")}}


@command
def main(argv: list[str] | None = None) -> None:
    parser = OneLineParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "fixtures", nargs="+", type=Path, metavar="FIXTURE.pt", help="recordings to compare with"
    )
    passed = [check(path) for path in parser.parse_args(argv).fixtures]
    raise SystemExit(0 if all(passed) else 1)


def check(path: Path) -> bool:
    """Print the worst difference of each kind; True if all are within tolerance."""
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    fixture = load_file(path)
    try:
        model = build(fixture)
        worst = {
            "forward": forward_difference(model, fixture),
            "inference": inference_difference(model, fixture),
            **loss_differences(model, fixture),
        }
    except KeyError as error:
        raise UserError(f"{path} is no fixture: it lacks {error}") from None
    print(path.name)
    for kind, difference in worst.items():
        verdict = "ok" if difference <= TOLERANCES[kind] else "TOO LARGE"
        print(f"  {kind:<11} {difference:.1e}  (at most {TOLERANCES[kind]:.0e})  {verdict}")
    return all(difference <= TOLERANCES[kind] for kind, difference in worst.items())


def build(fixture: dict):
    """Our model with the fixture's options and weights, in float64."""
    given = fixture["options"] | {
        "ins_per": min(fixture["options"]["ins_per"], fixture["options"]["ins_max"])
    }
    words = [word for name, flag in FLAGS.items() for word in (f"--{flag}", str(given[name]))]
    factors = {name: given[f"lambda_{name}"] / given["lambda_cyc"] for name in ("idt", "ctx")}
    words += [
        word for name, factor in factors.items() for word in (f"--lambda_{name}", str(factor))
    ]
    words += [word for domain in "AB" for word in (f"--lambda_{domain}", str(given["lambda_cyc"]))]
    opt = TrainOptions().parse([*words, "--dataroot", ".", "--gpu_ids", "-1"])
    model = create_model(opt, torch.device("cpu"))
    for network in model.networks.values():
        network.double()
    model.load_network_states(fixture["state_dict"])
    return model


def forward_difference(model, fixture: dict) -> float:
    """Worst difference of single calls; judges in evaluation mode, so that their vectors stay."""
    recorded, worst = fixture["forward"], 0.0
    with torch.no_grad():
        for key in (key for key in recorded if key.endswith("_in")):
            name = next(name for name in model.networks if key.startswith(name))
            network = model.networks[name]
            network.train(name in model.translating)
            out = network(*split(recorded[key]))
            out = torch.cat(out, 1) if isinstance(out, tuple) else out
            worst = max(worst, difference(out, recorded[f"{key.removesuffix('_in')}_out"]))
            network.train()
    return worst


def inference_difference(model, fixture: dict) -> float:
    """Worst difference of sequential inference, image and masks, both ways."""
    recorded, worst = fixture["forward"]["test"], 0.0
    scenes = sample(fixture)
    for source, domain in model.directions:
        fake = model.translate(scenes[source], source).fakes[0]
        masks = recorded[f"fake_{domain}_segs"]
        ours = {
            "img": fake.image,
            "segs": fake.padded(masks.shape[1]).masks,
            "seg": fake.union() * 2 - 1,
        }
        for kind, value in ours.items():
            worst = max(worst, difference(value, recorded[f"fake_{domain}_{kind}"]))
    return worst


def loss_differences(model, fixture: dict) -> dict[str, float]:
    """Worst relative difference of the losses of the first step, and of all steps."""
    per_step = []
    for recorded in fixture["losses"]:
        model.step(sample(fixture))
        updates = iter(model.updates)
        ours = [generators | next(updates) for generators in updates]  # G and D of a group
        groups = zip_longest(ours, recorded, fillvalue={})
        per_step.append(max((group_difference(*group) for group in groups), default=0.0))
    return {"first step": per_step[0], "all steps": max(per_step)}


def group_difference(ours: dict, official: dict) -> float:
    """Worst difference of a group's losses, relative to max(official, 1e-3); a missing one is 0."""
    worst = 0.0
    for name in {*ours, *official}:
        value, expected = float(ours.get(name, 0.0)), official.get(name, 0.0)
        worst = max(worst, finite(abs(value - expected) / max(abs(expected), 1e-3)))
    return worst


def sample(fixture: dict) -> dict[str, Scene]:
    """The fixture's sample as our loader would give it: instances ordered, absent masks dropped."""
    given = fixture["options"]
    scenes = {}
    for domain in "AB":
        masks = fixture[f"masks_{domain}"][0]
        numbers = tuple(range(len(masks)))
        chosen = order_instances(
            masks, numbers, given["ins_max"], given["set_order"], generator_for(0)
        )
        scenes[domain] = make_scene(fixture[f"image_{domain}"][0], chosen[0], domain, chosen[1])
    return scenes


def split(stacked: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image, masks and present of a recorded [1, 3 + N, H, W]; an absent mask is -1 everywhere."""
    image, masks = stacked[:, :3], stacked[:, 3:]
    return image, masks, (masks > -1).flatten(2).any(2)


def difference(ours: torch.Tensor, official: torch.Tensor) -> float:
    if ours.shape != official.shape:
        raise UserError(
            f"shapes differ: ours {tuple(ours.shape)}, official {tuple(official.shape)}"
        )
    return finite(float((ours - official).abs().max()))


def finite(value: float) -> float:
    """The value, or infinity for NaN, which no comparison would find too large."""
    return value if math.isfinite(value) else math.inf


if __name__ == "__main__":
    main(sys.argv[1:])
