"""What the generators of drawn pictures have in common: which folders they write, and which not."""

import argparse
import itertools
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from util.errors import UserError
from util.files import cannot_be_written

PHASES = ("train", "test")


def write_drawn(
    args: argparse.Namespace,
    is_ours: Callable[[Path], bool],
    owned: Callable[[Path, str, str], Iterable[Path]],
    write: Callable[[Path, str, str, int], None],
) -> None:
    """Write both phases and domains of `args.save_root`, and say what was written.

    is_ours says whether the generator wrote a folder before: then it may be drawn anew. owned gives
    the files and folders that it writes for a phase and domain; write writes them, and gets how
    many pictures are wanted as well. After an error none of them is left.
    """
    root = Path(args.save_root)
    if any(root.glob("train*")) and not is_ours(root):
        raise UserError(f"--save_root {root} holds another dataset: choose an empty folder")
    folders = [*itertools.product(PHASES, "AB")]
    try:
        for phase, domain in folders:
            remove(owned(root, phase, domain))
            write(root, phase, domain, getattr(args, phase))
    except (OSError, UserError) as error:
        for phase, domain in folders:
            remove(owned(root, phase, domain))
        if isinstance(error, UserError):
            raise
        raise cannot_be_written(f"--save_root {root}", error) from None
    print(
        f"{root}: {args.train} + {args.train} training and {args.test} + {args.test} test pictures "
        f"of {args.size}x{args.size}"
    )


def remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
