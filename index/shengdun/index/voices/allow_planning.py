"""Planning changes of the allow-list: from the current snapshot and what is asked for to records and their entry."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from shengdun.index.errors import InvalidRecord
from shengdun.index.journal import Draft
from shengdun.index.records import RecordCodec, allow_record
from shengdun.index.snapshot import Snapshot
from shengdun.index.voices.allow_holdings import encode_entry
from shengdun.index.voices.allowed import Entry, OwnVoice, Representative
from shengdun.index.voices.errors import AllowEntryExists, AllowListFull

MOST_ENTRIES: Final = 2000
MOST_OWN_VOICES: Final = 500
"""Each is compared with every caller."""
MOST_NAMED: Final = 200_000
"""Customers and numbers of all entries: 30 MB in every process."""
_SAME_COSINE: Final = 0.9999
"""Of one recording with itself, read back from the store."""


class AllowPlanner:
    """Plans changes of the allow-list; every method takes the snapshot that the change is to apply to."""

    def __init__(self, codec: RecordCodec) -> None:
        self._codec = codec

    def add(self, snapshot: Snapshot, entry: Entry, principal: str) -> Draft:
        """Raises ``InvalidRecord``, ``AllowEntryExists``, ``AllowListFull``."""
        if not entry.granted.holds(datetime.now(UTC)):
            raise InvalidRecord(
                "The end of the entry lies in the past: it would never count. Give a later one."
            )
        known = tuple(snapshot.allowed.entries)
        _check_new(entry, known)
        _check_room(entry, known)
        return self._draft("allow.added", [entry], principal)

    def remove(self, snapshot: Snapshot, entry_id: str, *, reason: str, principal: str) -> Draft:
        """Raises ``AllowEntryNotFound``."""
        record = allow_record(snapshot.allowed.entry(entry_id).entry_id)
        return Draft(
            kind="allow.removed",
            principal=principal,
            subjects=(record,),
            deletions=(record,),
            note=reason,
        )

    def forget_customer(self, snapshot: Snapshot, pseudonym: str, principal: str) -> Draft:
        """Take a customer out of all entries; those that name nobody else are removed."""
        kept: list[Entry] = []
        emptied: list[str] = []
        for entry in snapshot.allowed.of_customer(pseudonym):
            customers = entry.customers - {pseudonym}
            if customers or entry.numbers:
                kept.append(replace(entry, customers=customers))
            else:
                emptied.append(allow_record(entry.entry_id))
        draft = self._draft("allow.customer_forgotten", kept, principal)
        return replace(draft, subjects=(*draft.subjects, *emptied), deletions=tuple(emptied))

    def reseal(self, entry_id: str, principal: str, snapshot: Snapshot) -> Draft:
        """Seal an entry again under a new data key, wrapped by the active master key. Raises ``AllowEntryNotFound``."""
        return self._draft("allow.resealed", [snapshot.allowed.entry(entry_id)], principal)

    def _draft(self, kind: str, entries: Iterable[Entry], principal: str) -> Draft:
        writes = {}
        for entry in entries:
            record = allow_record(entry.entry_id)
            # A key of its own each time: what was sealed before can't be read any more once its record is replaced.
            data_key = self._codec.new_data_key(record)
            writes[record] = encode_entry(entry, data_key, self._codec)
        return Draft(kind=kind, principal=principal, subjects=tuple(writes), writes=writes)


def _check_new(entry: Entry, known: Iterable[Entry]) -> None:
    for other in known:
        if other.entry_id == entry.entry_id:
            raise AllowEntryExists(
                f"The allow-list has an entry '{entry.entry_id}' already: remove it first, or choose another id."
            )
        if other.granted.holds(entry.granted.at) and _say_the_same(entry, other):
            raise AllowEntryExists(
                f"Entry '{other.entry_id}' of the allow-list says the same; remove it first to give another reason or "
                f"end."
            )


def _say_the_same(one: Entry, other: Entry) -> bool:
    if isinstance(one, Representative) and isinstance(other, Representative):
        return (one.relation, one.customers, one.numbers) == (
            other.relation,
            other.customers,
            other.numbers,
        )
    if isinstance(one, OwnVoice) and isinstance(other, OwnVoice):
        alike = one.model_id == other.model_id and one.kind is other.kind
        return alike and float(np.dot(one.voiceprint, other.voiceprint)) > _SAME_COSINE
    return False


def _check_room(entry: Entry, known: tuple[Entry, ...]) -> None:
    if len(known) >= MOST_ENTRIES:
        raise AllowListFull(
            f"The allow-list has {MOST_ENTRIES:,} entries, which is the most: remove some that are needed no more."
        )
    own = sum(isinstance(each, OwnVoice) for each in known)
    if isinstance(entry, OwnVoice) and own >= MOST_OWN_VOICES:
        raise AllowListFull(
            f"The allow-list has {MOST_OWN_VOICES} voices of the institution's own, which is the most: remove some."
        )
    named = sum(_named(each) for each in (*known, entry))
    if named > MOST_NAMED:
        raise AllowListFull(
            f"All entries together would name {named:,} customers and numbers, and {MOST_NAMED:,} are the most: remove "
            f"entries that are needed no more."
        )


def _named(entry: Entry) -> int:
    return len(entry.customers) + len(entry.numbers) if isinstance(entry, Representative) else 0
