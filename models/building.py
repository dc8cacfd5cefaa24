"""What networks are built from, out of the options."""

from models.networks.official import infer_generator
from util.checkpoint import Checkpoints
from util.errors import UserError


def generator_keywords(opt) -> dict:
    """What `build_generator` takes."""
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
    return keywords | ({"slots": min(opt.ins_per, opt.ins_max)} if opt.netG == "basic" else {})


def discriminator_keywords(opt) -> dict:
    """What `build_discriminator` takes."""
    keywords = {
        "name": opt.netD,
        "image_channels": opt.output_nc,
        "width": opt.ndf,
        "n_layers": opt.n_layers_D,
        "norm": opt.norm,
        "init": opt.init_D,
        "gain": opt.init_gain,
    }
    return keywords | ({"slots": opt.ins_max} if opt.netD == "basic" else {})


def fit_to_weights(opt, checkpoints: Checkpoints) -> None:
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
