"""Passages that a text shares with a script: seeds of equal syllables, chained.

A seed is a run of ``SEED`` syllables that both have. Seeds on one diagonal, with few syllables between them that
differ, make a stretch; stretches that follow one another in both are joined across words that were left out or put in
(sparse dynamic programming over fragments: Eppstein et al., J. ACM 39, 1992). What a chain is worth grows with the
syllables that agree, rare wording counting more, and falls with those in between. Sentences in another order make
several passages.

Where no seed begins for long enough in the text, nothing is joined. So a text falls into clumps of seeds; each has its
chains to itself, and the rarity of the characters that its seeds cover is the most that they can be worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.shingles import shingles

SEED: Final = 3
"""Syllables of a seed: two would be shared by chance, four would not survive an error in five syllables."""
SEEDS_PER_SHINGLE: Final = 8
"""Of a wording that a script repeats, the first so many places."""
LARGEST_GAP: Final = 12
"""Syllables that may differ between two stretches of one passage."""
_GAP_COST: Final = 0.35
_SHIFT_COST: Final = 0.5
LEAST_WORTH: Final = 4.0
_MOST_STRETCHES: Final = 128
"""Of a clump, the longest."""
ROUNDING: Final = 1e-6
CLOSED_AFTER: Final = 2 * SEED + LARGEST_GAP
"""Characters from a clump's last seed on that decide that nothing is joined to it any more."""

Places = NDArray[np.int64]
NOWHERE: Final = np.zeros(0, np.int64)


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
        if not len(self._hashes):
            return NOWHERE, NOWHERE
        first = self._hashes.searchsorted(hashes)
        hit = (self._hashes.take(first, mode="clip") == hashes).nonzero()[0]
        if not len(hit):
            return NOWHERE, NOWHERE
        first = first[hit]
        last = self._hashes.searchsorted(hashes[hit], side="right")
        counts = np.minimum(last - first, SEEDS_PER_SHINGLE)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(hit, counts) + offset, self._order[np.repeat(first, counts) + within]


