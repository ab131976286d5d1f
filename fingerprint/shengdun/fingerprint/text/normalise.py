"""The canonical form of a text: what is left when everything is gone that says nothing about who wrote it.

The steps: fold each character (`folding`), find personal particulars (`particulars`), drop punctuation and spaces, put
one placeholder for each particular, drop the fillers of spoken Mandarin and immediate repetitions (`hesitation`). A
letter and the transcript of someone reading it aloud come out alike, but for what the recogniser misheard.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from shengdun.fingerprint.text.folding import Offsets, Part, string_of
from shengdun.fingerprint.text.hesitation import (
    WIDEST_GAP,
    without_fillers,
    without_repetitions,
)
from shengdun.fingerprint.text.particulars import Particulars, find
from shengdun.fingerprint.text.placeholders import FIRST_PLACEHOLDER
from shengdun.fingerprint.text.reading import WIDEST_HIDDEN, Reading, read

REACH: Final = 192
"""What stands more than so many code points away in the original has no influence on a canonical character.

The most that can add up: an address of 24 characters that keeps the first digits of a number from it, the longest
number of 33, each with a hidden character after it; seven characters of a repetition and four of a filler, each with
`hesitation.WIDEST_GAP` dropped ones. Ordinary text reaches ten or twenty.

So a text that grows can be normalised piece by piece: each piece with so much context on either side. Of the stretch
that a character stands for the start is as local; the end is too, but for a placeholder whose stretch is longer.
"""

_HIDDEN: Final = "\u200b"
_BETWEEN: Final = _HIDDEN * (WIDEST_HIDDEN + 1) + "。" + _HIDDEN * WIDEST_GAP
"""What nothing reaches across: no pattern, no space that parts words, no filler and no repetition."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Normalised:
    """A canonical text and where each of its characters comes from.

    Attributes:
        text: n canonical characters, one code point each; a masked stretch is one placeholder.
        starts: (n,) int32, not descending: where the stretch of the original begins, in code points.
        ends: (n,) int32: where it ends; after its start. Stretches overlap only where one code point of the original
            became several characters: then they are that same code point.
    """

    text: str
    starts: Offsets
    ends: Offsets


def normalise(text: str) -> Normalised:
    """Normalises any string, in time linear in its length."""
    reading = read(text)
    elements = _elements(reading, find(reading))
    for step in (without_fillers, without_repetitions):
        elements = elements.chosen(step(elements.points, _gaps(elements)))
    return Normalised(text=string_of(elements.points), starts=elements.starts, ends=elements.ends)


def normalise_all(texts: Sequence[str]) -> list[Normalised]:
    """What ``normalise`` makes of each of some texts; of many short ones in a fraction of the time of one by one."""
    read = normalise(_BETWEEN.join(texts))
    begins = np.cumsum([0, *(len(text) + len(_BETWEEN) for text in texts)])
    edges = np.searchsorted(read.starts, begins).tolist()
    return [
        Normalised(
            text=read.text[first:last],
            starts=read.starts[first:last] - np.int32(begin),
            ends=read.ends[first:last] - np.int32(begin),
        )
        for (first, last), begin in zip(pairwise(edges), begins.tolist(), strict=False)
    ]


def _elements(reading: Reading, found: Particulars) -> Reading:
    """The words, and one placeholder for each particular."""
    chosen = ((reading.parts() == Part.WORD) & (found.kinds == 0)) | found.begins
    if not found.begins.any():
        return Reading(points=found.points, starts=reading.starts, ends=reading.ends).chosen(chosen)
    points = np.where(found.begins, found.kinds + np.uint32(FIRST_PLACEHOLDER), found.points)
    ends = reading.ends.copy()
    ends[found.begins] = reading.ends[found.lasts()]
    return Reading(points=points, starts=reading.starts, ends=ends).chosen(chosen)


def _gaps(elements: Reading) -> Offsets:
    gaps = np.zeros(len(elements.points), np.int32)
    gaps[1:] = elements.starts[1:] - elements.ends[:-1]
    return gaps
