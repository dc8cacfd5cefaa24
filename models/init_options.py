"""What INIT declares: its options, losses, and what is drawn of them."""

from collections.abc import Iterator
from pathlib import Path

from data.pictures import UnreadableError, read_image
from models.networks.munit import DOWN, least_side

GROUPS = {"content": "enc", "style": "enc", "decoder": "dec", "D": "D"}
OWN = tuple(dict.fromkeys(GROUPS.values()))  # networks that objects may have to themselves
GRANULARITIES = ("objects", "half_scale", "none")
RATE = 0.0001
LEAST = 16  # pixels of a side that codes are read from
SIZE = 360  # pixels of the shorter side
MOST = 20  # objects of a picture that are read
TRAINED = "scale_shorter_and_crop"
WHOLE = {  # how pictures get their size in training -> in a test
    TRAINED: "scale_shorter",
    "crop": "none",
    "enlarge_and_crop": "none",
}
PANELS = {  # title -> label -> loss
    "against the discriminators": {
        "G, pictures": "whole_adv",
        "D, pictures": "whole_D",
        "G, objects": "object_adv",
        "D, objects": "object_D",
    },
    "pictures made again": {
        "from their own codes": "whole_self",
        "there and back": "whole_cycle",
        "with an object's style": "whole_swap",
    },
    "objects made again": {
        "from their own codes": "object_self",
        "there and back": "object_cycle",
        "with the picture's style": "object_swap",
    },
    "codes made again": {
        "contents": "whole_content",
        "styles": "whole_style",
        "contents of objects": "object_content",
        "styles of objects": "object_style",
    },
}
BARE = {d: f"objects.bare.{d}" for d in "AB"}  # where a record has the share of such pictures
WEIGHTS = {  # option -> default, help
    "lambda_g": (10.0, "pictures that are made again"),
    "lambda_o": (10.0, "objects that are made again"),
    "lambda_c": (1.0, "contents that are made again"),
    "lambda_s": (1.0, "styles that are made again"),
}


