"""Options of the generators that read annotation files."""

import argparse

from options.generator_options import add_exif_argument, generator_parser, parse_generator
from util.errors import UserError

LARGEST = 10_000  # pixels


def annotation_parser(description: str, data_root: str, **defaults) -> argparse.ArgumentParser:
    """A parser with the generators' options and those of annotation files."""
    parser = generator_parser(description, **defaults)
    parser.add_argument("--data_root", default=data_root, help="pictures and annotations")
    parser.add_argument("--image_size", type=int, default=256, help="side of the pictures")
    parser.add_argument(
        "--annotations",
        nargs="+",
        metavar="[SPLIT=]FILE",
        help="annotation files, relative to data_root (default: those that lie there; of COCO "
        "annotations/instances_*.json, or else every .json)",
    )
    parser.add_argument(
        "--images",
        help="folder of the pictures, seen from here (default: looked for in data_root); a path "
        "that is not there is found by its end, such as the file's name, and told",
    )
    add_reading_arguments(parser)
    return parser


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """How annotations of pictures are to be taken."""
    parser.add_argument(
        "--crowd", choices=("skip", "keep"), default="skip", help="instances marked iscrowd 1"
    )
    parser.add_argument(
        "--rescale",
        action="store_true",
        help="pictures may have been resized after they were annotated, in proportion",
    )
    add_exif_argument(parser)


def parse_annotation_options(
    parser: argparse.ArgumentParser, argv: list[str] | None
) -> argparse.Namespace:
    """The checked options. Raises UserError for a value that cannot work."""
    args = parse_generator(parser, argv)
    if not 1 <= args.image_size <= LARGEST:
        raise UserError(f"--image_size {args.image_size}: from 1 to {LARGEST}")
    return args
