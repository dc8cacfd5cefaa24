"""An end on request: finish the step, save, leave; asked for twice, leave at once."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from training.distributed import is_main

TOGETHER = 3.0  # seconds within which signals are one request
REQUESTS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """Within its block the first SIGTERM or SIGINT is only noted, as `number`; 0: none came.

    Whoever takes steps looks at it after each. A second signal ends the process at once, with the
    status of a shell, 128 + the signal's number; not one that comes along with the first, as
    torchrun and schedulers send it to a process that the terminal has told already.
    on_first is called at the first one, from the signal handler.
    """

    def __init__(self, on_first: Callable[[], None] = bool):
        self.on_first = on_first
        self.number = 0
        self.since = 0.0
        self.before: dict[int, object] = {}

    def __enter__(self) -> "Interruption":
        with suppress(ValueError):  # signals come to the main thread alone
            for number in REQUESTS:
                self.before[number] = signal.signal(number, self.note)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def came(self) -> bool:
        return self.number != 0

    def note(self, number: int, _frame) -> None:
        now = time.monotonic()
        if self.number:
            if now - self.since > TOGETHER:
                os._exit(128 + number)
            return
        self.number, self.since = number, now
        self.on_first()
        words = f"{name_of(number)}: finishing the step and saving; again later: end at once\n"
        if is_main():
            os.write(2, words.encode())  # print is not for signal handlers


def name_of(number: int) -> str:
    return signal.Signals(number).name
