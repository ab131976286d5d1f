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

WIDEST_GAP: Final = 3
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


def without_fillers(points: CodePoints, gaps: Offsets) -> Kept:
    """Which characters are no fillers.

    Args:
        points: (n,) characters.
        gaps: (n,) dropped code points between each and the one before it.

    Returns:
        (n,) bool.
    """
    fillers = np.isin(points, _SOUNDS)
    near = np.concatenate([gaps[1:] <= WIDEST_GAP, [False]])
    _mark(fillers, _occurrences(points, near, MEANING), len(MEANING))
    gap_word = _occurrences(points, near, STOP_GAP)
    if len(gap_word):
        follows = gap_word + len(STOP_GAP)
        inside = follows < len(points)
        gap_word, follows = gap_word[inside], follows[inside]
        idle = near[follows - 1] & np.isin(points[follows], _AFTER_STOP_GAP)
        _mark(fillers, gap_word[idle], len(STOP_GAP))
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
    for length in range(1, LONGEST_REPEATED + 1):
        last = len(points) - 2 * length + 1
        if last < 1:
            break
        same = points[length:] == points[:-length]
        same &= phrase[length:] | masked[length:] if length == 1 else phrase[length:]
        repeated = apart[2 * length - 1 :] == apart[:last]
        for offset in range(length):
            repeated &= same[offset : offset + last]
        _mark(dropped, np.flatnonzero(repeated) + length, length)
    return ~dropped


def _occurrences(points: CodePoints, near: Kept, phrase: str) -> NDArray[np.intp]:
    """Where a phrase begins whose characters are neighbours."""
    wanted = code_points(phrase)
    at = np.flatnonzero(points[: max(len(points) - len(wanted) + 1, 0)] == wanted[0])
    for offset in range(1, len(wanted)):
        at = at[(points[at + offset] == wanted[offset]) & near[at + offset - 1]]
    return at


def _mark(marks: Kept, starts: NDArray[np.intp], length: int) -> None:
    for offset in range(length):
        marks[starts + offset] = True


_SOUNDS: Final = code_points(SOUNDS)
_AFTER_STOP_GAP: Final = code_points(AFTER_STOP_GAP)
