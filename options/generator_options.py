"""Options that the dataset generators share, and how categories are named."""

import argparse
import math

from options.parser import HelpFormatter
from util.command_line import OneLineParser
from util.errors import UserError
from util.workers import cores


def generator_parser(description: str, **defaults) -> argparse.ArgumentParser:
    """A parser with the generators' common options; defaults of save_root, cat1 and cat2.

    help1 and help2 are what --cat1 and --cat2 mean, where that is something else than usual.
    """
    parser = OneLineParser(description=description, formatter_class=HelpFormatter)
    parser.add_argument("--save_root", default=defaults["save_root"], help="dataset to write")
    for number, domain in ((1, "A"), (2, "B")):
        usual = f"category of domain {domain}; several: a,b,c"
        parser.add_argument(
            f"--cat{number}",
            default=defaults.get(f"cat{number}"),
            help=defaults.get(f"help{number}", usual),
        )
    parser.add_argument(
        "--min_area",
        type=float,
        default=0.0,
        help="leave out instances smaller than this share of the written picture, such as 0.005",
    )
    parser.add_argument("--max_instances", type=int, help="keep this many per picture, the largest")
    parser.add_argument(
        "--test_fraction",
        type=float,
        default=0.0,
        help="share of the training pictures to write as phase test instead",
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the pictures of --test_fraction")
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help="what becomes of annotated pictures that are absent or broken",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a dataset that a generator wrote there"
    )
    parser.add_argument("--workers", type=int, default=cores(), help="processes")
    return parser


def add_exif_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--exif",
        choices=("shown", "stored"),
        help="how photos with an EXIF turn were annotated, where their size does not tell "
        "(default: shown, with a note)",
    )


def parse_generator(parser: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The checked options. Raises UserError for a value that cannot work."""
    args = parser.parse_args(argv)
    for flag, low, high in (("min_area", 0, 1), ("test_fraction", 0, 1)):
        value = getattr(args, flag)
        if not low <= value < high or math.isnan(value):
            raise UserError(f"--{flag} {value}: at least {low} and less than {high}")
    for flag, least in (("max_instances", 1), ("workers", 1), ("seed", 0)):
        value = getattr(args, flag)
        if value is not None and value < least:
            raise UserError(f"--{flag} {value}: at least {least}")
    return args
