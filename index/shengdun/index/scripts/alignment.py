"""Passages that a text shares with a script: seeds of equal syllables, chained.

A seed is a run of ``SEED`` syllables that both have. Seeds on one diagonal, with few syllables between them that
differ, make a stretch; stretches that follow one another in both are joined across words that were left out or put in
(sparse dynamic programming over fragments: Eppstein et al., J. ACM 39, 1992). What a chain is worth grows with the
syllables that agree, rare wording counting more, and falls with those in between. Sentences in another order make
several passages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.shingles import shingles

SEED: Final = 3
"""Syllables of a seed: two would be shared by chance, four would not survive an error in five syllables."""
_LEAST_SEEDS: Final = 2
_SEEDS_PER_SHINGLE: Final = 8
"""Of a wording that a script repeats, the first so many places."""
_LARGEST_GAP: Final = 12
"""Syllables that may differ between two stretches of one passage."""
_GAP_COST: Final = 0.35
_SHIFT_COST: Final = 0.5
_LEAST_WORTH: Final = 4.0
_MOST_STRETCHES: Final = 128

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """A passage, by places in the canonical characters of text and script; half-open.

    Attributes:
        text_start: first character in the text.
        text_end: one past the last.
        script_start: first character in the script.
        script_end: one past the last.
        worth: what its agreement is worth, in rare syllables.
    """

    text_start: int
    text_end: int
    script_start: int
    script_end: int
    worth: float


class Seeds:
    """Where a script has each of its seeds. Immutable.

    Args:
        syllables: (k,) of the script.
    """

    def __init__(self, syllables: NDArray[np.uint16]) -> None:
        hashes = shingles(syllables, SEED)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def found_in(self, hashes: NDArray[np.uint64], *, offset: int) -> tuple[Places, Places]:
        """Where text and script have a seed in common.

        Args:
            hashes: (n,) seeds of a stretch of the text.
            offset: place of the stretch in the text.

        Returns:
            (s,) places in the text and (s,) places in the script.
        """
        first = np.searchsorted(self._hashes, hashes, side="left")
        last = np.searchsorted(self._hashes, hashes, side="right")
        counts = np.minimum(last - first, _SEEDS_PER_SHINGLE)
        hit = np.flatnonzero(counts)
        counts = counts[hit]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(hit, counts) + offset, self._order[np.repeat(first[hit], counts) + within]


@dataclass(slots=True)
class _Stretch:
    text_start: int
    text_end: int
    diagonal: int
    worth: float
    best: float = 0.0
    before: int = -1

    @property
    def script_start(self) -> int:
        return self.text_start + self.diagonal

    @property
    def script_end(self) -> int:
        return self.text_end + self.diagonal


def align(
    text_places: Places, script_places: Places, rarity_sums: NDArray[np.float64]
) -> list[Aligned]:
    """The passages of a text and a script, by place in the text; no two overlap in either.

    Args:
        text_places: (s,) where the text has seeds of the script.
        script_places: (s,) where the script has them.
        rarity_sums: (m + 1,) the rarity of the text's characters, each 0 to 1, summed up to each place.
    """
    if len(text_places) < _LEAST_SEEDS:
        return []
    stretches = _stretches(text_places, script_places, rarity_sums)
    passages: list[Aligned] = []
    while stretches:
        chain = _best_chain(stretches)
        passage = _joined(chain)
        if passage.worth < _LEAST_WORTH:
            break
        passages.append(passage)
        stretches = [each for each in stretches if not _overlaps(each, passage)]
    return sorted(passages, key=lambda each: each.text_start)


def _stretches(
    text_places: Places, script_places: Places, rarity_sums: NDArray[np.float64]
) -> list[_Stretch]:
    diagonals = script_places - text_places
    order = np.lexsort((text_places, diagonals))
    places, along = text_places[order], diagonals[order]
    apart = (np.diff(along) != 0) | (np.diff(places) > SEED + _LARGEST_GAP // 2)
    groups = np.split(np.arange(len(places)), np.flatnonzero(apart) + 1)
    groups = sorted(groups, key=len, reverse=True)[:_MOST_STRETCHES]
    found = [
        _stretch(places[group].tolist(), int(along[group[0]]), rarity_sums) for group in groups
    ]
    return sorted(found, key=lambda each: (each.text_start, each.diagonal))


def _stretch(places: Sequence[int], diagonal: int, rarity_sums: NDArray[np.float64]) -> _Stretch:
    worth, end = 0.0, places[0]
    for place in places:
        worth -= _GAP_COST * max(place - end, 0)
        start = max(place, end)
        end = place + SEED
        worth += float(rarity_sums[end] - rarity_sums[start])
    return _Stretch(text_start=places[0], text_end=end, diagonal=diagonal, worth=worth)


def _best_chain(stretches: list[_Stretch]) -> list[_Stretch]:
    longest = max(each.text_end - each.text_start for each in stretches)
    for number, each in enumerate(stretches):
        each.best, each.before = each.worth, -1
        for earlier in range(number - 1, -1, -1):
            other = stretches[earlier]
            if other.text_start + longest + _LARGEST_GAP < each.text_start:
                break
            joined = other.best + each.worth - _cost(other, each)
            if joined > each.best:
                each.best, each.before = joined, earlier
    at = max(range(len(stretches)), key=lambda number: stretches[number].best)
    chain = []
    while at >= 0:
        chain.append(stretches[at])
        at = stretches[at].before
    return chain[::-1]


def _cost(before: _Stretch, after: _Stretch) -> float:
    """What joining costs; infinite where they don't follow one another closely."""
    in_text = after.text_start - before.text_end
    in_script = after.script_start - before.script_end
    gap, overlap = max(in_text, in_script, 0), max(-in_text, -in_script, 0)
    if overlap >= SEED or gap > _LARGEST_GAP:
        return float("inf")
    return overlap + _GAP_COST * gap + (_SHIFT_COST if in_text != in_script else 0.0)


def _joined(chain: Sequence[_Stretch]) -> Aligned:
    first, last = chain[0], chain[-1]
    return Aligned(
        text_start=first.text_start,
        text_end=last.text_end,
        script_start=first.script_start,
        script_end=last.script_end,
        worth=last.best,
    )


def _overlaps(stretch: _Stretch, passage: Aligned) -> bool:
    in_text = stretch.text_start < passage.text_end and stretch.text_end > passage.text_start
    in_script = (
        stretch.script_start < passage.script_end and stretch.script_end > passage.script_start
    )
    return in_text or in_script
