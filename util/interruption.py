"""An end on request: finish the step, save, leave; asked for twice, leave at once."""

import os
import signal
from contextlib import suppress

REQUESTS = (signal.SIGTERM, signal.SIGINT)


class Interruption:
    """Within its block the first SIGTERM or SIGINT is only noted, as `number`; 0: none came.

    Whoever takes steps looks at it after each. A second signal ends the process at once, with the
    status of a shell, 128 + the signal's number.
    """

    def __init__(self):
        self.number = 0
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
        if self.number:
            os._exit(128 + number)
        self.number = number
        words = f"{name_of(number)}: finishing the step and saving; once more ends at once\n"
        os.write(2, words.encode())  # print is not for signal handlers


def name_of(number: int) -> str:
    return signal.Signals(number).name
