"""The phrases of a text: every run of two to eight of its characters that it doesn't break off within.

A run is broken by punctuation, by what was dropped as a filler, and by a personal particular, so no phrase has one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.normalise import normalise
from shengdun.fingerprint.text.pinyin import characters
from shengdun.fingerprint.text.placeholders import FIRST_PLACEHOLDER, LAST_PLACEHOLDER
from shengdun.fingerprint.text.shingles import shingles

SHORTEST: Final = 2
"""Characters of a phrase; one is no phrase."""
LONGEST: Final = 8
"""Characters of a phrase as it is counted; a longer one is put together from those in it."""
_LARGEST_POINT: Final = 0xFFFF
_LOOSE: Final = np.array([ord(letter) for letter in "的了吗呢吧啊呀嘛嗯哦着得地"], np.uint32)
"""Nothing that begins or ends with one of these is a phrase: it is one with something loose beside it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phrases:
    """Phrases and by what they are counted; no two are alike.

    Attributes:
        hashes: (n,) uint64, ascending.
        letters: (n, LONGEST) uint16, the code points of each, 0 beyond its end.
    """

    hashes: NDArray[np.uint64]
    letters: NDArray[np.uint16]


def phrases_of(text: str) -> Phrases:
    """The phrases of a text, each once however often it occurs.

    Args:
        text: as it was written, said or masked.
    """
    normalised = normalise(text)
    codes = characters(normalised.text)
    usable = (codes < FIRST_PLACEHOLDER) | ((codes > LAST_PLACEHOLDER) & (codes <= _LARGEST_POINT))
    loose = np.isin(codes, _LOOSE)
    apart = np.zeros(len(codes), np.bool_)
    apart[1:] = normalised.starts[1:] > normalised.ends[:-1]
    breaks = np.concatenate([[0], np.cumsum(apart)])
    unusable = np.concatenate([[0], np.cumsum(~usable)])
    hashes, letters = [np.zeros(0, np.uint64)], [np.zeros((0, LONGEST), np.uint16)]
    for length in range(SHORTEST, min(LONGEST, len(codes)) + 1):
        whole = breaks[length:] == breaks[1 : len(breaks) - length + 1]
        whole &= unusable[length:] == unusable[: len(unusable) - length]
        whole &= ~loose[: len(codes) - length + 1] & ~loose[length - 1 :]
        places = np.flatnonzero(whole)
        hashes.append(shingles(codes, length)[places])
        padded = np.zeros((len(places), LONGEST), np.uint16)
        padded[:, :length] = codes[places[:, None] + np.arange(length)]
        letters.append(padded)
    distinct, first = np.unique(np.concatenate(hashes), return_index=True)
    return Phrases(hashes=distinct, letters=np.concatenate(letters)[first])


def written(letters: NDArray[np.uint16]) -> list[str]:
    """Phrases as strings.

    Args:
        letters: (n, LONGEST) as ``Phrases`` has them.
    """
    return ["".join(map(chr, row)).rstrip("\0") for row in letters.tolist()]
