"""The voices that a caller could be."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.voices.columns import CallColumns
from shengdun.index.voices.evidence import Floats64, VoiceEvidence, Voices
from shengdun.index.voices.grouping import Odds
from shengdun.index.voices.partition import Keys

SLACK: Final = 6.0
"""Natural log odds by which a voice may fall short of being the caller's, and is still looked at: others may speak for
it."""
_PROPOSED: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """n voices that a caller could be.

    Attributes:
        group_ids: of each; empty for lone calls.
        keys: the calls of each.
        rows: the same as columns.
        voices: each as one voice.
    """

    group_ids: tuple[str, ...]
    keys: tuple[Keys, ...]
    rows: tuple[CallColumns, ...]
    voices: Voices

    def __len__(self) -> int:
        return len(self.group_ids)

    def log_odds(self, one: Voices, customer: int, evidence: VoiceEvidence, odds: Odds) -> Floats64:
        """(n,) that the caller is each of them, on its own."""
        llrs = evidence.llrs(one, self.voices)
        priors = [
            odds.of(len(k), same_customer=bool(customer) and customer in rows.customers)
            for k, rows in zip(self.keys, self.rows, strict=True)
        ]
        return llrs + np.array(priors, np.float64)


class ManyCustomers:
    """The joined voiceprints of voices that call for several customers, to be compared with all at once.

    Those that lie in the caller's direction are found by one matrix product, and judged by their evidence.
    """

    def __init__(self, evidence: VoiceEvidence) -> None:
        self._evidence = evidence
        self._voices: dict[str, Voices] = {}
        self._directions: dict[str, NDArray[np.float32]] = {}
        self._stacked: tuple[tuple[str, ...], NDArray[np.float32]] | None = None

    def ids(self) -> tuple[str, ...]:
        """Their clusters."""
        return tuple(self._voices)

    def put(self, group_id: str, voice: Voices) -> None:
        """Keep one, in place of what was kept of it."""
        self._voices[group_id] = voice
        self._directions[group_id] = self._evidence.direction(voice)
        self._stacked = None

    def drop(self, group_id: str) -> None:
        """Keep one no more."""
        if self._voices.pop(group_id, None) is not None:
            del self._directions[group_id]
            self._stacked = None

    def near(self, one: Voices, odds: Odds) -> list[str]:
        """The voices that a caller could be, but for some slack."""
        if not self._voices:
            return []
        if self._stacked is None:
            known = tuple(sorted(self._voices))
            self._stacked = known, np.stack([self._directions[each] for each in known])
        ids, directions = self._stacked
        likeness = directions @ self._evidence.direction(one)
        count = min(_PROPOSED, len(ids))
        proposed = np.sort(np.argpartition(-likeness, count - 1)[:count])
        chosen = [ids[row] for row in proposed]
        voices = Voices.concatenate([self._voices[each] for each in chosen])
        priors = np.array([odds.of_strangers(int(calls)) for calls in voices.calls])
        able = self._evidence.llrs(one, voices) + priors >= odds.policy.join_log_odds - SLACK
        return [group_id for group_id, fits in zip(chosen, able, strict=True) if fits]
