#!/usr/bin/env python3
"""Fill a visdom dashboard from the log of a run, finished or running.

    python scripts/replay_dashboard.py checkpoints/myrun            # and end
    python scripts/replay_dashboard.py checkpoints/myrun --follow   # and go on with what is added

Pictures are the newest ones of the training page (`checkpoints/myrun/web`), if it has any.
"""

import argparse
import json
import sys
import time
from contextlib import suppress
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loggers import server_of
from loggers.drawing import arrange
from loggers.records import FILE, continuous, read_records
from loggers.run_card import RunCard
from loggers.training_page import DATA, looks_of
from loggers.visdom_board import PICTURES, VisdomBoard
from loggers.worker import MissingError, reason
from models import curves_of_run
from options.logger_options import server_problems
from util.command_line import OneLineParser
from util.errors import UserError, command

PAUSE = 2.0  # seconds between looks at the log


@command
def main(argv: list[str] | None = None) -> None:
    args = parse(argv)
    log = args.run / FILE
    records = continuous(read_records(log))
    if not records:
        raise UserError(f"{log}: no report in it; name the folder of a run, checkpoints/NAME")
    board = VisdomBoard(server_of(args), card_of(args.run, records))
    try:
        show(board, records, args.run)
        print(f"{len(records)} reports in environment {board.server.env} of {board.server.url}")
        if args.follow:
            follow(board, records, args.run)
    except MissingError as error:
        raise UserError(str(error)) from None
    except OSError as error:  # requests' errors are such, too
        told = f"{board.name} {board.trouble} ({reason(error)})"
        raise UserError(f"{told}: {board.advice}") from None
    except KeyboardInterrupt:
        print("no longer followed")


def show(board: VisdomBoard, records: list[dict], run: Path) -> None:
    """All curves, and the newest pictures."""
    board.open(records)
    if looks := looks_of(run / "web" / DATA):
        tiles = tiles_of(run / "web", looks[-1])
        title = f"epoch {looks[-1]['epoch']}, picture {looks[-1]['total']:,}"
        if any(tile is not None for tile in tiles):
            board.show_grid(PICTURES, arrange(tiles, board.server.ncols), title)


def follow(board: VisdomBoard, records: list[dict], run: Path) -> None:
    """Show what is added until Ctrl-C; a server that is gone for a while is waited for."""
    while True:
        time.sleep(PAUSE)
        newer = continuous(read_records(run / FILE))
        if newer != records:
            with suppress(OSError):
                show(board, newer, run)
                records = newer


def tiles_of(web: Path, look: dict) -> list[np.ndarray | None]:
    """The tiles of a set of pictures, both directions of a sample one after the other."""
    return [
        tile_of(web, file)
        for samples in zip_longest(*(block["samples"] for block in look["rows"]))
        for sample in samples
        for file in (sample["files"] if sample else (None,) * 3)
    ]


def tile_of(web: Path, file: str | None) -> np.ndarray | None:
    """A tile of the page, None if it cannot be read; nothing outside its folder is."""
    path = web / "images" / PurePosixPath(unquote(file or "")).name
    try:
        return np.asarray(Image.open(path).convert("RGB"))
    except OSError:
        return None


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("run", type=Path, help="folder of a run: checkpoints/NAME")
    add("--follow", action="store_true", help="go on until Ctrl-C")
    add("--display_server", default="http://localhost")
    add("--display_port", type=int, default=8097)
    add("--display_env", help="default: the run's name")
    add("--display_id", type=int, default=1, help="what the windows' names begin with")
    add("--display_ncols", type=int, default=6, help="tiles in a row of pictures")
    add("--display_start", action="store_true", help="start a server here if none answers")
    args = parser.parse_args(argv)
    if problem := next(server_problems(args), None):
        raise UserError(problem)
    for flag in ("display_id", "display_ncols"):
        if getattr(args, flag) < 1:
            raise UserError(f"--{flag} {getattr(args, flag)}: at least 1")
    args.name = args.run.resolve().name
    return args


def card_of(folder: Path, records: list[dict]) -> RunCard:
    """What is known of a run besides its log."""
    path = folder / "options.json"
    try:
        options = dict(json.loads(path.read_text())) if path.is_file() else {}
    except (ValueError, TypeError):
        raise UserError(f"{path} is not whole: without it the card is shorter") from None
    epochs = options.get("niter", 0) + options.get("niter_decay", 0) or records[-1]["epoch"]
    firsts = [r["iters"] for r in records if r["epoch"] == 1]
    later = [r["total"] - r["iters"] for r in records if r["epoch"] == 2]
    pictures = later[0] if later else max(firsts, default=0)
    name = folder.resolve().name
    told = f"replayed from {folder / FILE}"
    return RunCard(name, folder, pictures, epochs, options, told, curves_of_run(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
