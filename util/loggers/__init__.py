"""What a run tells while it runs: a console with log files, a page with pictures, a dashboard."""

from pathlib import Path

from util.distributed import is_main
from util.loggers.base import Logger, Loggers
from util.loggers.console import Console
from util.loggers.training_page import TrainingPage
from util.loggers.visdom_logger import VisdomLogger
from util.progress import Progress

__all__ = ["Console", "Logger", "Loggers", "TrainingPage", "VisdomLogger", "create_loggers"]


def create_loggers(
    opt, folder: Path, progress: Progress, epoch_images: int, epochs: int
) -> Loggers:
    """The console, and whichever of page and dashboard the options ask for; in process 0 alone."""
    if not is_main():
        return Loggers([])
    loggers: list[Logger] = [Console(folder, progress, epoch_images, epochs)]
    if not opt.no_html:
        loggers.append(TrainingPage(folder, opt.name, opt.update_html_freq, opt.display_winsize))
    if opt.display_id > 0:
        loggers.append(
            VisdomLogger(
                server=opt.display_server,
                port=opt.display_port,
                env=opt.display_env,
                display_id=opt.display_id,
                ncols=opt.display_ncols,
                name=opt.name,
                freq=opt.display_freq,
            )
        )
    return Loggers(loggers)
