"""Label maps: pictures whose values or colours say what a pixel belongs to."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from data.pictures import decode, without_alpha
from util.errors import UserError

MOST = 1000  # values in one map: more of them are a photo or a lossy file
NO_OBJECT = {"255", "65535", "#ffffff", "#e0e0c0"}  # what maps often have for a rim or for nothing
RANGE = re.compile(r"(\d+)-(\d+)")
REACH = 5  # pixels across: how far smoothing mixes the values on both sides of an edge
SMOOTHED = (
    "has values between others along edges, as if it had been smoothed: make or resize label maps "
    "by nearest neighbour"
)


@dataclass(frozen=True)
class Values:
    """Values as they are typed: `7`, `#ff8000`, and ranges such as `26000-26999`."""

    words: tuple[str, ...]

    @staticmethod
    def parse(words: list[str], flag: str) -> "Values":
        """Raises UserError, which names the flag, for a word that is none of these."""
        for word in words:
            if not re.fullmatch(r"\d+|#[0-9a-f]{6}|\d+-\d+", word):
                raise UserError(f"--{flag} {word}: a number, a range 10-19, or a colour '#ff8000'")
            if (ends := RANGE.fullmatch(word)) and int(ends[1]) > int(ends[2]):
                raise UserError(f"--{flag} {word}: the smaller end comes first")
        return Values(tuple(words))

    def __contains__(self, name: str) -> bool:
        return name in self.words or self.in_range(name)

    def in_range(self, name: str) -> bool:
        """Whether a value is in one of the ranges."""
        return any(within(name, word) for word in self.words)

    def unused(self, known: Collection[str]) -> list[str]:
        """The words that none of the known values is meant by."""
        return [w for w in self.words if w not in known and not any(within(k, w) for k in known)]


def within(name: str, word: str) -> bool:
    """Whether a value lies in a range; a word that is none has nothing in it."""
    ends = RANGE.fullmatch(word)
    return bool(ends and name.isdecimal() and int(ends[1]) <= int(name) <= int(ends[2]))


def read_map(path: Path) -> tuple[np.ndarray, dict[int, str]]:
    """A label map as codes [H, W], and the name of every code in it: `7`, or `#ff8000` of RGB."""
    values = without_alpha(np.asarray(decode(path)))
    if values.dtype.kind == "f" and not (values == np.round(values)).all():  # nor is NaN
        raise UserError(f"{path} holds fractions: the values of a label map are whole numbers")
    codes, form = values.astype(np.int64), "{}"
    if codes.ndim == 3:
        codes, form = codes @ (1 << 16, 1 << 8, 1), "#{:06x}"
    found = np.unique(codes).tolist()
    if len(found) > MOST:
        raise UserError(f"{path} holds {len(found)} values: it is a picture, not a label map")
    return codes, {code: form.format(code) for code in found}


def map_notes(
    codes: np.ndarray, names: dict[int, str], taken: Collection[int], background: str
) -> Iterator[str]:
    """What a user has to know of a map: values taken for objects that may be none, smoothed edges.

    background is what was typed for it.
    """
    sides = (codes[0], codes[-1], codes[:, 0], codes[:, -1])
    everywhere = set.intersection(*({*side.tolist()} for side in sides))
    for code in taken:
        if code in everywhere or names[code] in NO_OBJECT:
            why = "touches all four borders" if code in everywhere else "often marks no object"
            yield (
                f"value {names[code]} {why} and is taken for one: "
                f"--background {background},{names[code]} leaves it out"
            )
    if smoothed(codes, colored=any(name.startswith("#") for name in names.values())):
        yield SMOOTHED


def smoothed(codes: np.ndarray, colored: bool) -> list[int]:
    """The codes that are nowhere more than an edge, and there lie between those on both sides."""
    inner = np.ones(codes.shape, bool)
    for axis in (0, 1):
        for step in (1, -1):
            inner &= np.roll(codes, step, axis) == codes
    inner[[0, -1]] = inner[:, [0, -1]] = False
    mixed, changes = np.ones(codes.shape, bool), np.zeros(codes.shape, bool)
    for channel in channels_of(codes) if colored else (codes,):
        low, high = minimum_filter(channel, REACH), maximum_filter(channel, REACH)
        strictly = (low < channel) & (channel < high)
        mixed &= strictly | (low == high)
        changes |= strictly
    thin = set(np.unique(codes).tolist()) - set(np.unique(codes[inner]).tolist())
    return [code for code in thin if (mixed & changes)[codes == code].mean() > 0.5]


def channels_of(codes: np.ndarray) -> tuple[np.ndarray, ...]:
    """Red, green and blue of colours' codes."""
    return codes >> 16, codes >> 8 & 255, codes & 255
