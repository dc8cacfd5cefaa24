"""The parser of train.py and test.py: grouped help, sizes as pairs."""

import argparse

from util.command_line import OneLineParser


class OptionParser(OneLineParser):
    """Options in groups; the model's and the dataset's are added before --help is."""

    def __init__(self, description: str):
        super().__init__(
            description=description,
            formatter_class=HelpFormatter,
            add_help=False,
            usage="%(prog)s --dataroot FOLDER [--name RUN] [options]",
        )

    def group(self, title: str):
        """The help group of this title, made when first asked for."""
        known = {group.title: group for group in self._action_groups}
        return known.get(title) or self.add_argument_group(title)


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults that say something, and leaves room for long flags."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=32, width=100)

    def _get_help_string(self, action: argparse.Action) -> str:
        silent = action.default in (None, "", argparse.SUPPRESS, []) or action.nargs == 0
        if isinstance(action.default, list) and not silent:
            return f"{action.help} (default: {','.join(map(str, action.default))})"
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
