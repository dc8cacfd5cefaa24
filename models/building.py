"""What networks are built from, out of the options."""

import torch

from models.networks import build_generator
from models.networks.official import infer_generator
from training.checkpoint import Checkpoints
from util.errors import UserError

DOUBLE_TOLERANCE = 0.02


def generator_keywords(opt, slots: int) -> dict:
    """What `build_generator` takes; `basic` networks have `slots` channels for masks."""
    keywords = {
        "name": opt.netG,
        "image_channels": opt.input_nc,
        "width": opt.ngf,
        "n_blocks": opt.n_blocks,
        "norm": opt.norm,
        "dropout": opt.dropout,
        "recompute": opt.checkpoint_activations,
        "init": opt.init_type,
        "gain": opt.init_gain,
    }
    if opt.netG == "basic":
        keywords["slots"] = slots
    if getattr(opt, "double_params", False):
        keywords["width"] = doubled_width(keywords)
    return keywords


def doubled_width(keywords: dict) -> float:
    """The width in eighths that gives a generator twice its parameters.

    Channels are the rounded multiples of it. Raises UserError if none comes within 2 per cent.
    """

    def count(eighths: int) -> int:
        with torch.device("meta"), torch.random.fork_rng([]):
            network = build_generator(**keywords | {"width": eighths / 8})
        return sum(weight.numel() for weight in network.parameters())

    low, high = 8 * keywords["width"], 16 * keywords["width"]  # between once and four times
    wanted = 2 * count(low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < wanted else (low, middle)
    best = min((low, high), key=lambda eighths: abs(count(eighths) - wanted))
    if abs(count(best) / wanted - 1) > DOUBLE_TOLERANCE:
        raise UserError(
            f"--double_params: no generator has twice the parameters of --ngf {keywords['width']} "
            "within 2 per cent: give a larger --ngf"
        )
    return best / 8


def discriminator_keywords(opt, slots: int) -> dict:
    """What `build_discriminator` takes; see `generator_keywords`."""
    keywords = {
        "name": opt.netD,
        "image_channels": opt.output_nc,
        "width": opt.ndf,
        "n_layers": opt.n_layers_D,
        "norm": opt.norm,
        "init": opt.init_D,
        "gain": opt.init_gain,
        "spectral": not opt.no_spectral_norm,
    }
    return keywords | ({"slots": slots} if opt.netD == "basic" else {})


def read_generator_options(opt, checkpoints: Checkpoints) -> None:
    """Read width, depth and kind from the weights, where no options were saved with them."""
    try:
        found = infer_generator(checkpoints.weights(opt.label, "G_A"))
    except (KeyError, ValueError, AttributeError):
        path = checkpoints.weights_path(opt.label, "G_A")
        raise UserError(f"{path} does not hold a generator's weights") from None
    chosen = {name: value for name, value in found.items() if name not in opt.typed}
    for name, value in chosen.items():
        setattr(opt, name, value)
    print(
        "no options saved with these weights; read from them: "
        + ", ".join(f"{name} {value}" for name, value in chosen.items())
    )
