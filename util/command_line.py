"""An argument parser whose mistakes are one line, for every command and script."""

import argparse
import math
import sys
from collections.abc import Sequence

from util.errors import did_you_mean


class OneLineParser(argparse.ArgumentParser):
    """argparse without abbreviations; mistakes are one line `error: …` and exit code 2."""

    def __init__(self, **keywords):
        super().__init__(allow_abbrev=False, **keywords)
        self.register("type", float, finite)

    def error(self, message: str):
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(2)

    def parse_args(self, args=None, namespace=None) -> argparse.Namespace:
        """Parse, and refuse unknown words with the nearest known flag."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].split("=")[0]
            if not word.startswith("-"):
                self.error(f"unexpected word {word}: options start with --")
            flags = [flag for action in self._actions for flag in action.option_strings]
            nearest = did_you_mean(word, flags).partition(" Known:")[0]
            self.error(f"unknown flag {word}: {nearest if '?' in nearest else 'see --help'}")
        return found


def finite(text: str) -> float:
    """A number as `float` reads it, but for nan and inf, which no option can be."""
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is no finite number")
    return value


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
