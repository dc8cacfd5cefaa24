#!/usr/bin/env python3
"""Make a dataset for INIT of two sets of pictures with boxes, such as streets by day and by night.

    python datasets/generate_init_dataset.py --imagesA sunny --labelsA sunny_train.txt \\
        --imagesB night --labelsB night_train.txt --save_root ./datasets/sunny2night

Boxes may be in COCO's format (a .json), in Pascal VOC's (a folder of .xml), or in one of the two
layouts of INIT's own data: a list with a block for each picture (a .txt), or a folder with a .txt
for each picture. They are written as rectangular masks, so that any tool and any model reads them.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datasets.making.annotations.box_source import BoxedPictures
from datasets.making.writer import write_dataset
from options.annotation_options import LARGEST, add_reading_arguments
from options.generator_options import generator_parser, parse_generator
from util.errors import UserError, command


@command
def main(argv: list[str] | None = None) -> None:
    parser = generator_parser(
        __doc__.split("\n")[0],
        save_root="./datasets/sunny2night",
        help1="classes of A whose boxes are taken, such as car,person (default: all)",
        help2="those of B (default: those of A)",
    )
    for domain in "AB":
        parser.add_argument(f"--images{domain}", help=f"folder of {domain}'s pictures")
        parser.add_argument(
            f"--labels{domain}",
            nargs="+",
            metavar="[PHASE=]PATH",
            help=f"boxes of {domain}, a file or a folder, for each phase (default: train)",
        )
    parser.add_argument(
        "--image_size",
        type=int,
        default=360,
        help="pixels of the shorter side, aspect kept; 0: as large as they are",
    )
    add_reading_arguments(parser)
    args = parse_generator(parser, argv)
    if not 0 <= args.image_size <= LARGEST:
        raise UserError(f"--image_size {args.image_size}: from 0 to {LARGEST}")
    write_dataset(BoxedPictures(args), args)


if __name__ == "__main__":
    main()
