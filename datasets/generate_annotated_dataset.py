#!/usr/bin/env python3
"""Make a two-domain dataset of annotations of COCO, LabelMe, VIA, YOLO or Pascal VOC.

    python datasets/generate_annotated_dataset.py --data_root FOLDER --cat1 sheep --cat2 giraffe

The format is told by the files in the folder, and said. datasets/README.md has a table of them.
The shorter side is scaled to --image_size, and the middle square is cut out.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datasets.making.annotations.source import FORMATS, AnnotatedFolder
from datasets.making.writer import write_dataset
from options.annotation_options import annotation_parser, parse_annotation_options
from util.errors import command


@command
def main(argv: list[str] | None = None) -> None:
    parser = annotation_parser(__doc__.split("\n")[0], data_root=".", save_root="./datasets/mine")
    parser.add_argument(
        "--format",
        choices=("auto", *FORMATS),
        default="auto",
        help="of the annotations; auto: as the files in data_root tell",
    )
    args = parse_annotation_options(parser, argv)
    write_dataset(AnnotatedFolder(args, args.format), args)


if __name__ == "__main__":
    main()
