#!/usr/bin/env python3
"""Sequential translation looked into: what became of the instances of each step.

    python scripts/reproduce/by_step.py results/NAME/test_latest [FOLDER …]

prints, for drawn shapes translated one instance after the other and scored by evaluate.py, the
share that has the right shape in the picture by the step in which it was translated.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pages.results import LISTING, SCORES
from util.command_line import OneLineParser
from util.errors import UserError, command


@command
def main(argv: list[str] | None = None) -> None:
    parser = OneLineParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="+", help="folders; several count together")
    args = parser.parse_args(argv)
    for folder in args.results:
        for name in (LISTING, SCORES[1]):
            if not (folder / name).is_file():
                raise UserError(f"{folder / name}: there is no such file; run evaluate.py first")
    for direction, shares in shares_by_step(args.results).items():
        print(direction, *("–" if share is None else f"{share:.2f}" for share in shares))


Counts = dict[str, list[list[int]]]  # by direction and step: how many succeed, of how many


def shares_by_step(folders: Iterable[Path]) -> dict[str, list[float | None]]:
    """The share of instances that succeed in the picture, by direction and step.

    folders are scored results of one instance after the other; those of several seeds count
    together. A step that has no instance to be judged is None.
    """
    return shares([counts_by_step(folder) for folder in folders if (folder / LISTING).is_file()])


def shares(counts: Sequence[Counts]) -> dict[str, list[float | None]]:
    """The same from the counts of several results."""
    together: Counts = {}
    for one in counts:
        for direction, steps in one.items():
            sums = together.setdefault(direction, [])
            sums += [[0, 0] for _ in steps[len(sums) :]]
            for own, (right, judged) in zip(sums, steps, strict=False):
                own[0] += right
                own[1] += judged
    return {
        direction: [right / judged if judged else None for right, judged in steps]
        for direction, steps in together.items()
    }


def counts_by_step(folder: Path) -> Counts:
    """How many instances of a folder succeed; those that overlap others are not judged.

    Nothing if the shapes were not scored.
    """
    found: Counts = {}
    order = translation_order(folder)
    detail = json.loads((folder / SCORES[1]).read_text())
    for direction, own in detail.items():
        for name, values in own.get("pictures", {}).items():
            if "image_shape_success" not in values:
                continue
            steps = found.setdefault(direction, [])
            for step, place in enumerate(order[direction[0], name]):
                steps += [[0, 0]] if step == len(steps) else []
                success = values["image_shape_success"][place]
                if success is not None:
                    steps[step][0] += success
                    steps[step][1] += 1
    return found


def translation_order(folder: Path) -> dict[tuple[str, str], list[int]]:
    """The places, by number, of a picture's instances in the order of translation.

    Keyed by the source's domain and the picture's name. `test.py` lists masks in that order, and
    scores are listed by the instances' numbers.
    """
    listing = json.loads((folder / LISTING).read_text())
    order = {}
    for picture in listing["pictures"]:
        prefix = f"real_{picture['source']}_mask_"
        keys = [key for key in picture["masks"] if key.startswith(prefix)]
        numbers = [int(key.removeprefix(prefix)) for key in keys]
        order[picture["source"], picture["name"]] = [sorted(numbers).index(n) for n in numbers]
    return order


if __name__ == "__main__":
    main(sys.argv[1:])
