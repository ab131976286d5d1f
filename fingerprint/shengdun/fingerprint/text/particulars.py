"""Where a text names persons, numbers, dates, amounts and addresses.

The patterns of one step see the finds of those before it as one character that none of them matches. They look a
bounded way to either side, or take runs whose every part tells that it belongs to one, so what is found somewhere
doesn't depend on what stands far away. And once the finds are replaced by placeholders, nothing new is found: no
pattern asks for what another replaces, and those that forbid a neighbour forbid a placeholder in its stead. Stored text
thereby has the canonical form of the text it was made of.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text import hotlines, links, names, quantities
from shengdun.fingerprint.text.folding import CodePoints, code_points, string_of
from shengdun.fingerprint.text.placeholders import FIRST_PLACEHOLDER, LAST_PLACEHOLDER, Kind
from shengdun.fingerprint.text.reading import Reading

_CONTENT: Final = 0
_OPAQUE: Final = 0xE0FF
"""What stays and no further pattern may match."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Particulars:
    """What was found in a reading of n characters.

    Attributes:
        kinds: (n,) uint8 the `Kind` that each character belongs to, 0 for none.
        points: (n,) uint32 the characters, with hot lines that were written as words in digits.
        begins: (n,) bool where a particular begins; neighbours of one kind make one, but tokens stay apart.
    """

    kinds: NDArray[np.uint8]
    points: CodePoints
    begins: NDArray[np.bool_]

    def lasts(self) -> NDArray[np.intp]:
        """(m,) the last character of each of the m particulars that begin."""
        outside = self.begins | (self.kinds == _CONTENT)
        stops = np.append(outside.nonzero()[0], len(self.kinds))
        lasts: NDArray[np.intp] = stops[np.searchsorted(stops, self.begins.nonzero()[0]) + 1] - 1
        return lasts


def find(reading: Reading) -> Particulars:
    """Finds personal particulars; a placeholder is one of its own kind."""
    search = _Search(reading.points)
    search.take(links.links(search.string), Kind.LINK)
    points = search.points_with(hotlines.hot_lines(search.string))
    search.take(names.names(search.string), Kind.NAME)
    search.take_all(quantities.dates_in_digits(search.string))
    search.take_all(quantities.codes(search.string))
    search.take(quantities.words(search.string), None)
    search.take_all(quantities.numbers(search.string))
    kinds = _whole(search.kinds, reading)
    tokens = _placeholders(reading.points)
    apart = tokens.copy()
    apart[:1] = True
    apart[1:] |= (kinds[1:] != kinds[:-1]) | tokens[:-1]
    return Particulars(kinds=kinds, points=points, begins=apart & (kinds != _CONTENT))


class _Search:
    """A text whose stretches are taken out one after the other."""

    def __init__(self, points: CodePoints) -> None:
        self._points = points.copy()
        self._string = string_of(points)
        self._stale = False
        placeholders = _placeholders(points)
        self.kinds = np.where(placeholders, points - FIRST_PLACEHOLDER, _CONTENT).astype(np.uint8)

    @property
    def string(self) -> str:
        """The text with one character for each that was taken."""
        if self._stale:
            self._string, self._stale = string_of(self._points), False
        return self._string

    def take(self, spans: Iterable[tuple[int, int]], kind: Kind | None) -> None:
        """Takes stretches out; those of no kind stay content."""
        self.take_all((start, end, kind) for start, end in spans)

    def take_all(self, spans: Iterable[tuple[int, int, Kind | None]]) -> None:
        """Takes stretches out, each of its kind."""
        for start, end, kind in spans:
            self._points[start:end] = _OPAQUE if kind is None else FIRST_PLACEHOLDER + kind
            self.kinds[start:end] = _CONTENT if kind is None else kind
            self._stale = True

    def points_with(self, hot_lines: list[tuple[int, str]]) -> CodePoints:
        """Takes hot lines out, which stay content; returns the text's code points with them in digits."""
        points = self._points.copy()
        for start, digits in hot_lines:
            points[start : start + len(digits)] = code_points(digits)
        self.take([(start, start + len(digits)) for start, digits in hot_lines], None)
        return points


def _placeholders(points: CodePoints) -> NDArray[np.bool_]:
    return (points >= FIRST_PLACEHOLDER) & (points <= LAST_PLACEHOLDER)


def _whole(kinds: NDArray[np.uint8], reading: Reading) -> NDArray[np.uint8]:
    """All of a code point that became several, where one of them was taken."""
    shared = reading.starts[1:] == reading.starts[:-1]
    if not shared.any():
        return kinds
    begins = np.concatenate([[True], ~shared]).nonzero()[0]
    return np.repeat(np.maximum.reduceat(kinds, begins), np.diff(begins, append=len(kinds)))