class INITOptions:
    """The declarations of `INITModel`, see `Declared`."""

    loss_names = tuple(loss for own in PANELS.values() for loss in own.values())
    panels = {t: {words: f"losses.{x}" for words, x in own.items()} for t, own in PANELS.items()}
    panels["pictures without an object"] = BARE
    alarms = {
        place: f"domain {d}: no picture has an object of --min_box_area pixels"
        for d, place in BARE.items()
    }
    alarm_advice = "objects teach nothing then. Lower --min_box_area, or raise --load_size"
    scored_by = ("appearance",)
    defaults_for_pictures = {"n_styles": 1}
    loss_summary = {
        "G": ("whole_adv", "object_adv"),
        "D": ("whole_D", "object_D"),
        "self": ("whole_self",),
    }
    architecture_options = (
        *("ngf", "ndf", "n_blocks", "style_dim", "mlp_dim"),
        *("loadSizeH", "loadSizeW"),  # the scale at which pictures were seen in training
    )
    recipe_options = (
        "granularity",
        "n_obj",
        "obj_size",
        "min_box_area",
        "use_bg_style",
        "objects_own",
        "n_scales",
        *WEIGHTS,
    )

    @classmethod
    def needs_masks(cls, opt) -> bool:
        return opt.is_train and opt.granularity == "objects"

    @classmethod
    def size_multiple(cls, opt) -> int:
        return DOWN * halves(opt)

    @classmethod
    def least_size(cls, opt) -> int:
        return least_side(opt.n_scales) * halves(opt) if opt.is_train else LEAST

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        group = parser.group("networks")
        for flag, default, what in (
            ("ngf", 64, "width of the first layer of encoders, and of the last of decoders"),
            ("ndf", 64, "width of the discriminators' first layer"),
            ("n_blocks", 4, "residual blocks of content encoder and decoder"),
            ("style_dim", 8, "numbers of a style"),
            ("mlp_dim", 256, "width of the MLP that reads styles"),
        ):
            group.add_argument(f"--{flag}", type=int, default=default, help=what)
        if is_train:
            parser.set_defaults(lr=RATE, resize_or_crop=TRAINED, niter_decay=0)
            add_training_arguments(parser)
        else:
            add_style_arguments(parser.group("results"))
        return parser

    @classmethod
    def complete_options(cls, opt) -> None:
        for kind in ("fine", "load") if opt.is_train else ("fine",):
            for side in "HW":
                if getattr(opt, f"{kind}Size{side}") is None:
                    setattr(opt, f"{kind}Size{side}", SIZE)
        if not opt.is_train:
            test_whole_pictures(opt)
            return
        if opt.dataset_mode == "unaligned_seg":
            opt.ins_max = opt.ins_max if "ins_max" in opt.typed else MOST
            opt.no_mask = opt.no_mask if "no_mask" in opt.typed else "keep"
        least = min(opt.fineSizeH, opt.fineSizeW)
        if opt.obj_size is None:  # the paper's 120 of 360
            opt.obj_size = min(least, max(32, least // 3)) // DOWN * DOWN
        if opt.min_box_area is None:  # of 120 x 120 the area of 16 x 16, and 5 x 5 at least
            opt.min_box_area = max(25, round((opt.obj_size * 16 / 120) ** 2))
        if opt.n_scales is None:
            smallest = {"objects": min(least, opt.obj_size), "half_scale": least // 2}
            side = smallest.get(opt.granularity, least)
            opt.n_scales = next((n for n in (3, 2) if least_side(n) <= side), 1)

    @classmethod
    def option_problems(cls, opt) -> Iterator[str]:
        for flag, least in (
            ("ngf", 1),
            ("ndf", 1),
            ("n_blocks", 1),
            ("style_dim", 1),
            ("mlp_dim", 1),
        ):
            if getattr(opt, flag) < least:
                yield f"--{flag} {getattr(opt, flag)}: at least {least}"
        yield from training_problems(opt) if opt.is_train else style_problems(opt)


def test_whole_pictures(opt) -> None:
    """In a test nothing is cut off, and pictures have the scale that they had in training."""
    if "resize_or_crop" not in opt.typed:
        opt.resize_or_crop = WHOLE.get(opt.resize_or_crop, opt.resize_or_crop)
    if opt.resize_or_crop != "scale_shorter":
        for flag in {"loadSizeH", "loadSizeW"} - {*opt.typed}:
            setattr(opt, flag, None)


def halves(opt) -> int:
    """How much larger pictures have to be because half of them is looked at as well."""
    return 2 if opt.is_train and opt.granularity == "half_scale" else 1


def add_training_arguments(parser) -> None:
    group = parser.group("objects")
    group.add_argument(
        "--granularity",
        choices=GRANULARITIES,
        default="objects",
        help="what is looked at besides whole pictures: objects, by the boxes of their masks; "
        "half_scale, the picture at half its size, which needs no masks; none, which is MUNIT",
    )
    group.add_argument("--n_obj", type=int, default=1, help="objects drawn of a picture, each step")
    group.add_argument(
        "--obj_size",
        type=int,
        help="side of an object in pixels (default: a third of a picture's, the paper's 120 of "
        "360, and at least 32)",
    )
    group.add_argument(
        "--min_box_area",
        type=int,
        help="pixels; objects in smaller boxes are not used (default: 256 with --obj_size 120, "
        "with another as large a part of it, and at least 25)",
    )
    group.add_argument(
        "--objects_own",
        nargs="*",
        choices=OWN,
        default=[],
        help="separate networks for objects: D alone is the paper's w/o Ds, enc dec D are its "
        "independent branches for COCO (default: objects share all networks with pictures)",
    )
    group.add_argument(
        "--use_bg_style",
        action="store_true",
        help="objects are painted in the style of what is outside all boxes as well",
    )
    group = parser.group("losses")
    for flag, (default, what) in WEIGHTS.items():
        group.add_argument(f"--{flag}", type=float, default=default, help=f"weight: {what}")
    parser.group("networks").add_argument(
        "--n_scales",
        type=int,
        help="sizes of a picture that a discriminator looks at (default: 3, or as many as its "
        "smallest pictures allow)",
    )
    group = parser.group("optimisation")
    group.add_argument("--beta1", type=float, default=0.5, help="momentum of Adam")
    group.add_argument("--weight_decay", type=float, default=0.0001, help="of Adam")
    group.add_argument(
        "--halve_every",
        type=int,
        default=100_000,
        metavar="UPDATES",
        help="the learning rate is halved after so many; 0: never",
    )


def training_problems(opt) -> Iterator[str]:
    """One line for each option of training that cannot work."""
    for flag, least in (("n_obj", 1), ("min_box_area", 1), ("n_scales", 1), ("halve_every", 0)):
        if getattr(opt, flag) < least:
            yield f"--{flag} {getattr(opt, flag)}: at least {least}"
    if "lr_policy" in opt.typed:
        yield "--lr_policy: the rate of --model init follows --halve_every: leave it out"
    for flag in (*WEIGHTS, "weight_decay"):
        if getattr(opt, flag) < 0:
            yield f"--{flag} {getattr(opt, flag)}: must not be negative"
    if not 0 <= opt.beta1 < 1:
        yield f"--beta1 {opt.beta1}: at least 0 and less than 1"
    least = max(16, least_side(opt.n_scales))
    fits = min(opt.fineSizeH, opt.fineSizeW) >= least  # else that is said, and no more
    small = opt.obj_size < least or opt.obj_size % DOWN
    if opt.granularity == "objects" and small and fits:
        yield (
            f"--obj_size {opt.obj_size}: a multiple of {DOWN} and at least {least}, the smallest "
            f"picture that a discriminator of --n_scales {opt.n_scales} can look at"
        )
    if opt.granularity == "objects" and opt.dataset_mode == "unaligned":
        yield (
            "--granularity objects needs masks, whose boxes are the objects: use --dataset_mode "
            "unaligned_seg, or --granularity half_scale or none"
        )
    if opt.use_bg_style and opt.granularity != "objects":
        yield f"--use_bg_style is for --granularity objects, and not for {opt.granularity}"
    if opt.objects_own and opt.granularity == "none":
        yield "--objects_own: there are no objects with --granularity none"


def add_style_arguments(group) -> None:
    group.add_argument(
        "--n_styles",
        type=int,
        default=10,
        help="results of each picture, each in a random style; the first one is scored",
    )
    group.add_argument(
        "--synchronized", action="store_true", help="the same random styles for all pictures"
    )
    group.add_argument(
        "--style_from",
        nargs="+",
        metavar="PICTURE",
        help="the styles of these pictures, of the domain that is translated to",
    )
    group.add_argument(
        "--interpolate",
        type=int,
        metavar="N",
        help="N styles on the way from the first one to the second",
    )


def style_problems(opt) -> Iterator[str]:
    if opt.n_styles < 1:
        yield f"--n_styles {opt.n_styles}: at least 1"
    for path in opt.style_from or ():
        try:
            read_image(Path(path), opt.input_nc)
        except UnreadableError as error:
            yield f"--style_from {error}"
    for flag in ("n_styles", "synchronized"):
        if opt.style_from and flag in opt.typed:
            yield f"--{flag}: the styles are those of --style_from: leave one of them out"
    if opt.style_from and opt.direction == "both":
        yield "--style_from: the pictures are of one domain: give --direction as well"
    if opt.interpolate is not None:
        if opt.interpolate < 2:
            yield f"--interpolate {opt.interpolate}: at least 2"
        if len(opt.style_from or range(opt.n_styles)) < 2:
            yield "--interpolate goes from one style to another: give two"
