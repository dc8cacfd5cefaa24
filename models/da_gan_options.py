"""What DA-GAN declares: its options, losses, and what is drawn of them."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from data.direction import BOTH_WAYS, Direction
from data.labels import has_labels
from training.distributed import world_size

PANELS = {  # title -> label -> loss
    "against the discriminators": {
        "G, translations": "painted_adv",
        "D1, translations": "painted_D",
        "G, target made again": "repainted_adv",
        "D2, target made again": "repainted_D",
    },
    "codes that come back": {"of sources": "source_code", "of targets": "target_code"},
    "labels": {"by their codes": "label_code"},
}
WEIGHTS = {  # option -> default, help
    "alpha": (None, "codes of sources that come back (Eq. 5); default 10, with --d l2 1"),
    "beta": (None, "codes of targets that come back (Eq. 6); likewise"),
    "lambda_cls": (1.0, "labels by their codes (section 3.1)"),
}
CODES = {"resblock": 10.0, "l2": 1.0}  # weight of codes, by how they are compared
LARGE = 128  # pixels: larger pictures are halved once more
SIZE = 64
LEAST = 16
NARROW = 8  # pixels: narrower windows see too little


class DAGANOptions:
    """The declarations of `DAGANModel`, see `Declared`."""

    directions = BOTH_WAYS  # one of them, see `ways`
    loss_names = tuple(loss for own in PANELS.values() for loss in own.values())
    panels = {t: {words: f"losses.{x}" for words, x in own.items()} for t, own in PANELS.items()}
    loss_summary = {
        "G": ("painted_adv", "repainted_adv"),
        "D": ("painted_D", "repainted_D"),
        "code": ("source_code", "target_code"),
    }
    scored_by = ("labels",)
    tests_in_eval_mode = True
    architecture_options = (
        *("way", "ngf", "n_blocks", "n_regions", "rho", "no_dae", "include_global"),
    )
    recipe_options = ("d", "d_joint", "no_D2", "label_mode", "n_classes", *WEIGHTS)

    @classmethod
    def extras_of(cls, opt: Namespace) -> dict[str, str]:
        labels = opt.is_train and opt.label_mode != "none"
        return {"label": "label"} if labels else {}

    @classmethod
    def ways(cls, opt: Namespace) -> Sequence[Direction]:
        ways = [way for way in BOTH_WAYS if way.name == opt.way]
        if getattr(opt, "remake", False):
            return [Direction(way.target, way.target) for way in ways]
        return ways

    @classmethod
    def size_multiple(cls, opt) -> int:
        return 8 if is_large(opt) else 4

    @classmethod
    def least_size(cls, opt) -> int:
        return LEAST

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        parser.group("the run").add_argument(
            "--way",
            choices=[way.name for way in BOTH_WAYS],
            default="AtoB",
            help="DA-GAN translates one way: train twice for both",
        )
        group = parser.group("networks")
        for flag, default, what in (
            (
                "ngf",
                64,
                "width of the encoder's first layer; codes are four times as wide",
            ),
            ("n_blocks", 6, "residual blocks of the generator"),
        ):
            group.add_argument(f"--{flag}", type=int, default=default, help=what)
        add_attention_arguments(parser)
        if is_train:
            parser.set_defaults(batch_size=64)
            add_training_arguments(parser)
        else:
            parser.group("attention").add_argument(
                "--remake",
                action="store_true",
                help="targets made again, F(t), instead of sources translated (Eq. 6 and 8)",
            )
        return parser

    @classmethod
    def complete_options(cls, opt) -> None:
        for side in "HW":
            if getattr(opt, f"fineSize{side}") is None:
                setattr(opt, f"fineSize{side}", SIZE)
            if opt.is_train and getattr(opt, f"loadSize{side}") is None:
                setattr(opt, f"loadSize{side}", getattr(opt, f"fineSize{side}"))
        if opt.rho is None:
            opt.rho = 0.75 if opt.n_regions == 1 else 0.5
        if opt.is_train and opt.d is None:
            opt.d = "l2" if opt.label_mode == "none" else "resblock"
        for weight in ("alpha", "beta") if opt.is_train else ():
            if getattr(opt, weight) is None:
                setattr(opt, weight, CODES[opt.d])

    @classmethod
    def option_problems(cls, opt) -> Iterator[str]:
        for flag, least in (("ngf", 1), ("n_blocks", 0), ("n_regions", 1)):
            if getattr(opt, flag) < least:
                yield f"--{flag} {getattr(opt, flag)}: at least {least}"
        if not 0 < opt.rho <= 1:
            yield f"--rho {opt.rho}: more than 0 and at most 1"
        elif not opt.no_dae and opt.rho * min(opt.fineSizeH, opt.fineSizeW) < NARROW:
            side = opt.rho * min(opt.fineSizeH, opt.fineSizeW)
            yield (
                f"--rho {opt.rho}: windows of {side:.1f} pixels see too little: at least {NARROW}, "
                "so raise --rho or --crop_size"
            )
        if opt.is_train:
            yield from training_problems(opt)
        elif opt.direction not in ("both", opt.way, *(way.name for way in cls.ways(opt))):
            yield f"--direction {opt.direction}: the run was trained from {opt.way}"


def add_attention_arguments(parser) -> None:
    group = parser.group("attention")
    group.add_argument(
        "--n_regions",
        type=int,
        default=1,
        help="windows of a picture: 1 for an object, 4 for its parts or for several objects",
    )
    group.add_argument(
        "--rho",
        type=float,
        help="side of a window as a share of the picture's (default: 0.75 of a single window, "
        "0.5 of several)",
    )
    group.add_argument(
        "--no_dae",
        action="store_true",
        help="no attention: the whole picture is the only region (Table 1a's w/o DAE)",
    )
    group.add_argument(
        "--include_global",
        action="store_true",
        help="the code of the whole picture beside those of its regions (not in the paper)",
    )


def is_large(opt) -> bool:
    return min(opt.fineSizeH, opt.fineSizeW) > LARGE


def add_training_arguments(parser) -> None:
    group = parser.group("networks")
    for flag, default, what in (
        ("ndf", 64, "width of the discriminators' first layer"),
        ("width_C", 128, "width of the classifier of codes"),
        ("blocks_C", 9, "its residual blocks"),
    ):
        group.add_argument(f"--{flag}", type=int, default=default, help=what)
    group = parser.group("attention")
    group.add_argument(
        "--sharpen_for",
        type=int,
        default=2000,
        metavar="UPDATES",
        help="edges of windows are soft in the beginning, and sharp after so many",
    )
    group = parser.group("losses")
    group.add_argument(
        "--d",
        choices=("resblock", "l2"),
        help="how codes are compared: in the features of a classifier that is trained with labels, "
        "or by squares (default: resblock where there are labels)",
    )
    group.add_argument(
        "--d_joint",
        action="store_true",
        help="comparing codes trains encoder and classifier as well, and not the translation alone",
    )
    group.add_argument(
        "--label_mode",
        choices=("none", "source", "both"),
        default="none",
        help="labels that are used, of {phase}A_label.csv or of folders of classes: of the domain "
        "that is translated, as in domain adaptation, or of both",
    )
    group.add_argument(
        "--warmup_cls",
        type=int,
        default=0,
        metavar="PICTURES",
        help="of so many pictures of a domain labels alone are learnt",
    )
    group.add_argument("--n_classes", type=int, default=10, help="labels are 0 to one less")
    group.add_argument(
        "--no_D2",
        action="store_true",
        help="nothing against lost modes: targets are not made again (Table 1a's w/o D2)",
    )
    for flag, (default, what) in WEIGHTS.items():
        group.add_argument(f"--{flag}", type=float, default=default, help=f"weight: {what}")
    group = parser.group("optimisation")
    group.add_argument("--beta1", type=float, default=0.5, help="momentum of Adam")


def training_problems(opt) -> Iterator[str]:
    """One line for each option of training that cannot work."""
    for flag, least in (
        *(("ndf", 1), ("width_C", 1), ("blocks_C", 1), ("n_classes", 2), ("sharpen_for", 1)),
        ("warmup_cls", 0),
    ):
        if getattr(opt, flag) < least:
            yield f"--{flag} {getattr(opt, flag)}: at least {least}"
    for flag in WEIGHTS:
        if getattr(opt, flag) < 0:
            yield f"--{flag} {getattr(opt, flag)}: must not be negative"
    if not 0 <= opt.beta1 < 1:
        yield f"--beta1 {opt.beta1}: at least 0 and less than 1"
    if opt.batch_size // opt.accumulate < 2:
        yield (
            f"--batch_size {opt.batch_size} --accumulate {opt.accumulate}: batch norm needs at "
            "least two pictures at once"
        )
    if getattr(opt, "cuda_graphs", False) and world_size() > 1:
        yield (
            f"--cuda_graphs: batch norm of {world_size()} processes waits for the others within an "
            "update: leave it out"
        )
    if opt.label_mode != "none" and opt.dataroot:
        sources = [way.source for way in DAGANOptions.ways(opt)]
        for domain in "AB" if opt.label_mode == "both" else sources:
            folder = f"{opt.phase}{domain}"
            if not has_labels(Path(opt.dataroot), folder):
                yield (
                    f"--label_mode {opt.label_mode}: {opt.dataroot}/{folder} has no labels: write "
                    f"{folder}_label.csv with lines STEM,number, or use --label_mode none"
                )
    if opt.warmup_cls and opt.label_mode == "none":
        yield f"--warmup_cls {opt.warmup_cls}: there are no labels: add --label_mode source"
    if opt.d == "resblock" and opt.label_mode == "none":
        yield "--d resblock compares in the features of a classifier: add --label_mode source"
