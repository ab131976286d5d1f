"""A text as the patterns read it: folded, with tokens as placeholders and without the spaces that say nothing.

Neighbours here were neighbours in the original but for a few hidden characters. Where more than `WIDEST_HIDDEN` were
dropped in a row stands a `BREAK`, which no pattern matches. So what a pattern of n characters sees is at most
``n * (WIDEST_HIDDEN + 1)`` code points of the original wide, however much somebody hides between the letters.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.folding import (
    PRESET,
    CodePoints,
    Offsets,
    code_points,
    fold,
    parts_of,
    string_of,
)
from shengdun.fingerprint.text.placeholders import KIND_OF_NAME, TOKEN

WIDEST_HIDDEN: Final = 1
"""So many hidden characters or spaces in a row keep nothing apart."""
BREAK: Final = "\n"
"""Stands where more were dropped."""

_ASCII: Final = 0x80
_SPACE: Final = ord(" ")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """A folded text and where it comes from.

    Attributes:
        points: (n,) uint32 folded code points: words, punctuation, symbols, spaces, breaks, placeholders.
        starts: (n,) int32 where the stretch of the original begins that each of them stands for.
        ends: (n,) int32 where it ends.
    """

    points: CodePoints
    starts: Offsets
    ends: Offsets

    @property
    def string(self) -> str:
        """The code points as a string."""
        return string_of(self.points)

    def chosen(self, chosen: NDArray[np.bool_]) -> "Reading":
        """What an (n,) choice picks."""
        return Reading(
            points=self.points[chosen], starts=self.starts[chosen], ends=self.ends[chosen]
        )

    def parts(self) -> NDArray[np.uint8]:
        """(n,) the `Part` of each code point; placeholders and breaks are hidden."""
        return parts_of(self.points)


def read(text: str) -> Reading:
    """Reads any string; in time linear in its length."""
    points = code_points(text)
    tokens = _tokens(text)
    if tokens:
        points = points.copy()
        for start, end, point in tokens:
            points[start:end] = 0
            points[start] = PRESET + point
    folded = fold(points)
    ends = folded.origins + np.int32(1)
    if tokens:
        at = np.searchsorted(folded.origins, [start for start, _, _ in tokens])
        ends[at] = [end for _, end, _ in tokens]
    return _with_breaks(
        _without_spaces(Reading(points=folded.points, starts=folded.origins, ends=ends))
    )


def _tokens(text: str) -> list[tuple[int, int, int]]:
    """Start, end and placeholder of every token."""
    if "〔" not in text:
        return []
    return [
        (*match.span(), ord(KIND_OF_NAME[match[1]].placeholder)) for match in TOKEN.finditer(text)
    ]


def _without_spaces(reading: Reading) -> Reading:
    """Without the spaces at a character that isn't ASCII: they part words only between Latin letters and digits."""
    spaces = reading.points == _SPACE
    if not spaces.any():
        return reading
    other = np.concatenate([[True], reading.points >= _ASCII, [True]])
    return reading.chosen(~(spaces & (other[:-2] | other[2:])))


def _with_breaks(reading: Reading) -> Reading:
    gaps = reading.starts[1:] - reading.ends[:-1]
    wide = (gaps > WIDEST_HIDDEN).nonzero()[0] + 1
    if not len(wide):
        return reading
    return Reading(
        points=np.insert(reading.points, wide, ord(BREAK)),
        starts=np.insert(reading.starts, wide, reading.ends[wide - 1]),
        ends=np.insert(reading.ends, wide, reading.starts[wide]),
    )
