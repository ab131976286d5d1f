"""Hearing words as they arrive: the scripts that a transcript may be following, after each segment.

What is known of a text is a function of the text alone, however it was cut. Its end is read anew with each segment, as
far back as a later word can change how it reads (``REACH``). Where it reads as before, what was found in it is kept;
before that it is settled. So the work of a segment depends on the segment, and on how many scripts are in question.
"""

import copy
from dataclasses import dataclass
from math import inf
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
from shengdun.index.scripts.question import HeldScript, InQuestion
from shengdun.index.scripts.support import Support
from shengdun.index.scripts.words import Words, agreement

CANDIDATES: Final = 8
"""Scripts whose passages are aligned: those that most speaks for."""
LEAST_EVIDENCE: Final = 5.0
"""What a script's passages must be worth together to be told: five syllables are a turn of phrase."""
_LEAST_SUPPORT: Final = 1.0
_LEAST_RARITY: Final = 0.3
"""Commoner wording proposes nothing."""


class Known(Protocol):
    """The scripts that there are.

    Attributes:
        background: how common wording is.
        coefficients: the map to likelihood ratios.
        version: another whenever scripts came or went.
    """

    background: Background
    coefficients: ScriptCoefficients
    version: int

    def __len__(self) -> int:
        """How many there are."""

    def propose(self, probes: NDArray[np.uint64]) -> Found:
        """The scripts that share each probe."""

    def held(self, row: int) -> HeldScript | None:
        """The script of a row; None if it was removed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Step:
    """How far a text was looked up.

    Attributes:
        place: runs that begin before it were.
        reads: the syllables that they are of, from the beginning.
        support: what they speak for.
    """

    place: int
    reads: int
    support: Support


class ScriptListener:
    """Hears one text. Not safe to share between threads.

    Args:
        known: the scripts.
        limit: how many are told at most.
        above: only scripts with a greater LLR are told; the passages of others needn't be looked up.
        words: the text, if others read it too; they may have heard some of it already.
    """

    def __init__(
        self,
        known: Known,
        *,
        limit: int = 10,
        above: float = -inf,
        words: Words | None = None,
    ) -> None:
        self._known = known
        self._limit = limit
        self._above = above
        self._words = words or Words()
        self._steps: tuple[_Step, ...] = (_Step(place=0, reads=0, support=Support()),)
        self._seen = np.zeros(0, np.uint16)
        self._settled = 0
        self._version = known.version
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
        support = self._supported()
        rows = support.most(CANDIDATES, least=_LEAST_SUPPORT).tolist()
        found = [each for row in rows if (each := self._looked_at(row)) is not None]
        self._let_go(support)
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
        """Support by everything heard."""
        words, version = self._words, self._known.version
        same = agreement(self._seen, words.syllables, self._settled)
        if version != self._version:
            # What isn't settled is looked up again, so that a new script is found in words that were just said.
            same = self._settled
        steps = [step for step in self._steps if step.reads <= same]
        if len(words.syllables) - PROBE + 1 > steps[-1].place:
            steps.append(self._after(steps[-1]))
        settled = [number for number, step in enumerate(steps) if step.reads <= words.settled]
        self._steps = tuple(steps[settled[-1] :])
        self._seen, self._settled, self._version = words.syllables, words.settled, version
        return steps[-1].support

    def _after(self, step: _Step) -> _Step:
        """All words looked up, those before a step as it says."""
        fresh = self._words.syllables[step.place :]
        places, probes = probes_of(fresh)
        weights = self._weights(fresh, places)
        tells = weights >= _LEAST_RARITY
        found = self._known.propose(probes[tells])
        return _Step(
            place=step.place + len(fresh) - PROBE + 1,
            reads=step.place + len(fresh),
            support=step.support.with_more(found, weights[tells]),
        )

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
        held = self._known.held(row)
        if held is None:
            return None
        script = held.script
        question = self._in_question.get(row)
        if question is None or question.script is not script:
            question = self._in_question[row] = InQuestion(held)
        question.read(self._words)
        coefficients, among = self._known.coefficients, len(self._known)
        lengths = len(self._words.syllables), len(script.syllables)
        least = max(coefficients.needed(self._above, *lengths, among=among), LEAST_EVIDENCE)
        passages = question.aligned(self._words, self._known.background, least=least)
        worth = sum(each.worth for each in passages)
        unlimited = coefficients.unlimited(worth, *lengths, among=among)
        if worth < LEAST_EVIDENCE or coefficients.limited(unlimited) <= self._above:
            return None
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

    def _let_go(self, support: Support) -> None:
        """Of scripts that hardly anything speaks for any more."""
        kept = set(support.most(4 * CANDIDATES, least=0.0).tolist())
        self._in_question = {
            row: question for row, question in self._in_question.items() if row in kept
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scored:
    question: InQuestion
    passages: list[Aligned]
    worth: float
    unlimited: float
