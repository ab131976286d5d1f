"""Whole texts: all candidates of a letter at once, where a call's come up again with each segment.

What is said of a text is what ``listening`` says of it, were it heard in one piece: the same scripts, passages and
LLRs. A letter has no next segment, so nothing is kept of it, and its seeds are looked for in the candidates together.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import (
    LARGEST_GAP,
    LEAST_WORTH,
    ROUNDING,
    SEED,
    SEEDS_PER_SHINGLE,
    Clump,
    Places,
    Stretches,
    clump_bounds,
    passages_of,
)
from shengdun.index.scripts.background import around
from shengdun.index.scripts.matches import ScriptMatch
from shengdun.index.scripts.probes import telling_probes
from shengdun.index.scripts.question import Common, HeldScript
from shengdun.index.scripts.scoring import CANDIDATES, LEAST_SUPPORT, Scored, Scoring
from shengdun.index.scripts.support import Support
from shengdun.index.scripts.words import Words

_FILTERED: Final = np.uint64(0xFFFF)
"""Of a hash, the bits that tell most seeds of a script from all of a text."""


class WholeText:
    """What a text says of the scripts that there are.

    Args:
        words: all of it.
        scoring: of scripts.
    """

    def __init__(self, words: Words, scoring: Scoring) -> None:
        self._words = words
        self._scoring = scoring
        self._rarity = scoring.known.background.of_seeds(words.seeds)

    def matches(self, limit: int) -> list[ScriptMatch]:
        """The scripts that it may have used, the likeliest first; so many at most."""
        candidates = self._candidates()
        if not candidates:
            return []
        return self._scoring.told(self._scored(candidates), self._words, limit)

    def _candidates(self) -> list[HeldScript]:
        """Those that most speaks for, before any passage is looked at."""
        known = self._scoring.known
        probes, weights = telling_probes(self._words.syllables, self._rarity)
        if not len(probes):
            return []
        support = Support().with_more(known.propose(probes), weights)
        rows = support.most(CANDIDATES, least=LEAST_SUPPORT).tolist()
        return [held for row in rows if (held := known.held(row)) is not None]

    def _scored(self, candidates: Sequence[HeldScript]) -> Iterator[Scored]:
        least = [self._scoring.needed(self._words, held.script) for held in candidates]
        found = _Found(self._words.seeds, candidates)
        rarity_sums = np.concatenate([[0.0], np.cumsum(around(self._rarity))])
        for place, clumps in found.promising(rarity_sums, np.array(least)):
            common = Common(held=candidates[place], places=found.places_of(place))
            passages = passages_of(clumps, least=least[place])
            scored = self._scoring.scored(common, passages, self._words)
            if scored is not None:
                yield scored


class _Found:
    """Where a text and several scripts have a seed in common.

    Args:
        seeds: (n,) of the text, at least one.
        candidates: the scripts, at least one.
    """

    def __init__(self, seeds: NDArray[np.uint64], candidates: Sequence[HeldScript]) -> None:
        syllables = [held.script.syllables for held in candidates]
        ends = np.cumsum([len(each) for each in syllables])
        begins = ends - [len(each) for each in syllables]
        text, at = _in_common(seeds, shingles(np.concatenate(syllables), SEED), ends)
        script = np.searchsorted(ends, at, side="right")
        width, total = len(seeds), int(ends[-1])
        ordered = np.sort((script * width + text) * total + at)
        above, at = np.divmod(ordered, total)
        self._script, self._text = np.divmod(above, width)
        self._at = at - begins[self._script]
        self._bounds = np.searchsorted(self._script, np.arange(len(candidates) + 1))

    def places_of(self, script: int) -> tuple[Places, Places]:
        """Where the text has seeds of one script, ascending, and where the script has them."""
        some = slice(int(self._bounds[script]), int(self._bounds[script + 1]))
        return self._text[some], self._at[some]

    def promising(
        self, rarity_sums: NDArray[np.float64], least: NDArray[np.float64]
    ) -> Iterator[tuple[int, list[Clump]]]:
        """The scripts whose passages may be worth enough together, each with the clumps that may have any.

        Args:
            rarity_sums: (m + 1,) the rarity of the text's characters, summed up to each place.
            least: what the passages of each script need to be worth together.
        """
        if not len(self._text):
            return
        apart = self._script[1:] != self._script[:-1]
        apart |= self._text[1:] - self._text[:-1] > SEED + LARGEST_GAP
        first, bounds = clump_bounds(self._text, apart, rarity_sums)
        ends = np.append(first[1:], len(self._text))
        of_script = self._script[first]
        bounds = np.where(bounds >= LEAST_WORTH - ROUNDING, bounds, 0.0)
        most = np.bincount(of_script, weights=bounds, minlength=len(least))
        chosen = np.flatnonzero((bounds > 0.0) & (most >= least - ROUNDING)[of_script])
        if not len(chosen):
            return
        stretches, of_chosen = self._stretches(first[chosen], ends[chosen], rarity_sums)
        # Passages of a clump are made of its stretches, each once.
        positive = np.bincount(
            stretches.of_clump, weights=np.maximum(stretches.worths, 0.0), minlength=len(chosen)
        )
        bounds = np.minimum(bounds[chosen], positive)
        bounds = np.where(bounds >= LEAST_WORTH - ROUNDING, bounds, 0.0)
        most = np.bincount(of_script[chosen], weights=bounds, minlength=len(least))
        for script in np.flatnonzero(most >= least - ROUNDING).tolist():
            numbers = np.flatnonzero((of_script[chosen] == script) & (bounds > 0.0)).tolist()
            yield (
                script,
                [
                    Clump(
                        self._text[first[chosen[number]] : ends[chosen[number]]],
                        self._at[first[chosen[number]] : ends[chosen[number]]],
                        rarity_sums,
                        float(bounds[number]),
                        stretches.between(int(of_chosen[number]), int(of_chosen[number + 1])),
                    )
                    for number in numbers
                ],
            )

    def _stretches(
        self, first: Places, ends: Places, rarity_sums: NDArray[np.float64]
    ) -> tuple[Stretches, Places]:
        """The stretches of some clumps, and where those of each begin."""
        counts = ends - first
        before = np.cumsum(counts) - counts
        some = np.arange(counts.sum()) + np.repeat(first - before, counts)
        number = np.repeat(np.arange(len(first)), counts)
        stretches = Stretches.of(self._text[some], self._at[some], rarity_sums, number)
        return stretches, np.searchsorted(stretches.of_clump, np.arange(len(first) + 1))


def _in_common(
    seeds: NDArray[np.uint64],
    of_scripts: NDArray[np.uint64],
    ends: Places,
) -> tuple[Places, Places]:
    """(s,) places in a text and (s,) places in scripts, one after the other, that have a seed in common."""
    in_text = np.zeros(int(_FILTERED) + 1, np.bool_)
    in_text[seeds & _FILTERED] = True
    maybe = in_text[of_scripts & _FILTERED]
    for end in ends[:-1].tolist():
        maybe[max(end - SEED + 1, 0) : end] = False  # half of one script and half of the next
    at = np.flatnonzero(maybe)
    order = np.argsort(seeds)
    ordered = seeds[order]
    wanted = of_scripts[at]
    first = np.searchsorted(ordered, wanted, side="left")
    counts = np.searchsorted(ordered, wanted, side="right") - first
    found = np.flatnonzero(counts)
    found = found[_among_first(wanted[found], np.searchsorted(ends, at[found], side="right"))]
    counts = counts[found]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.repeat(first[found], counts) + within], np.repeat(at[found], counts)


def _among_first(seeds: NDArray[np.uint64], script: Places) -> NDArray[np.intp]:
    """Of the places where scripts have seeds, in order, the first ``SEEDS_PER_SHINGLE`` of a seed and script."""
    order = np.lexsort((script, seeds))
    other = (seeds[order][1:] != seeds[order][:-1]) | (script[order][1:] != script[order][:-1])
    first = np.flatnonzero(np.concatenate([[True], other])) if len(order) else order
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    return order[rank < SEEDS_PER_SHINGLE]
