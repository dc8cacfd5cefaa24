"""An argparse parser whose errors are one line and whose unknown flags find their neighbour."""

import argparse
import sys

from util.errors import did_you_mean


class OptionParser(argparse.ArgumentParser):
    """argparse with grouped help, no abbreviations, one-line errors and exit code 2."""

    def __init__(self, description: str):
        super().__init__(
            description=description,
            formatter_class=HelpFormatter,
            allow_abbrev=False,
            add_help=False,
            usage="%(prog)s --dataroot FOLDER [--name RUN] [options]",
        )

    def error(self, message: str):
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(2)

    def parse_all(self, argv: list[str] | None) -> argparse.Namespace:
        """Parse, and refuse unknown words with the nearest known flag."""
        namespace, unknown = self.parse_known_args(argv)
        if unknown:
            word = unknown[0].split("=")[0]
            if not word.startswith("-"):
                self.error(f"unexpected word {word}: options start with --")
            flags = [flag for action in self._actions for flag in action.option_strings]
            nearest = did_you_mean(word, flags).partition(" Known:")[0]
            self.error(f"unknown flag {word}: {nearest or 'see --help'}")
        return namespace

    def group(self, title: str):
        """The help group of this title, made when first asked for."""
        known = {group.title: group for group in self._action_groups}
        return known.get(title) or self.add_argument_group(title)


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults that say something, and leaves room for long flags."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=32, width=100)

    def _get_help_string(self, action: argparse.Action) -> str:
        silent = action.default in (None, False, argparse.SUPPRESS) or action.nargs == 0
        return action.help if silent else super()._get_help_string(action)


class SizePair(argparse.Action):
    """`--load_size 286` or `--load_size 330 220`: sets both destinations in `const`."""

    def __call__(self, parser, namespace, values, option_string=None):
        if len(values) > 2:
            parser.error(
                f"{option_string} takes one size or a height and a width, not {len(values)} numbers"
            )
        for destination, value in zip(self.const, (values[0], values[-1]), strict=True):
            setattr(namespace, destination, value)
