"""Options that say what the networks are."""

import argparse

from models.networks import DISCRIMINATORS, GENERATORS, NORMS, SCHEMES

RESNETS = {"resnet_9blocks": 9, "resnet_6blocks": 6}


def add_network_arguments(group) -> None:
    group.add_argument(
        "--netG",
        choices=(*GENERATORS, *RESNETS),
        default="set",
        help="basic: masks as channels; resnet_9blocks: basic with --n_blocks 9",
    )
    group.add_argument(
        "--netD", choices=DISCRIMINATORS, default="set", help="basic: masks as channels"
    )
    group.add_argument("--ngf", type=int, default=64, help="width of the generators' first layer")
    group.add_argument(
        "--ndf", type=int, default=64, help="width of the discriminators' first layer"
    )
    group.add_argument("--n_blocks", type=int, default=9, help="residual blocks per encoder")
    group.add_argument(
        "--n_layers_D", type=int, default=3, help="strided layers of a discriminator"
    )
    group.add_argument("--norm", choices=NORMS, default="instance", help="normalisation layer")
    group.add_argument("--input_nc", type=int, default=3, help="channels of A: 3 colour, 1 grey")
    group.add_argument("--output_nc", type=int, default=3, help="channels of B: 3 colour, 1 grey")
    group.add_argument("--init_type", choices=SCHEMES, default="normal", help="initialisation of G")
    group.add_argument("--init_gain", type=float, default=0.02, help="its scale")
    group.add_argument(
        "--init_D",
        choices=("default", *SCHEMES),
        default="default",
        help="initialisation of D; default: PyTorch's, as in the published runs",
    )
    group.add_argument("--dropout", action="store_true", help="dropout in the residual blocks")
    group.add_argument(
        "--no_dropout",
        dest="dropout",
        action="store_false",
        default=argparse.SUPPRESS,
        help="without (the default)",
    )
    group.add_argument(
        "--no_spectral_norm",
        action="store_true",
        help="discriminators without, as those of pytorch-CycleGAN-and-pix2pix",
    )


def complete_networks(opt: argparse.Namespace) -> None:
    """Put pytorch-CycleGAN-and-pix2pix's name of a generator into our options."""
    if opt.netG in RESNETS:
        opt.netG, opt.n_blocks = "basic", RESNETS[opt.netG]
