"""Names of categories, as they are typed: --cat1 and --cat2."""

import argparse
import difflib

from util.errors import UserError


def categories(args: argparse.Namespace, known: list[str]) -> dict[str, list[str]]:
    """The categories of both domains: {`A`: [...], `B`: [...]}, each one of `known`, none twice."""
    chosen = {
        domain: [cat] if cat in known else split_names(cat)  # a name may have a comma in it
        for domain, cat in (("A", args.cat1), ("B", args.cat2))
    }
    for flag, names in zip(("cat1", "cat2"), chosen.values(), strict=True):
        if not names:
            raise UserError(f"--{flag} is missing; known: {', '.join(known)}")
        for name in names:
            if name not in known:
                listed = ", ".join(nearest_first(name, known))
                raise UserError(f"--{flag} {name}: unknown; known, the nearest first: {listed}")
    if shared := set(chosen["A"]) & set(chosen["B"]):
        raise UserError(
            f"--cat1 {args.cat1} --cat2 {args.cat2}: {min(shared)} is in both, "
            "so there is nothing to translate: choose different ones"
        )
    return chosen


def split_names(text: str | None) -> list[str]:
    """`sheep,goat` as a list."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def nearest_first(name: str, known: list[str]) -> list[str]:
    """The known names by their likeness to `name`."""

    def unlike(other: str) -> float:
        return -difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()

    return sorted(known, key=unlike)
