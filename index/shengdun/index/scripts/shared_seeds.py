"""Where texts and the scripts that they are compared with have seeds in common, for all of them at once."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
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
    Stretch,
    Stretches,
    clump_bounds,
)

Hashes = NDArray[np.uint64]

_TEXT_BITS: Final = np.uint64(8)
"""Of a seed's hash, so many make room for the number of its text; the others tell seeds apart all the same."""
_FILTERED: Final = np.uint64(2**18 - 1)
"""The bits that tell most seeds of the scripts from all of the texts."""


class SharedSeeds:
    """Seeds that texts have in common with the scripts that each is compared with.

    Args:
        texts: (n,) seeds of each text; 256 texts at most.
        scripts: the number of a text, and the (k,) syllables of a script that it is compared with; at least one, by
            text.
        rarity_sums: for each text, the rarity of its characters, summed up to each place.
    """

    def __init__(
        self,
        texts: Sequence[Hashes],
        scripts: Sequence[tuple[int, NDArray[np.uint16]]],
        rarity_sums: Sequence[NDArray[np.float64]],
    ) -> None:
        self._of_text = np.array([text for text, _ in scripts])
        self._sums = rarity_sums
        self._all_sums = np.concatenate(rarity_sums)
        lengths = np.array([len(sums) for sums in rarity_sums])
        self._bases = (np.cumsum(lengths) - lengths)[self._of_text]
        ends = np.cumsum([len(syllables) for _, syllables in scripts])
        begins = ends - [len(syllables) for _, syllables in scripts]
        hashes = shingles(np.concatenate([syllables for _, syllables in scripts]), SEED)
        text, at = _in_common(texts, hashes, ends, self._of_text)
        script = ends.searchsorted(at, side="right")
        # By script, place in the text, and place in the script.
        width, total = int(lengths.max()), int(ends[-1])
        above, at = np.divmod(np.sort((script * width + text) * total + at), total)
        self._script, self._text = np.divmod(above, width)
        self._at = at - begins[self._script]
        self._bounds = self._script.searchsorted(np.arange(len(scripts) + 1))

    def places_of(self, script: int) -> tuple[Places, Places]:
        """Where the text has seeds of one of the scripts, ascending, and where the script has them."""
        some = slice(int(self._bounds[script]), int(self._bounds[script + 1]))
        return self._text[some], self._at[some]

    def promising(self, least: NDArray[np.float64]) -> Iterator[tuple[int, list[Clump]]]:
        """The scripts whose passages may be worth enough together, each with the clumps that may have any.

        Args:
            least: what the passages of each script need to be worth together.
        """
        if not len(self._text):
            return
        first, last, bounds = self._clumps()
        of_script = self._script[first]
        bounds, chosen = _worthwhile(bounds, of_script, least)
        first, last, of_script, bounds = (
            first[chosen],
            last[chosen],
            of_script[chosen],
            bounds[chosen],
        )
        if not len(first):
            return
        stretches, begins = self._stretches(first, last)
        # Passages of a clump are made of its stretches, each once.
        positive = np.bincount(
            stretches.of_clump, weights=np.maximum(stretches.worths, 0.0), minlength=len(first)
        )
        bounds, chosen = _worthwhile(np.minimum(bounds, positive), of_script, least)
        clumps: dict[int, list[Clump]] = {}
        for number in chosen.tolist():
            some, script = slice(int(first[number]), int(last[number])), int(of_script[number])
            own = stretches.between(int(begins[number]), int(begins[number + 1]))
            clumps.setdefault(script, []).append(
                self._clump(script, some, float(bounds[number]), own)
            )
        yield from clumps.items()

    def _clumps(self) -> tuple[Places, Places, NDArray[np.float64]]:
        """(c,) where each clump begins among the seeds, (c,) one past its last, and (c,) its bound."""
        apart = self._script[1:] != self._script[:-1]
        apart |= self._text[1:] - self._text[:-1] > SEED + LARGEST_GAP
        in_all = self._text + self._bases[self._script]
        first, bounds = clump_bounds(in_all, apart, self._all_sums)
        return first, np.append(first[1:], len(self._text)), bounds

    def _clump(self, script: int, some: slice, bound: float, stretches: list[Stretch]) -> Clump:
        sums = self._sums[self._of_text[script]]
        return Clump(self._text[some], self._at[some], sums, bound, stretches)

    def _stretches(self, first: Places, last: Places) -> tuple[Stretches, Places]:
        """The stretches of some clumps, and where those of each begin."""
        counts = last - first
        some = np.arange(counts.sum()) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        base = self._bases[self._script[some]]
        number = np.repeat(np.arange(len(first)), counts)
        found = Stretches.of(self._text[some] + base, self._at[some] + base, self._all_sums, number)
        base = self._bases[self._script[first]][found.of_clump]
        stretches = replace(found, starts=found.starts - base, ends=found.ends - base)
        return stretches, stretches.of_clump.searchsorted(np.arange(len(first) + 1))


def _worthwhile(
    bounds: NDArray[np.float64], of_script: Places, least: NDArray[np.float64]
) -> tuple[NDArray[np.float64], Places]:
    """The bounds of clumps that may have a passage, 0 of others; and those of scripts that may have enough together."""
    bounds = np.where(bounds >= LEAST_WORTH - ROUNDING, bounds, 0.0)
    most = np.bincount(of_script, weights=bounds, minlength=len(least))
    return bounds, ((bounds > 0.0) & (most >= least - ROUNDING)[of_script]).nonzero()[0]


def _in_common(
    texts: Sequence[Hashes], of_scripts: Hashes, ends: Places, of_text: Places
) -> tuple[Places, Places]:
    """(s,) places in texts and (s,) places in the scripts, one after the other, that have a seed in common."""
    numbers = np.repeat(np.arange(len(texts)), [len(seeds) for seeds in texts])
    seeds = _marked(np.concatenate(texts), numbers)
    in_texts = np.zeros(int(_FILTERED) + 1, np.bool_)
    in_texts[(seeds >> _TEXT_BITS) & _FILTERED] = True
    maybe = in_texts[(of_scripts >> _TEXT_BITS) & _FILTERED]
    for shift in range(1, SEED):
        across = ends[:-1] - shift  # in one script and in the next
        maybe[across[across >= 0]] = False
    at = maybe.nonzero()[0]
    script = ends.searchsorted(at, side="right")
    order = np.argsort(seeds)
    wanted = _marked(of_scripts[at], of_text[script])
    first = seeds[order].searchsorted(wanted)
    counts = seeds[order].searchsorted(wanted, side="right") - first
    found = counts.nonzero()[0]
    found = found[_among_first(wanted[found], script[found])]
    counts = counts[found]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = np.cumsum([0, *map(len, texts[:-1])])
    places = order[np.repeat(first[found], counts) + within]
    return places - begins[numbers[places]], np.repeat(at[found], counts)


def _marked(seeds: Hashes, texts: Places) -> Hashes:
    marked: Hashes = (seeds >> _TEXT_BITS << _TEXT_BITS) | texts.astype(np.uint64)
    return marked


def _among_first(seeds: Hashes, script: Places) -> Places:
    """Of the places where scripts have seeds, in order, the first ``SEEDS_PER_SHINGLE`` of a seed and script."""
    order = np.lexsort((script, seeds))
    seeds, script = seeds[order], script[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (seeds[1:] != seeds[:-1]) | (script[1:] != script[:-1])
    first = begins.nonzero()[0]
    rank = np.arange(len(order)) - first[np.cumsum(begins) - 1]
    among: Places = order[rank < SEEDS_PER_SHINGLE]
    return among
