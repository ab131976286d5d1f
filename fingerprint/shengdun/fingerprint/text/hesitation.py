"""What a speaker adds while looking for words: sounds, stop-gaps, and the same words over again.

All rules look at a few neighbours on either side, and at none beyond a gap of more than `WIDEST_GAP` code points that
were dropped before. They hold for legitimate reduplication too (谢谢 becomes 谢): both sides of a comparison are
treated alike, so nothing is lost but a repetition.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.folding import CodePoints, Offsets, code_points
from shengdun.fingerprint.text.placeholders import FIRST_PLACEHOLDER, LAST_PLACEHOLDER

WIDEST_GAP: Final = 5
"""Characters with more dropped code points between them than this are no neighbours here."""
LONGEST_REPEATED: Final = 4
"""The longest phrase, in characters, whose immediate repetition is dropped."""

SOUNDS: Final = "嗯呃啊哦唔噢喔诶欸唉哎呀"
"""Sounds that fill a pause; dropped wherever they stand."""
STOP_GAP: Final = "那个"
"""Dropped before one of `AFTER_STOP_GAP`, where it points at nothing."""
AFTER_STOP_GAP: Final = "我你您他她咱那这就" + SOUNDS
MEANING: Final = "就是说"
"""Dropped wherever it stands."""

_ASCII: Final = 0x80

Kept = NDArray[np.bool_]


def _table_of(characters: str) -> Kept:
    table = np.zeros(0x10000, np.bool_)
    table[code_points(characters)] = True
    return table


_SOUNDS: Final = _table_of(SOUNDS)
_AFTER_STOP_GAP: Final = _table_of(AFTER_STOP_GAP)


def without_fillers(points: CodePoints, gaps: Offsets) -> Kept:
    """Which characters are no fillers.

    Args:
        points: (n,) characters.
        gaps: (n,) dropped code points between each and the one before it.

    Returns:
        (n,) bool.
    """
    fillers = _among(points, _SOUNDS)
    near = gaps <= WIDEST_GAP
    _mark(fillers, _occurrences(points, near, MEANING), len(MEANING))
    idle = _occurrences(points, near, STOP_GAP)
    follows = idle + len(STOP_GAP)
    idle, follows = idle[follows < len(points)], follows[follows < len(points)]
    idle = idle[near[follows] & _among(points[follows], _AFTER_STOP_GAP)]
    _mark(fillers, idle, len(STOP_GAP))
    return ~fillers


def without_repetitions(points: CodePoints, gaps: Offsets) -> Kept:
    """Which characters do not repeat the phrase just before them; arguments and result as above.

    A phrase is one to four characters that are not ASCII, so that digits and Latin words stay whole. Of placeholders
    only the same one right after itself counts as repeated.
    """
    dropped = np.zeros(len(points), np.bool_)
    apart = np.cumsum(gaps > WIDEST_GAP)
    masked = (points >= FIRST_PLACEHOLDER) & (points <= LAST_PLACEHOLDER)
    phrase = (points >= _ASCII) & ~masked
    for length in range(1, min(LONGEST_REPEATED, len(points) // 2) + 1):
        same = points[length:] == points[:-length]
        same &= (phrase | masked if length == 1 else phrase)[length:]
        last = len(points) - 2 * length + 1
        repeated = same[:last]
        for offset in range(1, length):
            repeated = repeated & same[offset : offset + last]
        at = repeated.nonzero()[0]
        at = at[apart[at + 2 * length - 1] == apart[at]]
        _mark(dropped, at + length, length)
    return ~dropped


def _occurrences(points: CodePoints, near: Kept, phrase: str) -> NDArray[np.intp]:
    """Where a phrase begins whose characters are neighbours."""
    wanted = code_points(phrase)
    at = np.flatnonzero(points[: max(len(points) - len(wanted) + 1, 0)] == wanted[0])
    for offset in range(1, len(wanted)):
        at = at[(points[at + offset] == wanted[offset]) & near[at + offset]]
    return at


def _among(points: CodePoints, table: Kept) -> Kept:
    """Which points a table holds; it is one of the basic plane, where all fillers are."""
    found: Kept = table[np.minimum(points, len(table) - 1)]
    return found


def _mark(marks: Kept, starts: NDArray[np.intp], length: int) -> None:
    for offset in range(length if len(starts) else 0):
        marks[starts + offset] = True
