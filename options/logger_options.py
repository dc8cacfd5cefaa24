"""Options of the dashboard and of other loggers."""

import argparse
from urllib.parse import urlparse

from loggers import NAMES


def logger_names(text: str) -> list[str]:
    """`visdom,tensorboard` -> both, in order; `none` -> none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in (*NAMES, "none")]
    if wrong or not names or ("none" in names and len(names) > 1):
        known = ", ".join(NAMES)
        raise argparse.ArgumentTypeError(f"{text!r}: some of {known}, joined by commas, or none")
    return [] if names == ["none"] else list(dict.fromkeys(names))


def add_logger_arguments(group) -> None:
    add = group.add_argument
    add(
        "--logger",
        type=logger_names,
        default=["visdom"],
        metavar="NAME,…",
        help=f"live dashboards: {', '.join(NAMES)}, several, or none; each has a thread of its own "
        "and cannot slow or stop a run",
    )
    add(
        "--display_samples",
        type=int,
        default=4,
        help="pictures of each domain that are shown, always the same: the first of phase val, "
        "else of test, else of the training phase",
    )
    add(
        "--display_id",
        type=int,
        default=1,
        help="what the names of visdom's windows begin with; 0: no visdom",
    )
    add("--display_server", default="http://localhost", help="visdom server")
    add("--display_port", type=int, default=8097, help="its port")
    add("--display_env", help="its environment (default: the run's name)")
    add(
        "--display_ncols",
        type=int,
        default=6,
        help="tiles in a row of pictures, three per direction; 0: a window for each role",
    )
    add(
        "--display_start",
        action="store_true",
        help="start a visdom server on this machine (127.0.0.1 alone) if none answers",
    )
    add("--wandb_project", default="instagan", help="project at Weights & Biases")


def complete_loggers(opt: argparse.Namespace) -> None:
    if opt.display_id < 1:
        opt.logger = [name for name in opt.logger if name != "visdom"]


def logger_problems(opt: argparse.Namespace):
    """One line for each value that cannot work."""
    yield from server_problems(opt)
    if opt.display_samples < 1:
        yield f"--display_samples {opt.display_samples}: at least 1"
    if opt.display_ncols < 0:
        yield f"--display_ncols {opt.display_ncols}: at least 0"


def server_problems(opt: argparse.Namespace):
    """The same of a visdom server's address."""
    server = urlparse(opt.display_server)
    if server.scheme not in ("http", "https") or not server.hostname:
        yield f"--display_server {opt.display_server}: an address such as http://localhost"
    if opt.display_id < 0:
        yield f"--display_id {opt.display_id}: at least 1, or 0 for no visdom"
    if not 0 < opt.display_port < 65536:
        yield f"--display_port {opt.display_port}: 1 to 65535"
