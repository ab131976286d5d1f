"""Who may call for many: lawful representatives, and the institution's own voices on a line.

The customers of one representative count as one household, and calls from a representative's number count for nobody,
so neither makes a voice suspicious. The institution's own collectors and recorded prompts are known by their
voiceprints and are left out altogether. Every entry says why it was made, by whom, and when it ends.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.errors import InvalidRecord
from shengdun.index.identifiers import check_record_id, check_text
from shengdun.index.posterior import open_set_posterior
from shengdun.index.voices.columns import text_hash
from shengdun.index.voices.errors import AllowEntryNotFound
from shengdun.index.voices.evidence import VoiceEvidence, Voices

MOST_CUSTOMERS: Final = 10_000
"""Of one representative."""
_OWN_SHARE: Final = 0.01
"""Of calls, before they are heard, that are by a voice of the institution's own."""


_ENDLESS: Final = 500.0
"""An LLR beyond all doubt, whose exponential is a number still."""


class Relation(StrEnum):
    """What a representative is to the customers."""

    RELATIVE = "relative"
    GUARDIAN = "guardian"
    LAWYER = "lawyer"
    CONSUMER_BODY = "consumer_body"


class OwnKind(StrEnum):
    """What a voice of the institution's own is."""

    COLLECTOR = "collector"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Why an entry is there.

    Attributes:
        reason: in words.
        principal: who made it.
        at: when.
        until: when it ends; None if it doesn't by itself.
    """

    reason: str
    principal: str
    at: datetime
    until: datetime | None = None

    def __post_init__(self) -> None:
        check_text("reason", self.reason, longest=1000, empty=False)
        check_text("principal", self.principal, longest=256, empty=False)
        if self.at.utcoffset() is None or (self.until and self.until.utcoffset() is None):
            raise InvalidRecord(
                "The times of an allow-list entry need a time zone: give them in UTC."
            )
        if self.until is not None and self.until <= self.at:
            raise InvalidRecord("An allow-list entry must end after it begins.")

    def holds(self, at: datetime) -> bool:
        """Whether the entry counts at a time."""
        return self.until is None or at < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Representative:
    """Somebody who lawfully calls for customers.

    Attributes:
        entry_id: of the entry.
        relation: what they are to the customers.
        customers: keyed pseudonyms of those for whom they act.
        numbers: keyed pseudonyms of numbers from which they call.
        granted: why, by whom and for how long.
    """

    entry_id: str
    relation: Relation
    customers: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    granted: Granted
    customer_hashes: frozenset[int] = field(init=False, repr=False, compare=False)
    """64 bits of each customer's pseudonym."""
    number_hashes: frozenset[int] = field(init=False, repr=False, compare=False)
    """64 bits of each number's."""

    def __post_init__(self) -> None:
        check_record_id("Entry id", self.entry_id)
        if not self.customers and not self.numbers:
            raise InvalidRecord(
                "Say for which customers a representative acts, or from which numbers."
            )
        if len(self.customers) + len(self.numbers) > MOST_CUSTOMERS:
            raise InvalidRecord(
                f"A representative has at most {MOST_CUSTOMERS:,} customers and numbers."
            )
        for pseudonym in (*self.customers, *self.numbers):
            check_text("pseudonym", pseudonym, longest=256, empty=False)
        object.__setattr__(self, "customer_hashes", frozenset(map(text_hash, self.customers)))
        object.__setattr__(self, "number_hashes", frozenset(map(text_hash, self.numbers)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnVoice:
    """A voice of the institution's own.

    Attributes:
        entry_id: of the entry.
        kind: what it is.
        model_id: the voice model of the voiceprint.
        voiceprint: (d,) float32 of unit length as the voice model gives it.
        net_speech_s: behind it, in seconds, above 0.
        granted: why, by whom and for how long.
    """

    entry_id: str
    kind: OwnKind
    model_id: str
    voiceprint: NDArray[np.float32] = field(repr=False)
    net_speech_s: float
    granted: Granted

    def __post_init__(self) -> None:
        check_record_id("Entry id", self.entry_id)
        if self.voiceprint.ndim != 1 or not np.isclose(
            np.linalg.norm(self.voiceprint), 1.0, atol=1e-3
        ):
            raise InvalidRecord("The voiceprint of an own voice must be a vector of unit length.")
        if not self.net_speech_s > 0.0:
            raise InvalidRecord("The net speech behind an own voice must be above 0 seconds.")


Entry = Representative | OwnVoice


class AllowList:
    """All entries. Immutable: ``with_entry`` and ``without`` give another one.

    Args:
        entries: with ids that differ.

    Raises:
        InvalidRecord: two have the same id.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        listed = tuple(entries)
        self._entries = {entry.entry_id: entry for entry in listed}
        if len(self._entries) != len(listed):
            raise InvalidRecord("Two allow-list entries have the same id.")
        self._heard: tuple[VoiceEvidence, Voices] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def with_entry(self, entry: Entry) -> "AllowList":
        """This list with one more; one of the same id is replaced."""
        return AllowList((self._entries | {entry.entry_id: entry}).values())

    def without(self, entry_id: str) -> "AllowList":
        """This list without an entry.

        Raises:
            AllowEntryNotFound: there is none of this id.
        """
        if entry_id not in self._entries:
            raise AllowEntryNotFound.of(entry_id)
        return AllowList(e for i, e in self._entries.items() if i != entry_id)

    def expire(self, at: datetime) -> "AllowList":
        """This list without the entries that don't hold any more."""
        return AllowList(entry for entry in self if entry.granted.holds(at))

    @property
    def own_voices(self) -> tuple[OwnVoice, ...]:
        """The institution's own, also those that have ended."""
        return tuple(entry for entry in self if isinstance(entry, OwnVoice))

    def represented(
        self, at: datetime, among: Iterable[int] | None = None
    ) -> tuple[frozenset[int], ...]:
        """For each representative, 64 bits of each customer's pseudonym.

        Args:
            at: entries that have ended by then are left out.
            among: only those who represent any of these; None for all.
        """
        asked = None if among is None else frozenset(among)
        return tuple(
            each.customer_hashes
            for each in self._representatives(at)
            if asked is None or not asked.isdisjoint(each.customer_hashes)
        )

    def numbers(self, at: datetime, among: Iterable[int] | None = None) -> frozenset[int]:
        """64 bits of the pseudonym of each number from which a representative calls.

        Args:
            at: entries that have ended by then are left out.
            among: only numbers of these; None for all.
        """
        asked = None if among is None else frozenset(among)
        of_each = (each.number_hashes for each in self._representatives(at))
        return frozenset().union(
            *(numbers if asked is None else numbers & asked for numbers in of_each)
        )

    def is_own(self, caller: Voices, evidence: VoiceEvidence, at: datetime) -> bool:
        """Whether a caller, one voice, is more likely one of the institution's own than not."""
        able = [entry for entry in self.own_voices if entry.model_id == evidence.model_id]
        holds = np.array([entry.granted.holds(at) for entry in able], dtype=np.bool_)
        if not holds.any():
            return False
        llrs = evidence.llrs(caller, self._own(able, evidence).take(np.flatnonzero(holds)))
        posterior = open_set_posterior(llrs, prior_on_list=_OWN_SHARE, actors=len(llrs))
        return posterior.on_list > 0.5

    def are_own(
        self, calls: Voices, evidence: VoiceEvidence, at: Sequence[datetime]
    ) -> NDArray[np.bool_]:
        """(n,) for each of n calls what ``is_own`` says at its time; many at once take far less time."""
        able = [entry for entry in self.own_voices if entry.model_id == evidence.model_id]
        if not able or not len(calls):
            return np.zeros(len(calls), np.bool_)
        holds = np.array([[entry.granted.holds(one) for one in at] for entry in able])
        voices = self._own(able, evidence)
        llrs = np.stack(
            [evidence.llrs(voices.take(np.array([row])), calls) for row in range(len(able))]
        )
        likelihoods = np.where(holds, np.exp(np.minimum(llrs, _ENDLESS)), 0.0)
        shared = _OWN_SHARE / np.maximum(holds.sum(axis=0), 1)
        own: NDArray[np.bool_] = likelihoods.sum(axis=0) * shared > 1.0 - _OWN_SHARE
        return own

    def _own(self, able: Sequence[OwnVoice], evidence: VoiceEvidence) -> Voices:
        """Own voices as they are compared: once for as long as the same evidence is asked."""
        heard = self._heard
        if heard is None or heard[0] is not evidence:
            heard = self._heard = evidence, _voices(able, evidence)
        return heard[1]

    def _representatives(self, at: datetime) -> Iterator[Representative]:
        for entry in self:
            if isinstance(entry, Representative) and entry.granted.holds(at):
                yield entry


def _voices(own: Sequence[OwnVoice], evidence: VoiceEvidence) -> Voices:
    return evidence.heard(
        np.stack([entry.voiceprint for entry in own]),
        net_speech_s=np.array([entry.net_speech_s for entry in own]),
        snr_db=np.full(len(own), np.nan),
    )
