#!/usr/bin/env python3
"""Make a two-domain dataset of COCO, or of any annotations in its format.

    python datasets/generate_coco_dataset.py --cat1 sheep --cat2 giraffe

Every annotation file is one split, found in its path: `instances_train2017.json` is phase `train`.
The shorter side is scaled to --image_size, and the middle square is cut out.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from datasets.making.annotations.source import AnnotatedFolder
from datasets.making.writer import write_dataset
from options.annotation_options import annotation_parser, parse_annotation_options
from util.errors import command


@command
def main(argv: list[str] | None = None) -> None:
    parser = annotation_parser(
        __doc__.split("\n")[0],
        data_root="./datasets/coco",
        save_root="./datasets/shp2gir_coco",
        cat1="sheep",
        cat2="giraffe",
    )
    args = parse_annotation_options(parser, argv)
    write_dataset(AnnotatedFolder(args, "coco"), args)


if __name__ == "__main__":
    main()
