"""Options of a better training than the paper's, see docs/recipe.md; pasting's are the model's."""

from collections.abc import Iterator

from models.diffaug import KINDS
from models.pasting import PASTING
from util.errors import did_you_mean

RECIPE = (*PASTING, "ema", "diffaug")


def add_recipe_arguments(group) -> None:
    group.add_argument(
        "--ema",
        type=float,
        default=0,
        metavar="PICTURES",
        help="keep averaged generators beside the others: a step this many pictures ago weighs "
        "half; test.py and the validation take them; 0: none",
    )
    group.add_argument(
        "--diffaug",
        type=augmentations,
        default=[],
        metavar="KIND,…",
        help="for few pictures: augment what discriminators see, real and fake, by translation "
        "(which helped where it was measured), color, cutout (default: none)",
    )


def augmentations(text: str) -> list[str]:
    """`color, translation` -> [color, translation]; `none` -> []."""
    kinds = [kind.strip() for kind in text.split(",")]
    return [] if kinds == ["none"] else kinds


def recipe_problems(opt) -> Iterator[str]:
    """One line for each value that cannot work."""
    if (opt.ema or 0) < 0:
        yield f"--ema {opt.ema}: must not be negative"
    if unknown := [kind for kind in opt.diffaug if kind not in KINDS]:
        yield f"--diffaug {unknown[0]}: there is none. {did_you_mean(unknown[0], KINDS)}"
    if len(set(opt.diffaug)) < len(opt.diffaug):
        yield f"--diffaug {','.join(opt.diffaug)}: each of them once"
