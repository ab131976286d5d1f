"""Whole texts: all candidates of many letters at once, where a call's come up again with each segment.

What is said of a text is what ``listening`` says of it, were it heard in one piece: the same scripts, passages and
LLRs, whatever other texts it is compared beside. A letter has no next segment, so nothing is kept of it; and what a
step costs for one text, whatever its length, it costs once for all of them.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.shingles import sampled, shingles
from shengdun.index.scripts.alignment import SEED, passages_of
from shengdun.index.scripts.background import PHRASE, worths
from shengdun.index.scripts.matches import ScriptMatch
from shengdun.index.scripts.postings import Rows
from shengdun.index.scripts.probes import LEAST_RARITY, PROBE, SAMPLED_ONE_IN
from shengdun.index.scripts.question import Common, HeldScript
from shengdun.index.scripts.scoring import CANDIDATES, LEAST_SUPPORT, Scored, Scoring
from shengdun.index.scripts.shared_seeds import SharedSeeds
from shengdun.index.scripts.support import leading
from shengdun.index.scripts.words import Words

MOST_TOGETHER: Final = 64
"""Texts; of more the processor's caches don't hold what is looked at."""
MOST_CHARACTERS: Final = 30_000
"""Of texts that are compared together; a longer one is compared by itself."""


def together(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in their order, so many at a time as are best compared together."""
    some: list[str] = []
    characters = 0
    for text in texts:
        if some and (len(some) == MOST_TOGETHER or characters + len(text) > MOST_CHARACTERS):
            yield some
            some, characters = [], 0
        some.append(text)
        characters += len(text)
    if some:
        yield some


class WholeTexts:
    """What some texts say of the scripts that there are.

    Args:
        texts: all words of each; 1 to ``MOST_TOGETHER``.
        scoring: of scripts.
    """

    def __init__(self, texts: Sequence[Words], scoring: Scoring) -> None:
        self._texts = texts
        self._scoring = scoring
        self._lengths = np.array([len(words.syllables) for words in texts])
        self._ends = np.cumsum(self._lengths)
        self._begins = self._ends - self._lengths

    def matches(self, limit: int) -> list[list[ScriptMatch]]:
        """The scripts that each text may have used, the likeliest first; so many at most."""
        candidates = self._candidates()
        scored: list[list[Scored]] = [[] for _ in self._texts]
        if candidates:
            for text, each in self._scored(candidates):
                scored[text].append(each)
        return [
            self._scoring.told(each, words, limit)
            for words, each in zip(self._texts, scored, strict=True)
        ]

    @cached_property
    def _syllables(self) -> NDArray[np.uint16]:
        return np.concatenate([words.syllables for words in self._texts])

    @cached_property
    def _rarity(self) -> NDArray[np.float64]:
        """Of each run of ``SEED`` syllables, those that begin in one text and end in another among them."""
        return self._scoring.known.background.of_seeds(shingles(self._syllables, SEED))

    def _candidates(self) -> list[tuple[int, HeldScript]]:
        """The scripts that most speaks for, before any passage is looked at, with the text; by text."""
        probes, weights, text = self._probes()
        if not len(probes):
            return []
        known = self._scoring.known
        found = known.propose(probes)
        texts, rows = leading(found, weights, text, count=CANDIDATES, least=LEAST_SUPPORT)
        held = [(text, known.held(row)) for text, row in zip(texts, rows, strict=True)]
        return [(text, script) for text, script in held if script is not None]

    def _probes(self) -> tuple[NDArray[np.uint64], NDArray[np.float64], Rows]:
        """(p,) hashes of the runs that propose scripts, (p,) what their wording says, and (p,) the text of each."""
        hashes = shingles(self._syllables, PROBE)
        places = sampled(hashes, SAMPLED_ONE_IN).nonzero()[0]
        text = self._ends.searchsorted(places, side="right")
        whole = places + PROBE <= self._ends[text]
        places, text = places[whole], text[whole]
        inside = PROBE - SEED + 1
        weights = np.zeros(len(places))
        for shift in range(inside):
            weights += self._rarity[places + shift]
        weights /= inside
        tells = weights >= LEAST_RARITY
        return hashes[places[tells]], weights[tells], text[tells]

    def _scored(self, candidates: Sequence[tuple[int, HeldScript]]) -> Iterator[tuple[int, Scored]]:
        least = np.array(
            [self._scoring.needed(self._texts[text], held.script) for text, held in candidates]
        )
        shared = SharedSeeds(
            [words.seeds for words in self._texts],
            [(text, held.script.syllables) for text, held in candidates],
            self._rarity_sums(),
        )
        for place, clumps in shared.promising(least):
            text, held = candidates[place]
            common = Common(held=held, places=shared.places_of(place))
            passages = passages_of(clumps, least=float(least[place]))
            scored = self._scoring.scored(common, passages, self._texts[text])
            if scored is not None:
                yield text, scored

    def _rarity_sums(self) -> list[NDArray[np.float64]]:
        """For each text, what its characters are worth, summed up to each place."""
        phrases = shingles(self._syllables, PHRASE)
        added = self._scoring.known.background.of_phrases(phrases, self._rarity[: len(phrases)])
        sums = []
        for begin, length in zip(self._begins.tolist(), self._lengths.tolist(), strict=True):
            of_seeds = self._rarity[begin : begin + max(length - SEED + 1, 0)]
            of_phrases = added[begin : begin + max(length - PHRASE + 1, 0)]
            worth = worths(of_seeds, of_phrases) if len(of_seeds) else np.zeros(length)
            sums.append(np.concatenate([[0.0], np.cumsum(worth)]))
        return sums
