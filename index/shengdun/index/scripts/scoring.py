"""What the passages that a text shares with a script are worth, and which scripts are told because of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from shengdun.index.scripts.alignment import Aligned
from shengdun.index.scripts.background import Background
from shengdun.index.scripts.evidence import ScriptCoefficients
from shengdun.index.scripts.matches import ScriptMatch
from shengdun.index.scripts.postings import Found
from shengdun.index.scripts.question import Common, HeldScript, Script
from shengdun.index.scripts.words import Words

CANDIDATES: Final = 8
"""Scripts whose passages are aligned: those that most speaks for."""
LEAST_EVIDENCE: Final = 5.0
"""What a script's passages must be worth together to be told: five syllables are a turn of phrase."""
LEAST_SUPPORT: Final = 1.0
"""What must speak for a script before its passages are aligned."""


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
class Scored:
    """A script that a text may use.

    Attributes:
        common: the script, and where the two agree.
        passages: by place in the text.
        worth: what they are worth together.
        unlimited: the LLR that they would make if the data could vouch for any.
    """

    common: Common
    passages: list[Aligned]
    worth: float
    unlimited: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scoring:
    """How scripts fare that a text is compared with.

    Attributes:
        known: the scripts.
        above: only those with a greater LLR are told.
    """

    known: Known
    above: float

    def needed(self, words: Words, script: Script) -> float:
        """What the passages of a script need to be worth together for it to be told."""
        lengths = len(words.syllables), len(script.syllables)
        needed = self.known.coefficients.needed(self.above, *lengths, among=len(self.known))
        return max(needed, LEAST_EVIDENCE)

    def scored(self, common: Common, passages: list[Aligned], words: Words) -> Scored | None:
        """How a script with these passages fares; None if it is not told."""
        coefficients, script = self.known.coefficients, common.held.script
        worth = coefficients.together([each.worth for each in passages])
        lengths = len(words.syllables), len(script.syllables)
        unlimited = coefficients.unlimited(worth, *lengths, among=len(self.known))
        if worth < LEAST_EVIDENCE or coefficients.limited(unlimited) <= self.above:
            return None
        return Scored(common=common, passages=passages, worth=worth, unlimited=unlimited)

    def told(self, scored: Iterable[Scored], words: Words, limit: int) -> list[ScriptMatch]:
        """The likeliest, so many at most."""
        order = sorted(
            scored, key=lambda each: (-each.unlimited, each.common.held.script.script_id)
        )
        return [self._match(each, words) for each in order[:limit]]

    def _match(self, scored: Scored, words: Words) -> ScriptMatch:
        script = scored.common.held.script
        in_script = sum(each.script_end - each.script_start for each in scored.passages)
        in_text = sum(each.text_end - each.text_start for each in scored.passages)
        return ScriptMatch(
            script_id=script.script_id,
            llr=self.known.coefficients.limited(scored.unlimited),
            worth=scored.worth,
            script_share=min(in_script / len(script.syllables), 1.0),
            text_share=min(in_text / len(words.syllables), 1.0),
            passages=tuple(scored.common.passage(each, words) for each in scored.passages),
        )
