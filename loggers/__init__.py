"""What a run tells while it runs: a console with log files, a page with pictures, dashboards.

The console writes at once. All others are boards: each has a thread of its own (`Worker`), reads
what it missed from `metrics.jsonl`, and can neither stop nor slow a step.
"""

from collections.abc import Callable, Mapping

from loggers.base import Logger, Loggers
from loggers.console import Console
from loggers.records import cut_logs, make_record
from loggers.run_card import RunCard
from loggers.tensorboard_board import TensorBoard
from loggers.training_page import TrainingPage
from loggers.visdom_board import Server, VisdomBoard
from loggers.wandb_board import WandbBoard
from loggers.worker import Worker
from training.distributed import is_main
from training.progress import Progress

__all__ = ["NAMES", "Logger", "Loggers", "RunCard", "create_loggers", "make_record"]

NAMES = ("visdom", "tensorboard", "wandb")  # for --logger, besides none
PAGE_DRAIN = 60.0  # seconds: what is left of a page is written on this machine, and soon


def create_loggers(
    opt, card: RunCard, progress: Progress, get_look: Callable[[], Mapping]
) -> Loggers:
    """The console, and what else the options ask for; in process 0 alone.

    get_look makes what the loggers show, whenever one of them wants it.
    """
    if not is_main():
        return Loggers([], get_look)
    cut_logs(card.folder, progress)
    loggers: list[Logger] = [
        Console(card.folder, progress, card.epoch_images, card.epochs, card.curves)
    ]
    if not opt.no_html:
        page = TrainingPage(card, progress.total, opt.display_winsize)
        loggers.append(Worker(page, card.folder, opt.update_html_freq, drain=PAGE_DRAIN))
    boards = {
        "visdom": lambda: VisdomBoard(server_of(opt), card),
        "tensorboard": lambda: TensorBoard(card, opt.display_ncols),
        "wandb": lambda: WandbBoard(card, opt.wandb_project, opt.display_ncols),
    }
    loggers += [Worker(boards[name](), card.folder, opt.display_freq) for name in opt.logger]
    return Loggers(loggers, get_look)


def server_of(opt) -> Server:
    return Server(
        address=opt.display_server.rstrip("/"),
        port=opt.display_port,
        env=(opt.display_env or opt.name).replace("/", "_"),
        window=opt.display_id,
        ncols=opt.display_ncols,
        start=opt.display_start,
    )
