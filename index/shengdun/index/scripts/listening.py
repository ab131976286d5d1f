"""Hearing words as they arrive: the scripts that a transcript may be following, after each segment.

What is known of a text is a function of the text alone, however it was cut. Its end is read anew with each segment, as
far back as a later word can change how it reads (``REACH``). Where it reads as before, what was found in it is kept;
before that it is settled. So the work of a segment depends on the segment, and on how many scripts are in question.
"""

import copy
from dataclasses import dataclass
from math import inf

import numpy as np

from shengdun.index.scripts.matches import ScriptMatch
from shengdun.index.scripts.probes import PROBE, telling_probes
from shengdun.index.scripts.question import Agreed, InQuestion
from shengdun.index.scripts.scoring import (
    CANDIDATES,
    LEAST_SUPPORT,
    Known,
    Scored,
    Scoring,
)
from shengdun.index.scripts.support import Support
from shengdun.index.scripts.words import Words, agreement


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
        self._scoring = Scoring(known=known, above=above)
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
        rows = support.most(CANDIDATES, least=LEAST_SUPPORT).tolist()
        agreed = Agreed(self._words)
        found = [each for row in rows if (each := self._looked_at(row, agreed)) is not None]
        self._let_go(support)
        return self._scoring.told(found, self._words, self._limit)

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
        rarity = self._known.background.of_seeds(self._words.seeds[step.place :])
        probes, weights = telling_probes(fresh, rarity)
        return _Step(
            place=step.place + len(fresh) - PROBE + 1,
            reads=step.place + len(fresh),
            support=step.support.with_more(self._known.propose(probes), weights),
        )

    def _looked_at(self, row: int, agreed: Agreed) -> Scored | None:
        """How a script that was proposed fares; None if it was removed, or shares too little."""
        held = self._known.held(row)
        if held is None:
            return None
        question = self._in_question.get(row)
        if question is None or question.script is not held.script:
            question = self._in_question[row] = InQuestion(held)
        question.read(self._words, agreed)
        least = self._scoring.needed(self._words, held.script)
        passages = question.aligned(self._words, self._known.background, least=least)
        return self._scoring.scored(question.common, passages, self._words)

    def _let_go(self, support: Support) -> None:
        """Of scripts that hardly anything speaks for any more."""
        kept = set(support.most(4 * CANDIDATES, least=0.0).tolist())
        self._in_question = {
            row: question for row, question in self._in_question.items() if row in kept
        }
