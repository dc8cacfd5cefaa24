#!/usr/bin/env python3
"""Fill a visdom dashboard from the log of a run, finished or running.

    python scripts/replay_dashboard.py checkpoints/myrun            # and end
    python scripts/replay_dashboard.py checkpoints/myrun --follow   # and go on with what is added

Pictures are those of the training page (`checkpoints/myrun/web`), the newest epoch's.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from util.command_line import OneLineParser
from util.errors import UserError, command
from util.loggers.records import FILE, continuous, read_records
from util.loggers.run_card import RunCard
from util.loggers.visdom_board import Server, VisdomBoard
from util.loggers.worker import MissingError

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
        board.open(records)
        print(f"{len(records)} reports in environment {board.server.env} of {board.server.url}")
        while args.follow:
            time.sleep(PAUSE)
            newer = continuous(read_records(log))
            if newer != records:
                records = newer
                board.open(records)
    except MissingError as error:
        raise UserError(str(error)) from None
    except (ConnectionError, OSError) as error:
        raise UserError(f"{board.name}: {error}; {board.advice}") from None
    except KeyboardInterrupt:
        print("no longer followed")


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
    return parser.parse_args(argv)


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
    options = json.loads(path.read_text()) if path.is_file() else {}
    epochs = options.get("niter", 0) + options.get("niter_decay", 0) or records[-1]["epoch"]
    firsts = [r["iters"] for r in records if r["epoch"] == 1]
    later = [r["total"] - r["iters"] for r in records if r["epoch"] == 2]
    pictures = later[0] if later else max(firsts, default=0)
    name = folder.resolve().name
    return RunCard(name, folder, pictures, epochs, options, f"replayed from {folder / FILE}")


if __name__ == "__main__":
    main(sys.argv[1:])
