"""What MGD-GAN declares: its stages, options, losses, and what is drawn of them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from models.mgd_gan_losses import HINGES
from models.perceptual import FILE, PERCEPTUAL, vgg_file
from models.unpaired_options import ALARMS, FACTS, WAYS

SIZE = 256  # of pictures, unless it is typed; they are cut from ones that are this much larger:
LARGER = 1.12
RATE = 0.002  # the paper's, of all networks
RATES = {  # by stage, of generators and of discriminators, unless --lr is typed: docs/mgd_gan.md
    "mask": (RATE / 4, RATE),
    "image": (RATE, RATE),
    "finetune": (RATE / 40, RATE / 10),
    "e2e": (RATE, RATE),
}
COMPACT = 10.0  # the paper's weight of compact masks, which is for pictures of SIZE
MOST = 20  # instances of a picture, unless it is typed


class Stage(NamedTuple):
    """A training of its own: the networks that it trains, and those that it only uses."""

    generators: Sequence[str]
    judges: Sequence[str]
    frozen: Sequence[str] = ()
    supervised: bool = False  # rebuilds real pictures

    @property
    def networks(self) -> tuple[str, ...]:
        return (*self.generators, *self.judges, *self.frozen)

    @property
    def paints(self) -> bool:
        return "G_img" in self.networks

    @property
    def morphs(self) -> bool:
        return "G_mask" in self.networks


STAGES = {
    "mask": Stage(("G_mask",), ("D_mask",)),
    "image": Stage(("G_img",), ("D_img",), supervised=True),
    "finetune": Stage(("G_mask",), ("D_mask",), ("G_img", "D_img")),
    "e2e": Stage(("G_mask", "G_img"), ("D_mask", "D_img")),
}
PANELS = {  # title -> label -> loss
    "masks against their discriminator": {"G": "mask_adv", "D": "mask_D"},
    "what masks keep": {"own domain (Eq. 5)": "mask_pc", "levels (Eq. 6)": "mask_const"},
    "regular masks (Eq. 7)": {"compact": "mask_com", "small": "mask_pen"},
    "pictures against their discriminator": {"G": "img_adv", "D": "img_D"},
    "rebuilt pictures": {"features": "img_feat", "perceptual": "img_perc"},
    "fusion map (Eq. 10)": {"cross-entropy": "img_fmap"},
}
WEIGHTS = {  # option -> default, help
    "lambda_pc": (10.0, "masks that stay in their domain (Eq. 5)"),
    "lambda_const": (1.0, "levels of a mask that agree (Eq. 6); 0: row C of the paper's Table 2"),
    "lambda_reg": (1.0, "both parts of Eq. 7, a factor on the next two; 0: row B"),
    "lambda_com": (
        None,
        f"compact masks (Eq. 7); by default {COMPACT:g} times the side of a picture over {SIZE}, "
        "for the loss is larger in small pictures, and would make all masks vanish",
    ),
    "lambda_pen": (0.1, "small masks (Eq. 7)"),
    "lambda_rev": (0.1, "the discriminator of pictures in the fine-tuning of masks"),
    "lambda_fmap": (10.0, "the fusion map is the masks (Eq. 10)"),
    "lambda_feat": (10.0, "features of the discriminator (Eq. 11)"),
    "lambda_vgg": (10.0, "the perceptual loss (Eq. 11)"),
}


class MGDGANOptions:
    """The declarations of `MGDGANModel`, see `Declared`."""

    loss_names = tuple(loss for own in PANELS.values() for loss in own.values())
    panels = {
        **{t: {words: f"losses.{x}" for words, x in own.items()} for t, own in PANELS.items()},
        **{t: {words: f"masks.{f}.{x}" for x, words in WAYS.items()} for f, t in FACTS.items()},
    }
    alarms = {
        f"masks.{fact}.{x}": f"{words}: the translated masks are {what}"
        for x, words in WAYS.items()
        for fact, what in ALARMS.items()
    }
    alarm_advice = "look at the pictures; worth trying: another --seed, a higher --lambda_pc"
    loss_summary = {
        "G": ("mask_adv", "img_adv", "img_perc"),
        "D": ("mask_D", "img_D"),
    }
    less_memory = "lower --batch_size, --ins_max or --crop_size, or raise --accumulate"
    needs = frozenset({"masks"})
    tells_instances_apart = True
    tests_in_eval_mode = True
    architecture_options = ("stage", "ngf", "ndf", "n_blocks", "halvings", "perceptual")
    recipe_options = ("stage", "perceptual", "hole_aug", "hinge_g", *WEIGHTS)

    @classmethod
    def extras_of(cls, opt) -> dict[str, str]:
        if not STAGES[opt.stage].paints:
            return {}
        return {"inpainted": "background", "hole": "hole"}

    @classmethod
    def size_multiple(cls, opt) -> int:
        return max(16, 2**opt.halvings) if STAGES[opt.stage].paints else 16

    @classmethod
    def least_size(cls, opt) -> int:
        return 2 * cls.size_multiple(opt)  # an instance norm needs more than one pixel

    @classmethod
    def needs_at_start(cls, opt) -> Sequence[str]:
        stage = STAGES[opt.stage]
        return (*stage.networks,) if stage.frozen else ()

    @classmethod
    def remarks(cls, opt) -> dict[str, str]:
        loss = getattr(opt, "perceptual", "")  # of weights alone nothing is known
        return {"perceptual loss": f"{loss}, not the paper's VGG19"} if loss == "l1pyr" else {}

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        parser.group("the run").add_argument(
            "--stage",
            choices=STAGES,
            default="mask",
            help="MGD-GAN is trained in three runs, scripts/train_mgd_gan.sh makes all of them. "
            "mask: what shapes masks take (Masks Morph); image: how masks are painted (Designed "
            "Supervision); finetune: masks again, judged by their pictures (Reversal "
            "Fine-tuning), with --start_from MASK_RUN IMAGE_RUN. e2e: all at once, Table 2's row E",
        )
        parser.set_defaults(lr=RATE)
        group = parser.group("networks")
        for flag, default, what in (
            ("ngf", 64, "width of the generators' first layer"),
            ("ndf", 64, "width of the discriminators' first layer"),
            ("n_blocks", 6, "MiniIncep blocks of the mask generator"),
            (
                "halvings",
                5,
                "how often the picture generator halves a picture: sizes are "
                "multiples of 2 to this power",
            ),
        ):
            group.add_argument(f"--{flag}", type=int, default=default, help=what)
        if is_train:
            add_training_arguments(parser)
        return parser

    @classmethod
    def complete_options(cls, opt) -> None:
        for side in "HW":  # the house's 200 is no multiple of 32
            if getattr(opt, f"fineSize{side}") is None:
                setattr(opt, f"fineSize{side}", SIZE)
            if opt.is_train and getattr(opt, f"loadSize{side}") is None:
                setattr(opt, f"loadSize{side}", round(LARGER * getattr(opt, f"fineSize{side}")))
        if not opt.is_train:
            return
        if "ins_max" not in opt.typed:
            opt.ins_max = MOST
        opt.lr, judges = (opt.lr, opt.lr) if "lr" in opt.typed else RATES[opt.stage]
        opt.lr_D = judges if opt.lr_D is None else opt.lr_D
        if opt.lambda_com is None:
            side = (opt.fineSizeH * opt.fineSizeW) ** 0.5
            opt.lambda_com = round(COMPACT * side / SIZE, 3)
        opt.vgg_weights = str(vgg_file() or "") if opt.vgg_weights is None else opt.vgg_weights
        if opt.perceptual == "auto":
            opt.perceptual = chosen_perceptual(opt)

    @classmethod
    def option_problems(cls, opt) -> Iterator[str]:
        for flag, least in (("ngf", 4), ("ndf", 1), ("n_blocks", 0), ("halvings", 2)):
            if getattr(opt, flag) < least:
                yield f"--{flag} {getattr(opt, flag)}: at least {least}"
        if opt.halvings > 8:
            yield f"--halvings {opt.halvings}: at most 8"
        if opt.is_train:
            yield from training_problems(opt)


def chosen_perceptual(opt) -> str:
    """The perceptual loss of a run for which none was typed.

    Where pictures are rebuilt, VGG19's if that can be; in fine-tuning what its pictures were
    learnt by; elsewhere there is none, and `auto` stays.
    """
    stage = STAGES[opt.stage]
    if stage.frozen:
        folders = [Path(run.partition(":")[0]) for run in opt.start_from]
        folders = [x if x.is_dir() else Path(opt.checkpoints_dir) / x for x in folders]
        return next(filter(None, map(learnt_by, folders)), "auto")
    if not stage.supervised:
        return "auto"
    if opt.vgg_weights and opt.input_nc == 3:
        return "vgg19"
    why = f"no {FILE} here" if opt.input_nc == 3 else "VGG19 knows no grey pictures"
    print(
        f"note: {why}, so the perceptual loss is --perceptual l1pyr and not the paper's "
        "(--vgg_weights names a file)"
    )
    return "l1pyr"


def learnt_by(folder: Path) -> str:
    """The perceptual loss of a run of stage `image`; '' of another one."""
    try:
        saved = json.loads((folder / "options.json").read_text())
        return saved["perceptual"] if STAGES[saved["stage"]].supervised else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def add_training_arguments(parser) -> None:
    group = parser.group("losses")
    for flag, (default, what) in WEIGHTS.items():
        group.add_argument(f"--{flag}", type=float, default=default, help=f"weight: {what}")
    group.add_argument(
        "--perceptual",
        choices=PERCEPTUAL,
        default="auto",
        help="L_vgg of Eq. 11; l1pyr: L1 at four sizes instead, which needs no weights; auto: "
        "vgg19 if its weights are there",
    )
    group.add_argument(
        "--vgg_weights",
        metavar="FILE",
        help=f"torchvision's {FILE} (default: where torch.hub keeps it)",
    )
    group.add_argument(
        "--hinge_g",
        choices=HINGES,
        default="standard",
        help="of the generators: -D, or literally Eq. 3, max(0, 1 - D)",
    )
    parser.group("data").add_argument(
        "--hole_aug",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="stage image: share of pictures that get a hole of the other domain's shapes as "
        "well, as they have one when objects are translated (not in the paper)",
    )
    group = parser.group("optimisation")
    group.add_argument(
        "--lr_D",
        type=float,
        help="learning rate of the discriminators (default: --lr). Where --lr is not typed, "
        "masks are learnt at 0.0005 and judged at 0.002, and in fine-tuning at a tenth of both",
    )
    group.add_argument("--beta1", type=float, default=0.5, help="momentum of Adam")


def training_problems(opt) -> Iterator[str]:
    """One line for each option of training that cannot work."""
    for flag in (*WEIGHTS, "lr_D"):
        if getattr(opt, flag) < 0:
            yield f"--{flag} {getattr(opt, flag)}: must not be negative"
    if not 0 <= opt.beta1 < 1:
        yield f"--beta1 {opt.beta1}: at least 0 and less than 1"
    if not 0 <= opt.hole_aug <= 1:
        yield f"--hole_aug {opt.hole_aug}: a share, from 0 to 1"
    if opt.hole_aug and "crop" not in opt.resize_or_crop:
        yield f"--hole_aug {opt.hole_aug} needs pictures of one size: --resize_or_crop with a crop"
    wanted = opt.perceptual == "vgg19" and STAGES[opt.stage].supervised
    if wanted and opt.input_nc != 3:
        yield "--perceptual vgg19 needs colour: give --perceptual l1pyr"
    elif wanted and not (opt.vgg_weights and Path(opt.vgg_weights).is_file()):
        yield (
            f"--perceptual vgg19: there is no file {opt.vgg_weights or FILE}; fetch torchvision's "
            f"{FILE} and name it, --vgg_weights FILE, or give --perceptual l1pyr"
        )
