"""Putting calls together into voices: the likeliest pair first, each time with the joined voiceprint.

Whether two groups are one voice is a question of odds: those before anything was heard, times what the voiceprints say.
Before, a call is for another customer by one particular voice of n calls with probability ``repeating n / N`` in a
window of N calls, as in the Chinese restaurant process (Pitman, Combinatorial Stochastic Processes, 2006, section
3.1). So chance has to be overcome that grows with the window, and less of it the more calls a voice is known by. Two
calls for one customer are by one voice more often than not.

What comes out depends on the calls and not on the order in which they came, as ties are broken by the calls' keys.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shengdun.index.voices.evidence import Floats64, VoiceEvidence, Voices
from shengdun.index.voices.policy import VoicePolicy, log_odds

_MOST_REPEATING: Final = 0.5
"""What a window has shown counts up to this share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """Log odds of one voice before it is heard, in a window.

    Attributes:
        policy: what is taken for granted.
        window: calls in it.
        of_many: how many of these are by voices that have called for several customers, as far as is known.
    """

    policy: VoicePolicy
    window: int
    of_many: int = 0

    @property
    def repeating(self) -> float:
        """Share of calls whose caller has called for another customer: the policy's, or what the window has shown."""
        shown = self.of_many / max(self.window, self.policy.least_window)
        return max(self.policy.repeating, min(shown, _MOST_REPEATING))

    def of_strangers(self, calls: int) -> float:
        """That a call for another customer is by a voice of so many calls; natural log odds."""
        window = max(self.window, self.policy.least_window, calls + 1)
        return log_odds(self.repeating * calls / window)

    def of(self, calls: int, *, same_customer: bool) -> float:
        """That a call is by a voice of so many calls; natural log odds."""
        strangers = self.of_strangers(calls)
        return max(strangers, log_odds(self.policy.same_customer)) if same_customer else strangers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Atoms:
    """n groups of calls that are not taken apart.

    Attributes:
        voices: the n groups.
        customers: 64 bits of each customer that each group has called for.
    """

    voices: Voices
    customers: Sequence[frozenset[int]]


def agglomerate(atoms: Atoms, evidence: VoiceEvidence, odds: Odds) -> list[list[int]]:
    """Which atoms are one voice: rows of the atoms, ascending, groups by their first atom.

    Takes of the order of n² comparisons for n atoms; ties go to the atoms that come first.
    """
    return _Agglomeration(atoms, evidence, odds).run()


class _Agglomeration:
    """One run."""

    def __init__(self, atoms: Atoms, evidence: VoiceEvidence, odds: Odds) -> None:
        self._evidence = evidence
        self._odds = odds
        self._voices = list(_each(atoms.voices))
        self._customers = list(atoms.customers)
        self._groups = [[row] for row in range(len(atoms.voices))]
        self._table = np.full((len(self._groups),) * 2, -np.inf)
        for row in range(1, len(self._groups)):
            self._compare(row, range(row))

    def run(self) -> list[list[int]]:
        """Join until nothing is likely enough."""
        least = self._odds.policy.join_log_odds
        while len(self._groups) > 1:
            best = int(np.argmax(self._table))
            left, right = sorted(divmod(best, len(self._table)))
            if not self._table[left, right] >= least:
                break
            self._join(left, right)
        return sorted(sorted(rows) for rows in self._groups if rows)

    def _join(self, left: int, right: int) -> None:
        self._voices[left] = Voices.concatenate([self._voices[left], self._voices[right]]).joined()
        self._customers[left] |= self._customers[right]
        self._groups[left] = self._groups[left] + self._groups[right]
        self._groups[right] = []
        self._table[right, :] = self._table[:, right] = -np.inf
        others = [row for row, rows in enumerate(self._groups) if rows and row != left]
        self._compare(left, others)

    def _compare(self, row: int, others: Sequence[int]) -> None:
        if not others:
            return
        joined = Voices.concatenate([self._voices[other] for other in others])
        llrs: Floats64 = self._evidence.llrs(self._voices[row], joined)
        for other, llr in zip(others, llrs.tolist(), strict=True):
            prior = self._odds.of(
                max(int(self._voices[row].calls[0]), int(self._voices[other].calls[0])),
                same_customer=not self._customers[row].isdisjoint(self._customers[other]),
            )
            self._table[row, other] = self._table[other, row] = llr + prior


def _each(voices: Voices) -> Sequence[Voices]:
    return [voices.take(np.array([row])) for row in range(len(voices))]


def probability(log_odds_of_it: float) -> float:
    """The probability of natural log odds."""
    if log_odds_of_it < 0.0:
        ratio = math.exp(log_odds_of_it)
        return ratio / (1.0 + ratio)
    return 1.0 / (1.0 + math.exp(-log_odds_of_it))
