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

from options.logger_options import server_problems
from util.command_line import OneLineParser
from util.errors import UserError, command
from util.loggers.drawing import arrange
from util.loggers.records import FILE, continuous, read_records
from util.loggers.run_card import RunCard
from util.loggers.training_page import DATA, looks_of
from util.loggers.visdom_board import Server, VisdomBoard
from util.loggers.worker import MissingError, reason

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
        rows = rows_of(run / "web", looks[-1])
        title = f"epoch {looks[-1]['epoch']}, picture {looks[-1]['total']:,}"
        board.show_grid("pictures", arrange([tile for row in rows for tile in row], 6), title)


def follow(board: VisdomBoard, records: list[dict], run: Path) -> None:
    """Show what is added until Ctrl-C; a server that is gone for a while is waited for."""
    while True:
        time.sleep(PAUSE)
        newer = continuous(read_records(run / FILE))
        if newer != records:
            with suppress(OSError):
                show(board, newer, run)
                records = newer


def rows_of(web: Path, look: dict) -> list[list[np.ndarray | None]]:
    """Rows of tiles, both directions of a sample in one."""
    return [
        [
            tile_of(web, file)
            for sample in samples
            for file in (sample["files"] if sample else (None,) * 3)
        ]
        for samples in zip_longest(*(block["samples"] for block in look["rows"]))
    ]


def tile_of(web: Path, file: str | None) -> np.ndarray | None:
    """A tile of the page, None if it is not there; nothing outside its folder is read."""
    path = web / "images" / PurePosixPath(unquote(file or "")).name
    return np.asarray(Image.open(path).convert("RGB")) if path.is_file() else None


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
    add("--display_id", type=int, default=1, help="number of the windows")
    add("--display_start", action="store_true", help="start a server here if none answers")
    args = parser.parse_args(argv)
    if problem := next(server_problems(args), None):
        raise UserError(problem)
    return args


def server_of(args: argparse.Namespace) -> Server:
    return Server(
        address=args.display_server,
        port=args.display_port,
        env=args.display_env or args.run.resolve().name,
        window=args.display_id,
        start=args.display_start,
    )


def card_of(folder: Path, records: list[dict]) -> RunCard:
    """What is known of a run besides its log."""
    path = folder / "options.json"
    try:
        options = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError:
        raise UserError(f"{path} is not whole: without it the card is shorter") from None
    epochs = options.get("niter", 0) + options.get("niter_decay", 0) or records[-1]["epoch"]
    firsts = [r["iters"] for r in records if r["epoch"] == 1]
    later = [r["total"] - r["iters"] for r in records if r["epoch"] == 2]
    pictures = later[0] if later else max(firsts, default=0)
    name = folder.resolve().name
    return RunCard(name, folder, pictures, epochs, options, f"replayed from {folder / FILE}")


if __name__ == "__main__":
    main(sys.argv[1:])
