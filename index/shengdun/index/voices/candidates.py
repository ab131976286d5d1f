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
    """n voices that a caller could be: clusters first, then lone calls.

    Attributes:
        group_ids: of the clusters.
        groups: the calls of each cluster.
        lone: calls that are each on their own.
        voices: each as one voice.
    """

    group_ids: tuple[str, ...]
    groups: tuple[CallColumns, ...]
    lone: CallColumns
    voices: Voices

    def __len__(self) -> int:
        return len(self.groups) + len(self.lone)

    def group_id(self, place: int) -> str:
        """The cluster of one of them; empty for a lone call."""
        return self.group_ids[place] if place < len(self.groups) else ""

    def rows(self, place: int) -> CallColumns:
        """The calls of one of them."""
        if place < len(self.groups):
            return self.groups[place]
        return self.lone.take(np.array([place - len(self.groups)]))

    def keys(self, place: int) -> Keys:
        """The keys of the calls of one of them, first one first."""
        return in_order(self.rows(place))

    def log_odds(self, one: Voices, customer: int, evidence: VoiceEvidence, odds: Odds) -> Floats64:
        """(n,) that the caller is each of them, on its own."""
        same = [bool(customer) and customer in rows.customers for rows in self.groups]
        priors = [
            odds.of(len(rows), same_customer=shared)
            for rows, shared in zip(self.groups, same, strict=True)
        ]
        alone = np.where(
            (self.lone.customers == customer) & bool(customer),
            odds.of(1, same_customer=True),
            odds.of(1, same_customer=False),
        )
        prior: Floats64 = np.concatenate([np.array(priors, np.float64), alone])
        return evidence.llrs(one, self.voices) + prior


class ManyCustomers:
    """The joined voiceprints of voices that call for several customers, to be compared with all at once.

    Those that lie in the caller's direction are found by one matrix product, and judged by their evidence.
    """

    def __init__(self, evidence: VoiceEvidence) -> None:
        self._evidence = evidence
        self._voices: dict[str, Voices] = {}
        self._directions: dict[str, NDArray[np.float32]] = {}
        self._stacked: tuple[tuple[str, ...], NDArray[np.float32]] | None = None
        self._calls = 0

    @property
    def calls(self) -> int:
        """How many calls they have together."""
        return self._calls

    def ids(self) -> tuple[str, ...]:
        """Their clusters."""
        return tuple(self._voices)

    def voice(self, group_id: str) -> Voices:
        """One of them, as it is compared."""
        return self._voices[group_id]

    def put(self, group_id: str, voice: Voices) -> None:
        """Keep one, in place of what was kept of it."""
        self.drop(group_id)
        self._calls += int(voice.calls[0])
        self._voices[group_id] = voice
        self._directions[group_id] = self._evidence.direction(voice)
        self._stacked = None

    def drop(self, group_id: str) -> None:
        """Keep one no more."""
        known = self._voices.pop(group_id, None)
        if known is not None:
            self._calls -= int(known.calls[0])
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


def in_order(rows: CallColumns) -> Keys:
    """The keys of calls, first one first."""
    return tuple(rows.id_hashes[np.lexsort((rows.id_hashes, rows.started_us))].tolist())
