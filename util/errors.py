"""Errors of the user: one clear line and exit code 2, no traceback."""

import difflib
import functools
import sys
from collections.abc import Callable, Iterable


class UserError(Exception):
    """Something only the user can mend; its text names the flag or file and the remedy."""


def command(main: Callable) -> Callable:
    """Wrap a command's `main`: a UserError, or a file that will not do, ends it with 2."""

    @functools.wraps(main)
    def run(*args, **kwargs):
        if hasattr(sys.stdout, "reconfigure"):  # a name that is no UTF-8 must not end a command
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return main(*args, **kwargs)
        except (UserError, OSError, KeyboardInterrupt) as error:
            if not (words := last_words(error)):
                raise
            print(words, file=sys.stderr)
            raise SystemExit(exit_status(error)) from None

    return run


def last_words(error: BaseException) -> str:
    """The one line a command ends with; empty if the error is none that the user can mend."""
    if isinstance(error, UserError):
        return f"error: {error}"
    if isinstance(error, OSError) and error.errno is not None:  # else a library's, of its own
        where = f"{error.filename}: " if error.filename else ""
        return f"error: {where}{error.strerror}"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else ""


def exit_status(error: BaseException) -> int:
    """What a command that an error ends tells its caller."""
    if isinstance(error, SystemExit):
        return error.code
    if isinstance(error, KeyboardInterrupt):
        return 130
    return 2 if last_words(error) else 1


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known words, the nearest first: `; did you mean X? Known: …`."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}Known: {', '.join(known) or 'none'}"
