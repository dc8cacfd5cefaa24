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
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(2) from None
        except OSError as error:
            if error.errno is None:  # raised by a library for reasons of its own
                raise
            where = f"{error.filename}: " if error.filename else ""
            print(f"error: {where}{error.strerror}", file=sys.stderr)
            raise SystemExit(2) from None
        except KeyboardInterrupt:
            sys.stderr.write("interrupted\n")
            raise SystemExit(130) from None

    return run


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The known words, the nearest first: `; did you mean X? Known: …`."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}Known: {', '.join(known) or 'none'}"
