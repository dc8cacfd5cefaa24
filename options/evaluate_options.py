"""Options of scoring."""

import argparse
import json
from pathlib import Path

from metrics.yardsticks import METRICS
from options.parser import HelpFormatter
from options.test_options import TestOptions
from training.device import parse_gpu_ids
from util.command_line import OneLineParser
from util.errors import UserError, did_you_mean

DESCRIPTION = "Score translations: of a trained model, or in any folder of results."
USAGE = """%(prog)s --dataroot FOLDER --name RUN [options of test.py] [options]
       %(prog)s --dataroot FOLDER --results FOLDER [FOLDER …] [options]"""


def parse(argv: list[str] | None = None) -> tuple[argparse.Namespace, argparse.Namespace | None]:
    """The options, and those of test.py if there is something to translate first.

    Raises UserError or SystemExit(2).
    """
    parser = build_parser()
    opt, rest = parser.parse_known_args(argv)
    check(opt)
    if opt.results:
        parser.parse_args(argv)  # which refuses what it does not know
        opt.gpu_ids = parse_gpu_ids(opt.gpu_ids)
        return opt, None
    words = ["--dataroot", opt.dataroot, "--name", opt.name, "--gpu_ids", opt.gpu_ids]
    words += ["--seed", str(opt.seed), *(["--phase", opt.phase] if opt.phase else [])]
    translation = TestOptions().parse([*words, *rest])
    if translation.dry_run:
        raise UserError("--dry_run: there would be nothing to score; give it to test.py")
    opt.phase, opt.gpu_ids = translation.phase, translation.gpu_ids
    return opt, translation


def build_parser() -> OneLineParser:
    parser = OneLineParser(description=DESCRIPTION, usage=USAGE, formatter_class=HelpFormatter)
    group = parser.add_argument_group("what is scored")
    group.add_argument("--dataroot", help="dataset folder, with the real pictures")
    group.add_argument("--name", help="run to translate with and to score; test.py's options apply")
    group.add_argument(
        "--results",
        nargs="+",
        type=Path,
        default=[],
        help="folders of results as test.py writes them; several: mean and sd over them as well",
    )
    group.add_argument(
        "--phase",
        help="pictures that are translated, or were (default: test, or what the results say)",
    )
    group.add_argument(
        "--metrics",
        type=lambda text: text.split(","),
        default=["auto"],
        metavar="M,M,…",
        help=f"of {', '.join(METRICS)}; auto: what suits the model, of background and mask, and "
        "of drawn shapes shapes or appearance",
    )
    group = parser.add_argument_group("classification, and features of FID and KID")
    group.add_argument(
        "--classifier",
        choices=("vgg16", "resnet18", "small"),
        default="vgg16",
        help="its last layers are fine-tuned on the real training pictures; small: a minute",
    )
    group.add_argument(
        "--classifier_weights",
        help="what it starts from: a file, imagenet (fetched by torchvision; default of vgg16 and "
        "resnet18) or none (default of small)",
    )
    group.add_argument("--train_phase", default="train", help="pictures that it is trained on")
    group.add_argument(
        "--features",
        choices=("auto", "inception", "classifier"),
        default="auto",
        help="of FID and KID; auto: inception if its weights are there",
    )
    group.add_argument("--inception_weights", metavar="FILE", help="torch-fidelity's weights")
    group = parser.add_argument_group("diversity")
    group.add_argument(
        "--distance",
        choices=("auto", "lpips", "classifier"),
        default="auto",
        help="of two results of one picture: LPIPS, or likewise in the features of --classifier; "
        "auto: lpips if its package and AlexNet's weights are there",
    )
    group = parser.add_argument_group("detection")
    group.add_argument(
        "--detector",
        choices=("auto", "maskrcnn", "shapes"),
        default="auto",
        help="auto: shapes for drawn shapes, else maskrcnn",
    )
    group.add_argument(
        "--detector_weights", default="coco", help="a file, or coco (fetched by torchvision)"
    )
    group.add_argument(
        "--categories",
        metavar="A,B",
        help="COCO's names of the two classes (default: those the dataset was made with)",
    )
    group = parser.add_argument_group("device")
    group.add_argument("--gpu_ids", default="auto", help="0, -1 for the CPU, or auto")
    group.add_argument("--batch", type=int, default=16, help="pictures scored at once")
    group.add_argument("--seed", type=int, default=0, help="everything random hangs on it")
    return parser


def check(opt: argparse.Namespace) -> None:
    """Raise UserError for what cannot work; fill in what was left out."""
    if not opt.dataroot or not Path(opt.dataroot).is_dir():
        raise UserError(f"--dataroot {opt.dataroot or 'is missing'}: name the dataset's folder")
    if bool(opt.name) == bool(opt.results):
        raise UserError("give either --name, a run to score, or --results, folders of translations")
    for name in opt.metrics:
        if name not in ("auto", *METRICS):
            raise UserError(f"--metrics {name}: there is none. {did_you_mean(name, METRICS)}")
    small = opt.classifier == "small"
    opt.classifier_weights = opt.classifier_weights or ("none" if small else "imagenet")
    if small and opt.classifier_weights == "imagenet":
        raise UserError("--classifier_weights imagenet: small has none; leave it out")
    files = {"classifier_weights": ("imagenet", "none"), "detector_weights": ("coco",)}
    for flag, words in files.items():
        value = getattr(opt, flag)
        if value not in words and not Path(value).is_file():
            raise UserError(f"--{flag} {value}: no file and not {' or '.join(words)}")
    if opt.batch < 1:
        raise UserError(f"--batch {opt.batch}: at least 1")
    opt.categories = categories(opt)


def categories(opt: argparse.Namespace) -> dict[str, str]:
    """The classes of A and B: those typed, or those in the dataset's description, or none."""
    if opt.categories:
        names = [name.strip() for name in opt.categories.split(",")]
        if len(names) != 2:
            raise UserError(f"--categories {opt.categories}: two names, of A and of B")
        return dict(zip("AB", names, strict=True))
    path = Path(opt.dataroot) / "dataset.json"
    try:
        found = json.loads(path.read_text()).get("categories", {}) if path.is_file() else {}
        return {domain: str(found[domain]) for domain in "AB" if found.get(domain)}
    except (ValueError, AttributeError, TypeError):
        raise UserError(f"{path} names no categories: give --categories A,B") from None
