"""What CycleGAN and InstaGAN declare: their options, their losses, and what is drawn of them."""

import argparse
from collections.abc import Iterator, Mapping

from data.scene import Scene
from models.building import read_generator_options
from models.diffaug import KINDS as AUGMENTATIONS
from models.losses import GAN_MODES
from models.networks import DISCRIMINATORS, GENERATORS, NORMS, SCHEMES
from models.pasting import LEFT_OUT, PASTING, add_pasting_arguments, pasting_problems
from training.checkpoint import Checkpoints
from training.distributed import world_size
from util.errors import did_you_mean

RESNETS = {"resnet_9blocks": 9, "resnet_6blocks": 6}
LOSSES = {  # kinds of losses, in the order of the logs, and the panels they are drawn in
    "D": "adversarial loss, discriminators",
    "G": "adversarial loss, generators",
    "cyc": "cycle loss",
    "idt": "identity loss",
}
WAYS = {"A": "A to B", "B": "B to A"}  # by the source domain
FACTS = {  # about masks, and the panels they are drawn in
    "area": "mask area, translated / real",
    "kept": "instances, translated / real",
}
ALARMS = {"empty": "all empty", "full": "all full"}


def loss_names(kinds: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{kind}_{x}" for x in "AB" for kind in kinds)


def panels(kinds: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Both directions of a loss, or of a fact about masks, in one panel."""
    losses = {t: {f"{k}_{x}": f"losses.{k}_{x}" for x in "AB"} for k, t in kinds.items()}
    facts = {t: {words: f"masks.{f}.{x}" for x, words in WAYS.items()} for f, t in FACTS.items()}
    return losses | facts


class UnpairedOptions:
    """The declarations of `UnpairedModel`, see `BaseModel`."""

    loss_names = loss_names(LOSSES)
    panels = panels(LOSSES)
    alarms = {
        f"masks.{fact}.{x}": f"{words}: the translated masks are {what}"
        for x, words in WAYS.items()
        for fact, what in ALARMS.items()
    }
    alarm_advice = (
        "they seldom come back. Look at the pictures; worth trying: another --seed, a lower --lr_D,"
        " higher --lambda_A and --lambda_B"
    )
    loss_summary = {kind: tuple(f"{kind}_{x}" for x in "AB") for kind in "GD"}
    less_memory = (
        "lower --batch_size, --ins_per or --crop_size, raise --accumulate, or add "
        "--checkpoint_activations"
    )
    recipe_options = (*PASTING, "diffaug")
    architecture_options = (
        *("netG", "netD", "ngf", "ndf", "n_blocks", "n_layers_D", "norm", "dropout"),
        *("no_spectral_norm", "swap_networks", *PASTING),
    )

    @classmethod
    def extras_of(cls, opt) -> dict[str, str]:
        return {LEFT_OUT: "others"} if opt.paste_on == "fill" else {}

    @classmethod
    def size_multiple(cls, opt) -> int:
        return 4  # the generators halve a picture twice

    @classmethod
    def least_size(cls, opt) -> int:
        return max(24, 3 * 2**opt.n_layers_D)

    @classmethod
    def fit_options_to_weights(cls, opt, checkpoints: Checkpoints) -> None:
        read_generator_options(opt, checkpoints)

    @classmethod
    def options_of_a_short_step(cls, opt) -> dict:
        return {"pool_size": 0, "ins_max": getattr(opt, "ins_per", 1)}  # a single group

    @classmethod
    def bytes_of_pools(cls, opt, sample: Mapping[str, Scene]) -> float:
        masks = getattr(opt, "ins_max", 0)
        sizes = [s.image[0].numel() + masks * s.image[0, 0].numel() for s in sample.values()]
        return 4.0 * opt.pool_size * sum(sizes)

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        add_network_arguments(parser.group("networks"))
        add_pasting_arguments(parser, is_train)
        if not is_train:
            parser.set_defaults(swap_networks=False, checkpoint_activations=False)
            return parser
        parser.group("the run").add_argument(
            "--direction",
            choices=("AtoB", "BtoA"),
            default="AtoB",
            help="both are trained; BtoA swaps the names of networks, losses and lambdas",
        )
        add_loss_arguments(parser.group("losses"))
        add_optimization_arguments(parser.group("optimisation"))
        return parser

    @classmethod
    def complete_options(cls, opt) -> None:
        if opt.netG in RESNETS:  # the names of pytorch-CycleGAN-and-pix2pix
            opt.netG, opt.n_blocks = "basic", RESNETS[opt.netG]
        if opt.is_train:
            opt.swap_networks = opt.direction == "BtoA"

    @classmethod
    def option_problems(cls, opt) -> Iterator[str]:
        yield from pasting_problems(opt)
        for flag, least in (("ngf", 1), ("ndf", 1), ("n_layers_D", 1), ("n_blocks", 0)):
            if getattr(opt, flag) < least:
                yield f"--{flag} {getattr(opt, flag)}: at least {least}"
        if opt.init_gain <= 0:
            yield f"--init_gain {opt.init_gain}: must be positive"
        if opt.is_train:
            yield from training_problems(opt)


def add_network_arguments(group) -> None:
    add = group.add_argument
    add(
        "--netG",
        choices=(*GENERATORS, *RESNETS),
        default="set",
        help="basic: masks as channels; resnet_9blocks: basic with --n_blocks 9",
    )
    add("--netD", choices=DISCRIMINATORS, default="set", help="basic: masks as channels")
    add("--ngf", type=int, default=64, help="width of the generators' first layer")
    add("--ndf", type=int, default=64, help="width of the discriminators' first layer")
    add("--n_blocks", type=int, default=9, help="residual blocks per encoder")
    add("--n_layers_D", type=int, default=3, help="strided layers of a discriminator")
    add("--norm", choices=NORMS, default="instance", help="normalisation layer")
    add("--init_type", choices=SCHEMES, default="normal", help="initialisation of G")
    add("--init_gain", type=float, default=0.02, help="its scale")
    add(
        "--init_D",
        choices=("default", *SCHEMES),
        default="default",
        help="initialisation of D; default: PyTorch's, as in the published runs",
    )
    add("--dropout", action="store_true", help="dropout in the residual blocks")
    add(
        "--no_dropout",
        dest="dropout",
        action="store_false",
        default=argparse.SUPPRESS,
        help="without (the default)",
    )
    add(
        "--no_spectral_norm",
        action="store_true",
        help="discriminators without, as those of pytorch-CycleGAN-and-pix2pix",
    )


def add_loss_arguments(group) -> None:
    for domain in "AB":
        group.add_argument(
            f"--lambda_{domain}",
            type=float,
            default=10.0,
            help=f"weight of the cycle loss (Eq. 4) of samples of {domain}",
        )
    group.add_argument(
        "--lambda_idt",
        "--lambda_identity",
        type=float,
        default=1.0,
        help="weight of the identity loss (Eq. 5), a factor on lambda_A and lambda_B",
    )
    group.add_argument("--gan_mode", choices=GAN_MODES, default="lsgan", help="adversarial loss")
    group.add_argument(
        "--no_lsgan",
        dest="gan_mode",
        action="store_const",
        const="vanilla",
        default=argparse.SUPPRESS,
        help="--gan_mode vanilla",
    )


def add_optimization_arguments(group) -> None:
    add = group.add_argument
    add(
        "--lr_D",
        type=float,
        default=1e-4,
        help="learning rate of the discriminators; the official code used --lr",
    )
    add("--beta1", type=float, default=0.5, help="momentum of Adam")
    add(
        "--checkpoint_activations",
        action="store_true",
        help="keep few of the generators' activations and compute the others again: less "
        "memory, more time, the same numbers",
    )
    add(
        "--diffaug",
        type=augmentations,
        default=[],
        metavar="KIND,…",
        help="for few pictures: augment what discriminators see, real and fake, by translation "
        "(which helped where it was measured), color, cutout (default: none)",
    )
    add("--pool_size", type=int, default=50, help="past fakes kept for D, per direction")


def augmentations(text: str) -> list[str]:
    """`color, translation` -> [color, translation]; `none` -> []."""
    kinds = [kind.strip() for kind in text.split(",")]
    return [] if kinds == ["none"] else kinds


def training_problems(opt) -> Iterator[str]:
    """One line for each value of an option of training that cannot work."""
    for flag in ("lambda_A", "lambda_B", "lambda_idt", "lambda_ctx", "lr_D"):
        if getattr(opt, flag, 0) < 0:
            yield f"--{flag} {getattr(opt, flag)}: must not be negative"
    if opt.pool_size < 0:
        yield f"--pool_size {opt.pool_size}: at least 0"
    if not 0 <= opt.beta1 < 1:
        yield f"--beta1 {opt.beta1}: at least 0 and less than 1"
    if unknown := [kind for kind in opt.diffaug if kind not in AUGMENTATIONS]:
        yield f"--diffaug {unknown[0]}: there is none. {did_you_mean(unknown[0], AUGMENTATIONS)}"
    if len(set(opt.diffaug)) < len(opt.diffaug):
        yield f"--diffaug {','.join(opt.diffaug)}: each of them once"
    if opt.norm == "batch":
        yield from batch_norm_problems(opt)


def batch_norm_problems(opt) -> Iterator[str]:
    """One line for each option that cannot go with batch normalisation."""
    if opt.checkpoint_activations:
        yield "--checkpoint_activations would count every batch twice: use --norm instance"
    if opt.accumulate > 1:
        yield f"--accumulate {opt.accumulate} would normalise parts of a batch: use --norm instance"
    if world_size() > 1:
        yield "--norm batch sees the pictures of one process alone: use --norm instance"