class Stretch(NamedTuple):
    """Seeds on one diagonal; by places in the canonical characters of text and script, half-open.

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


class Clump:
    """Seeds of a text and a script that lie close together in the text, and the passages that they may make. Immutable.

    Args:
        text_places: (s,) where the text has the seeds, ascending.
        script_places: (s,) where the script has them.
        rarity_sums: (m + 1,) the rarity of the text's characters, each 0 to 1, summed up to each place.
        bound: the rarity of the characters that they cover: no passages of them are worth more together.
        stretches: those that they make, by place in the text, where they are known; else they are looked for.

    Attributes:
        seeds: how many there are.
        last: the last place in the text.
        bound: as it was given.
    """

    def __init__(
        self,
        text_places: Places,
        script_places: Places,
        rarity_sums: NDArray[np.float64],
        bound: float,
        stretches: "list[Stretch] | None" = None,
    ) -> None:
        self.seeds = len(text_places)
        self.last = int(text_places[-1])
        self.bound = bound
        self._places = text_places, script_places
        self._rarity_sums = rarity_sums
        self._stretches = stretches

    @property
    def may_tell(self) -> bool:
        """Whether it may have a passage at all."""
        return self.bound >= LEAST_WORTH - ROUNDING

    @cached_property
    def stretches(self) -> list[Stretch]:
        """By place in the text."""
        if self._stretches is not None:
            return self._stretches
        every = Stretches.of(*self._places, self._rarity_sums)
        return every.between(0, len(every))

    @cached_property
    def best(self) -> Aligned:
        """The passage that is worth most."""
        return _best_chain(self.stretches)


def clumps(
    text_places: Places, script_places: Places, rarity_sums: NDArray[np.float64]
) -> list[Clump]:
    """The clumps of some seeds, in the order of the text.

    Args:
        text_places: (s,) where the text has seeds of the script, ascending.
        script_places: (s,) where the script has them.
        rarity_sums: (m + 1,) the rarity of the text's characters, each 0 to 1, summed up to each place.
    """
    if not len(text_places):
        return []
    apart = text_places[1:] - text_places[:-1] > SEED + LARGEST_GAP
    first, bounds = clump_bounds(text_places, apart, rarity_sums)
    ends = [*first[1:].tolist(), len(text_places)]
    return [
        Clump(text_places[start:end], script_places[start:end], rarity_sums, bound)
        for start, end, bound in zip(first.tolist(), ends, bounds.tolist(), strict=True)
    ]


def clump_bounds(
    text_places: Places, apart: NDArray[np.bool_], rarity_sums: NDArray[np.float64]
) -> tuple[Places, NDArray[np.float64]]:
    """(c,) the first seed of each clump, and (c,) the rarity of the characters that its seeds cover.

    Args:
        text_places: (s,) where the text has the seeds, ascending in each clump; at least one.
        apart: (s - 1,) whether a seed is of another clump than the one before it.
        rarity_sums: (m + 1,) the rarity of the text's characters, summed up to each place.
    """
    first = np.concatenate([[0], apart.nonzero()[0] + 1])
    covered = np.maximum(text_places, np.concatenate([[0], text_places[:-1] + SEED]))
    covered[first] = text_places[first]
    return first, np.add.reduceat(rarity_sums[text_places + SEED] - rarity_sums[covered], first)


def align(
    text_places: Places, script_places: Places, rarity_sums: NDArray[np.float64]
) -> list[Aligned]:
    """The passages of a text and a script, by place in the text; no two overlap in either.

    Args:
        text_places: (s,) where the text has seeds of the script, in any order.
        script_places: (s,) where the script has them.
        rarity_sums: (m + 1,) the rarity of the text's characters, each 0 to 1, summed up to each place.
    """
    order = np.argsort(text_places, kind="stable")
    return passages_of(clumps(text_places[order], script_places[order], rarity_sums))


def passages_of(found: Sequence[Clump], *, least: float = 0.0) -> list[Aligned]:
    """The passages of some clumps, by place in the text, best ones first chosen; no two overlap in text or script.

    Args:
        found: the clumps, in the order of the text.
        least: what the passages need to be worth together; none are looked for where they can't be.
    """
    telling = [clump for clump in found if clump.may_tell]
    if sum(clump.bound for clump in telling) < least - ROUNDING:
        return []
    left = [(clump.best, clump.stretches) for clump in telling]
    passages: list[Aligned] = []
    while left:
        passage = max(left, key=lambda each: each[0].worth)[0]
        if passage.worth < LEAST_WORTH:
            break
        passages.append(passage)
        left = [rest for each in left if (rest := _without(*each, passage)) is not None]
    return sorted(passages, key=lambda each: each.text_start)


def _without(
    best: Aligned, stretches: list[Stretch], passage: Aligned
) -> tuple[Aligned, list[Stretch]] | None:
    """What a clump still has when a passage is taken."""
    left = [each for each in stretches if not _overlaps(each, passage)]
    if len(left) == len(stretches):
        return best, stretches
    return (_best_chain(left), left) if left else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretches:
    """Stretches of several clumps, in the order of the clumps, those of each by place in the text.

    Attributes:
        starts: (n,) where each begins in the text.
        ends: (n,) one past its end.
        diagonals: (n,) how much further on it is in the script.
        worths: (n,) what it is worth.
        seeds: (n,) how many seeds it has.
        of_clump: (n,) the number of its clump.
    """

    starts: Places
    ends: Places
    diagonals: Places
    worths: NDArray[np.float64]
    seeds: Places
    of_clump: Places

    @classmethod
    def of(
        cls,
        text_places: Places,
        script_places: Places,
        rarity_sums: NDArray[np.float64],
        of_clump: Places | None = None,
    ) -> Self:
        """The stretches that some seeds make, at least one.

        Args:
            text_places: (s,) where the text has the seeds.
            script_places: (s,) where a script has them.
            rarity_sums: (m + 1,) the rarity of the text's characters, summed up to each place.
            of_clump: (s,) the number of each seed's clump, ascending; one clump if it is left out.
        """
        clump = np.zeros(len(text_places), np.int64) if of_clump is None else of_clump
        diagonals = script_places - text_places
        lowest, width = int(diagonals.min()), int(text_places.max()) + 1
        span = int(diagonals.max()) - lowest + 1
        # One number for all that decides the order: numbers are sorted many times faster than rows of them.
        order = np.argsort((clump * span + diagonals - lowest) * width + text_places)
        places, along, clump = text_places[order], diagonals[order], clump[order]
        ends = places + SEED
        joined = (
            (along[1:] == along[:-1])
            & (clump[1:] == clump[:-1])
            & (places[1:] - places[:-1] <= SEED + LARGEST_GAP // 2)
        )
        first = np.concatenate([[True], ~joined]).nonzero()[0]
        starts, gaps = places.copy(), np.zeros(len(places))
        starts[1:][joined] = np.maximum(places[1:], ends[:-1])[joined]
        gaps[1:][joined] = np.maximum(places[1:] - ends[:-1], 0)[joined]
        worths = np.add.reduceat(rarity_sums[ends] - rarity_sums[starts] - _GAP_COST * gaps, first)
        last = np.append(first[1:], len(places)) - 1
        by_place = np.argsort((clump[first] * width + places[first]) * span + along[first] - lowest)
        first, last = first[by_place], last[by_place]
        return cls(
            starts=places[first],
            ends=ends[last],
            diagonals=along[first],
            worths=worths[by_place],
            seeds=last - first + 1,
            of_clump=clump[first],
        )

    def __len__(self) -> int:
        return len(self.starts)

    def between(self, first: int, last: int) -> list[Stretch]:
        """Those of one clump, from a number to another; of very many the longest."""
        rows = np.arange(first, last)
        if len(rows) > _MOST_STRETCHES:
            by_length = np.lexsort((self.starts[rows], self.diagonals[rows], -self.seeds[rows]))
            rows = np.sort(rows[by_length[:_MOST_STRETCHES]])
        return [
            Stretch(
                text_start=start,
                text_end=end,
                script_start=start + diagonal,
                script_end=end + diagonal,
                worth=worth,
            )
            for start, end, diagonal, worth in zip(
                self.starts[rows].tolist(),
                self.ends[rows].tolist(),
                self.diagonals[rows].tolist(),
                self.worths[rows].tolist(),
                strict=True,
            )
        ]


def _best_chain(stretches: Sequence[Stretch]) -> Aligned:
    longest = max(each.text_end - each.text_start for each in stretches)
    best = [each.worth for each in stretches]
    before = [-1] * len(stretches)
    for number, each in enumerate(stretches):
        for earlier in range(number - 1, -1, -1):
            other = stretches[earlier]
            if other.text_start + longest + LARGEST_GAP < each.text_start:
                break
            joined = best[earlier] + each.worth - _cost(other, each)
            if joined > best[number]:
                best[number], before[number] = joined, earlier
    last = first = best.index(max(best))
    while before[first] >= 0:
        first = before[first]
    return Aligned(
        text_start=stretches[first].text_start,
        text_end=stretches[last].text_end,
        script_start=stretches[first].script_start,
        script_end=stretches[last].script_end,
        worth=best[last],
    )


def _cost(before: Stretch, after: Stretch) -> float:
    """What joining costs; infinite where they don't follow one another closely."""
    in_text = after.text_start - before.text_end
    in_script = after.script_start - before.script_end
    gap, overlap = max(in_text, in_script, 0), max(-in_text, -in_script, 0)
    if overlap >= SEED or gap > LARGEST_GAP:
        return float("inf")
    return overlap + _GAP_COST * gap + (_SHIFT_COST if in_text != in_script else 0.0)


def _overlaps(stretch: Stretch, passage: Aligned) -> bool:
    in_text = stretch.text_start < passage.text_end and stretch.text_end > passage.text_start
    in_script = (
        stretch.script_start < passage.script_end and stretch.script_end > passage.script_start
    )
    return in_text or in_script
