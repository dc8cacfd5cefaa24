"""One function over many things, in several processes, with a progress bar."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from tqdm import tqdm

from util.errors import UserError


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_order(function: Callable, items: Sequence, workers: int, title: str) -> Iterator:
    """`function(item)` for every item, in their order; an error in any ends all.

    With one worker, or little to do, everything happens in this process.
    """
    bar = tqdm(total=len(items), desc=title, unit="img", disable=None)
    workers = min(workers, len(items) // 2)
    with bar:
        if workers <= 1:
            for item in items:
                yield function(item)
                bar.update()
            return
        pool = ProcessPoolExecutor(workers, initializer=follow_parent)
        try:
            for result in pool.map(function, items, chunksize=max(1, min(16, len(items) // 64))):
                yield result
                bar.update()
        except BrokenProcessPool:
            raise UserError(
                f"{title}: a worker process was killed, perhaps for lack of memory: "
                f"use fewer than --workers {workers}"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def follow_parent() -> None:
    """Live as long as the parent: Ctrl-C is its to answer, and if it is killed the worker ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def end_with_it() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()
