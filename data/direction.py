"""The two domains of a dataset, A and B, and the ways between them."""

from collections.abc import Mapping
from typing import NamedTuple


class Direction(NamedTuple):
    """Pictures of the domain `source` become pictures of `target`."""

    source: str
    target: str

    @property
    def name(self) -> str:
        """As in `--direction AtoB`."""
        return f"{self.source}to{self.target}"

    @property
    def words(self) -> str:
        return f"{self.source} to {self.target}"


BOTH_WAYS = (Direction("A", "B"), Direction("B", "A"))


def words_of(name: str) -> str:
    """`AtoB` as `A to B`."""
    return name.replace("to", " to ")


def directions_of(listing: Mapping | None) -> dict[str, Direction]:
    """Those of a list of results, by source; both, if it does not say."""
    told = (listing or {}).get("directions") or {}
    ways = [Direction(own["source"], own["target"]) for own in told.values()] or BOTH_WAYS
    return {way.source: way for way in ways}
