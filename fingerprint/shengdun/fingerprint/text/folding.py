"""One way to write each character: width, case, accents and traditional forms folded, hidden characters dropped.

Folding goes code point by code point, by tables that are built on first use from the Unicode data of Python and from
OpenCC's conversion of single traditional characters (t2s). No character depends on its neighbours, so what comes out
can be traced to the code point it came from. What a character becomes: its compatibility decomposition (NFKD) without
combining marks, composed again, case-folded (Unicode Standard, sections 3.11 and 3.13), and simplified.
"""

import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from opencc import OpenCC

CodePoints = NDArray[np.uint32]
Offsets = NDArray[np.int32]


class Part(IntEnum):
    """What a folded code point is to a text."""

    HIDDEN = 0
    """Nothing: controls, format and bidirectional marks, combining marks, private use, surrogates, unassigned."""
    SPACE = 1
    """White space."""
    MARK = 2
    """Punctuation or a symbol."""
    WORD = 3
    """A letter, an ideograph or a digit: what a text says."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Folded:
    """A folded text.

    Attributes:
        points: (n,) uint32 code points; none of them hidden.
        origins: (n,) int32, ascending: which code point of the original each of them comes from.
    """

    points: CodePoints
    origins: Offsets


PRESET: Final = 0x110000
"""Folding leaves PRESET + p as the code point p, so that a caller can put there what no text may bring along."""

_POINTS: Final = 0x110000
_PRESETS: Final = 0x10000
_POINTS_WITH_LETTERS: Final = 0x40000
_SEPARATOR: Final = "\0"
_PARTS: Final = {"P": Part.MARK, "S": Part.MARK, "Z": Part.MARK, "L": Part.WORD, "N": Part.WORD}
_BLANK_LETTERS: Final = (0x115F, 0x1160, 0x3164, 0xFFA0)
"""Fillers of Hangul: letters by category that show nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Tables:
    """Folding by code point.

    Attributes:
        first: (0x120000,) uint32 what a code point becomes, or the first of it.
        counts: (0x120000,) uint8 how many code points it becomes; 0 for hidden ones.
        longer: what those code points become that become several.
        parts: (0x110000,) uint8 the part that a folded code point plays.
    """

    first: CodePoints
    counts: NDArray[np.uint8]
    longer: dict[int, CodePoints]
    parts: NDArray[np.uint8]


def code_points(text: str) -> CodePoints:
    """(n,) uint32 the code points of any string, lone surrogates among them."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def string_of(points: CodePoints) -> str:
    """The string of (n,) uint32 code points."""
    return points.astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def fold(points: CodePoints) -> Folded:
    """Folds (n,) code points; those that become nothing are left out, those that become several share an origin."""
    tables = _tables()
    counts = tables.counts[points]
    if len(points) and counts.max() > 1:
        return _fold_with_longer(points, counts, tables)
    origins = counts.nonzero()[0].astype(np.int32)
    return Folded(points=tables.first[points[origins]], origins=origins)


def parts_of(folded: CodePoints) -> NDArray[np.uint8]:
    """(n,) the `Part` of each folded code point."""
    return _tables().parts[folded]


def _fold_with_longer(points: CodePoints, counts: NDArray[np.uint8], tables: _Tables) -> Folded:
    origins = np.repeat(np.arange(len(points), dtype=np.int32), counts)
    folded = tables.first[points[origins]]
    ends = np.cumsum(counts, dtype=np.int64)
    for origin in (counts > 1).nonzero()[0]:
        end, count = int(ends[origin]), int(counts[origin])
        folded[end - count : end] = tables.longer[int(points[origin])]
    return Folded(points=folded, origins=origins)


@cache
def _tables() -> _Tables:
    categories = _categories()
    shows = _shows(categories)
    forms = _folded_forms(categories)
    first = np.arange(_POINTS + _PRESETS, dtype=np.uint32)
    first[PRESET:] -= PRESET
    counts = np.zeros(_POINTS + _PRESETS, np.uint8)
    counts[list(forms)] = 1
    counts[PRESET:] = 1
    longer: dict[int, CodePoints] = {}
    for point, form in forms.items():
        if form == chr(point):
            continue
        becomes = [ord(character) for character in form if shows[ord(character)]]
        counts[point] = len(becomes)
        first[point] = becomes[0] if becomes else 0
        if len(becomes) > 1:
            longer[point] = np.array(becomes, np.uint32)
    return _Tables(first=first, counts=counts, longer=longer, parts=_parts(categories))


def _categories() -> NDArray[np.uint8]:
    """(0x40000,) the first letter of each code point's general category."""
    letters = "".join(
        [unicodedata.category(chr(point))[0] for point in range(_POINTS_WITH_LETTERS)]
    )
    categories = np.frombuffer(letters.encode(), np.uint8).copy()
    categories[list(_BLANK_LETTERS)] = ord("C")
    return categories


def _shows(categories: NDArray[np.uint8]) -> NDArray[np.bool_]:
    shows: NDArray[np.bool_] = (categories != ord("C")) & (categories != ord("M"))
    return shows


def _parts(categories: NDArray[np.uint8]) -> NDArray[np.uint8]:
    by_category = np.full(0x80, Part.HIDDEN, np.uint8)
    for letter, part in _PARTS.items():
        by_category[ord(letter)] = part
    parts = np.zeros(_POINTS, np.uint8)
    parts[: len(categories)] = by_category[categories]
    parts[ord(" ")] = Part.SPACE
    return parts


def _folded_forms(categories: NDArray[np.uint8]) -> dict[int, str]:
    """What each code point that may show becomes."""
    shown = _shows(categories).nonzero()[0].tolist()
    marks = dict.fromkeys((categories == ord("M")).nonzero()[0].tolist())
    # In one go, with a separator that nothing composes with: the calls would cost more than the work.
    text = unicodedata.normalize("NFKD", _SEPARATOR.join(map(chr, shown))).translate(marks)
    cased = unicodedata.normalize("NFKC", text).casefold()
    # Folding case brings marks back: that of a dotted capital I does.
    bare = unicodedata.normalize("NFC", unicodedata.normalize("NFKD", cased).translate(marks))
    plain = OpenCC("t2s").convert(bare.replace(_SEPARATOR, "\n")).split("\n")
    forms = dict(zip(shown, plain, strict=True))
    return forms | {point: " " for point in range(_POINTS_WITH_LETTERS) if chr(point).isspace()}
