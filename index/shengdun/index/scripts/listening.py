"""Hearing words as they arrive: the scripts that a transcript may be following, after each segment.

What is known of a text is a function of the text alone, however it was cut. Its end is read anew with each segment, as
far back as a later word can change how it reads (``REACH``); everything before that is settled, looked up once and
kept. So the work of a segment depends on the segment, and on how many scripts are in question.
"""

import copy
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED, Aligned, align
from shengdun.index.scripts.background import Background
from shengdun.index.scripts.evidence import ScriptCoefficients
from shengdun.index.scripts.matches import ScriptMatch
from shengdun.index.scripts.postings import Held, Rows
from shengdun.index.scripts.probes import PROBE, probes_of
from shengdun.index.scripts.question import InQuestion, Script
from shengdun.index.scripts.support import Support
from shengdun.index.scripts.words import Words

CANDIDATES: Final = 8
"""Scripts whose passages are aligned: those that most speaks for."""
_LEAST_SUPPORT: Final = 1.0
_LEAST_RARITY: Final = 0.3
"""Commoner wording proposes nothing."""


class Known(Protocol):
    """The scripts that there are."""

    background: Background
    coefficients: ScriptCoefficients

    def propose(self, probes: NDArray[np.uint64]) -> list[Held]:
        """The rows of scripts that share each probe."""

    def script(self, row: int) -> Script | None:
        """The script of a row; None if it was removed."""


class ScriptListener:
    """Hears one text. Not safe to share between threads.

    Args:
        known: the scripts.
        limit: how many are told at most.
    """

    def __init__(self, known: Known, *, limit: int = 10) -> None:
        self._known = known
        self._limit = limit
        self._words = Words()
        self._support = Support()
        self._probed = 0
        self._asked: dict[int, Held] = {}
        self._in_question: dict[int, InQuestion] = {}

    @property
    def text_length(self) -> int:
        """Code points heard so far."""
        return self._words.heard

    def hear(self, text: str) -> list[ScriptMatch]:
        """Take the next words in.

        Args:
            text: as it was recognised or written; follows what was heard before without anything between.

        Returns:
            The scripts that all words so far may have used, the likeliest first; none without a passage in common.
        """
        words = self._words
        words.hear(text)
        support = self._supported()
        found = []
        for row in support.most(CANDIDATES, least=_LEAST_SUPPORT).tolist():
            script = self._known.script(row)
            if script is not None and (scored := self._scored(row, script)) is not None:
                found.append(scored)
        self._let_go()
        found.sort(key=lambda each: (-each[0], each[1].script_id))
        return [match for _, match in found[: self._limit]]

    def preview(self, text: str) -> list[ScriptMatch]:
        """What ``hear`` would say to these words; nothing of them is kept, so others may come in their place."""
        other = copy.copy(self)
        other._words = copy.copy(self._words)  # noqa: SLF001 (its own kind)
        other._in_question = {row: copy.copy(each) for row, each in self._in_question.items()}  # noqa: SLF001
        return other.hear(text)

    def _supported(self) -> Support:
        """Support by everything heard; what later words may change isn't kept."""
        words = self._words
        fresh = words.syllables[self._probed :]
        places, probes = probes_of(fresh)
        weights = self._weights(fresh, places)
        tells = weights >= _LEAST_RARITY
        places, probes, weights = places[tells], probes[tells], weights[tells]
        proposals = self._proposals(probes)
        settled = int(np.searchsorted(places + self._probed + PROBE, words.settled, side="right"))
        self._support = self._support.with_more(proposals[:settled], weights[:settled])
        self._probed = max(words.settled - PROBE + 1, 0)
        return self._support.with_more(proposals[settled:], weights[settled:])

    def _proposals(self, probes: NDArray[np.uint64]) -> list[Held]:
        """As ``propose`` says; what may still change was mostly asked for before."""
        asked = self._asked
        named = probes.tolist()
        new = [place for place, probe in enumerate(named) if probe not in asked]
        asked |= zip((named[place] for place in new), self._known.propose(probes[new]), strict=True)
        proposals = [asked[probe] for probe in named]
        self._asked = dict(zip(named, proposals, strict=True))
        return proposals

    def _weights(self, codes: NDArray[np.uint16], places: Rows) -> NDArray[np.float64]:
        """What each probe's wording says, 0 (everybody says it) to 1; it depends on the probe alone."""
        if not len(places):
            return np.zeros(0)
        rarity = self._known.background.of_seeds(shingles(codes, SEED))
        inside: NDArray[np.float64] = np.mean(
            [rarity[places + shift] for shift in range(PROBE - SEED + 1)], axis=0
        )
        return inside

    def _scored(self, row: int, script: Script) -> tuple[float, ScriptMatch] | None:
        question = self._in_question.get(row)
        if question is None or question.script is not script:
            question = self._in_question[row] = InQuestion(script)
        words = self._words
        question.read(words)
        passages = align(*question.places, words.rarity_sums(self._known.background))
        if not passages:
            return None
        return self._match(question, passages)

    def _match(self, question: InQuestion, passages: list[Aligned]) -> tuple[float, ScriptMatch]:
        words, script = self._words, question.script
        length = len(script.syllables)
        coefficients = self._known.coefficients
        worth = sum(each.worth for each in passages)
        unlimited = coefficients.unlimited(worth, len(words.syllables), length)
        in_script = sum(each.script_end - each.script_start for each in passages)
        in_text = sum(each.text_end - each.text_start for each in passages)
        match = ScriptMatch(
            script_id=script.script_id,
            llr=coefficients.limited(unlimited),
            worth=worth,
            script_share=min(in_script / length, 1.0),
            text_share=min(in_text / len(words.syllables), 1.0),
            passages=tuple(question.passage(each, words) for each in passages),
        )
        return unlimited, match

    def _let_go(self) -> None:
        """Of scripts that hardly anything speaks for any more."""
        kept = set(self._support.most(4 * CANDIDATES, least=0.0).tolist())
        self._in_question = {
            row: question for row, question in self._in_question.items() if row in kept
        }
