"""Hearing words as they arrive: the scripts that a transcript may be following, after each segment.

What is known of a text is a function of the text alone, however it was cut. Its end is read anew with each segment, as
far back as a later word can change how it reads (``REACH``); everything before that is settled, looked up once and
kept. So the work of a segment depends on the segment, and on how many scripts are in question.
"""

import copy
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shengdun.fingerprint.text.shingles import shingles
from shengdun.index.scripts.alignment import SEED, Aligned
from shengdun.index.scripts.background import Background
from shengdun.index.scripts.evidence import ScriptCoefficients
from shengdun.index.scripts.matches import ScriptMatch
from shengdun.index.scripts.postings import Found, Rows
from shengdun.index.scripts.probes import PROBE, probes_of
from shengdun.index.scripts.question import InQuestion, Script
from shengdun.index.scripts.support import Support
from shengdun.index.scripts.words import Words

CANDIDATES: Final = 8
"""Scripts whose passages are aligned: those that most speaks for."""
LEAST_EVIDENCE: Final = 5.0
"""What a script's passages must be worth together to be told: five syllables are a turn of phrase."""
_LEAST_SUPPORT: Final = 1.0
_LEAST_RARITY: Final = 0.3
"""Commoner wording proposes nothing."""


class Known(Protocol):
    """The scripts that there are."""

    background: Background
    coefficients: ScriptCoefficients

    def propose(self, probes: NDArray[np.uint64]) -> Found:
        """The scripts that share each probe."""

    def script(self, row: int) -> Script | None:
        """The script of a row; None if it was removed."""


class ScriptListener:
    """Hears one text. Not safe to share between threads.

    Args:
        known: the scripts.
        limit: how many are told at most.
        words: the text, if others read it too; they may have heard some of it already.
    """

    def __init__(self, known: Known, *, limit: int = 10, words: Words | None = None) -> None:
        self._known = known
        self._limit = limit
        self._words = words or Words()
        self._support = Support()
        self._probed = 0
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
        self._words.hear(text)
        return self.look()

    def look(self) -> list[ScriptMatch]:
        """What ``hear`` says, of the words as they are."""
        rows = self._supported().most(CANDIDATES, least=_LEAST_SUPPORT).tolist()
        found = [each for row in rows if (each := self._looked_at(row)) is not None]
        self._let_go(rows)
        found.sort(key=lambda each: (-each.unlimited, each.question.script.script_id))
        return [self._match(each) for each in found[: self._limit]]

    def preview(self, text: str) -> list[ScriptMatch]:
        """What ``hear`` would say to these words; nothing of them is kept, so others may come in their place."""
        return self.look_at(self._words.with_more(text))

    def look_at(self, words: Words) -> list[ScriptMatch]:
        """What ``look`` would say if the words went on as these do; nothing of them is kept."""
        other = copy.copy(self)
        other._words = words  # noqa: SLF001 (its own kind)
        other._in_question = {row: copy.copy(each) for row, each in self._in_question.items()}  # noqa: SLF001
        return other.look()

    def _supported(self) -> Support:
        """Support by everything heard; what later words may change isn't kept."""
        words = self._words
        fresh = words.syllables[self._probed :]
        places, probes = probes_of(fresh)
        weights = self._weights(fresh, places)
        tells = weights >= _LEAST_RARITY
        places, probes, weights = places[tells], probes[tells], weights[tells]
        found = self._known.propose(probes)
        settled = places + self._probed + PROBE <= words.settled
        self._support = self._support.with_more(found.chosen(settled), weights)
        self._probed = max(words.settled - PROBE + 1, 0)
        return self._support.with_more(found.chosen(~settled), weights)

    def _weights(self, codes: NDArray[np.uint16], places: Rows) -> NDArray[np.float64]:
        """What each probe's wording says, 0 (everybody says it) to 1; it depends on the probe alone."""
        if not len(places):
            return np.zeros(0)
        rarity = self._known.background.of_seeds(shingles(codes, SEED))
        inside: NDArray[np.float64] = np.mean(
            [rarity[places + shift] for shift in range(PROBE - SEED + 1)], axis=0
        )
        return inside

    def _looked_at(self, row: int) -> "_Scored | None":
        """How a script that was proposed fares; None if it was removed, or shares too little."""
        script = self._known.script(row)
        if script is None:
            return None
        question = self._in_question.get(row)
        if question is None or question.script is not script:
            question = self._in_question[row] = InQuestion(script)
        question.read(self._words)
        passages = question.aligned(self._words, self._known.background)
        worth = sum(each.worth for each in passages)
        if worth < LEAST_EVIDENCE:
            return None
        unlimited = self._known.coefficients.unlimited(
            worth, len(self._words.syllables), len(script.syllables)
        )
        return _Scored(question=question, passages=passages, worth=worth, unlimited=unlimited)

    def _match(self, scored: "_Scored") -> ScriptMatch:
        words, script = self._words, scored.question.script
        in_script = sum(each.script_end - each.script_start for each in scored.passages)
        in_text = sum(each.text_end - each.text_start for each in scored.passages)
        return ScriptMatch(
            script_id=script.script_id,
            llr=self._known.coefficients.limited(scored.unlimited),
            worth=scored.worth,
            script_share=min(in_script / len(script.syllables), 1.0),
            text_share=min(in_text / len(words.syllables), 1.0),
            passages=tuple(scored.question.passage(each, words) for each in scored.passages),
        )

    def _let_go(self, rows: list[int]) -> None:
        """Of scripts but these that hardly anything speaks for any more."""
        kept = {*rows, *self._support.most(4 * CANDIDATES, least=0.0).tolist()}
        self._in_question = {
            row: question for row, question in self._in_question.items() if row in kept
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scored:
    question: InQuestion
    passages: list[Aligned]
    worth: float
    unlimited: float
