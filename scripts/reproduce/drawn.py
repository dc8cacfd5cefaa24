"""What the studies on drawn shapes have in common: their options, their data, names of runs."""

import argparse
import os
from pathlib import Path

from datasets import generate_shapes_dataset
from util.command_line import OneLineParser
from util.errors import UserError
from util.files import staged


def parse(description: str, data: str, argv: list[str] | None) -> argparse.Namespace:
    """The options of a study. Raises UserError for a value that cannot work."""
    parser = OneLineParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dry_run", action="store_true", help="print what would be run")
    parser.add_argument("--seeds", type=int, default=3, help="of every training (default 3)")
    parser.add_argument(
        "--jobs",
        type=int,
        help="trainings at a time (default: one per core up to 4; on a GPU 1)",
    )
    parser.add_argument("--device", default="-1", help="--gpu_ids of all commands (default -1)")
    parser.add_argument("--data", type=Path, default=Path(data), help="to draw to")
    parser.add_argument("--folder", type=Path, default=Path("docs/results"), help="of the rows")
    parser.add_argument("--train_options", default="", help="more options of train.py")
    args = parser.parse_args(argv)
    args.jobs = args.jobs or (min(os.cpu_count() or 1, 4) if args.device == "-1" else 1)
    for flag in ("seeds", "jobs"):
        if getattr(args, flag) < 1:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least 1")
    return args


def draw(folder: Path, options: str, generator=generate_shapes_dataset) -> None:
    """Draw shapes, or what another generator draws, into a folder, unless that is there already."""
    written = folder / "drawn_by.txt"
    if written.is_file() and written.read_text() == options:
        return
    with staged(folder, "--data") as partial:
        generator.main(["--save_root", str(partial), *options.split()])
        (partial / written.name).write_text(options)


def slug(method: str) -> str:
    """A name for files: `+ context loss` is `context_loss`."""
    return "_".join("".join(c if c.isalnum() else " " for c in method.lower()).split())
