"""Reading records that journal entries name, at start and while following, and checking them against the journal.

A start from a checkpoint knows the digest of every record as of an entry, and so reads and checks all records without
the journal up to there. That part of the journal it verifies afterwards (``verify_history``).

Entries and records are read one after the other while others go on writing, so a record may be newer than the entries
that were read. Then there are newer entries, too: they are read, and the records they name are fetched again. What
still contradicts the journal when there is nothing newer was altered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from shengdun.index.errors import StoreTampered, StoreUnavailable
from shengdun.index.journal import RECORD_PREFIX, START, Head, Journal, JournalEntry
from shengdun.index.record_digests import NOTHING, RecordDigests
from shengdun.index.snapshot import Snapshot, records_gone
from shengdun.index.store import Store

_ATTEMPTS: Final = 50
_HISTORY_PAGE: Final = 250
_RECORDS_AT_ONCE: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some journal entries and what they left in the records they name; None for deleted."""

    entries: tuple[JournalEntry, ...]
    records: Mapping[str, bytes | None]


async def read_all(store: Store, journal: Journal, anchored: Head) -> Batch:
    """Read the whole journal and every record, and verify all of it.

    Args:
        store: where they are.
        journal: over that store.
        anchored: an entry that must be there.

    Raises:
        StoreTampered: names the first entry or key that is missing, altered, or unknown to the journal.
        KeyWrong: the journal was written with other keys.
    """
    await journal.check_contains(anchored)
    entries = await _read_to_end(journal, START)
    for _ in range(_ATTEMPTS):
        batch, problem = await _read_records(store, entries, NOTHING)
        strangers = await store.scan(RECORD_PREFIX) - {
            RECORD_PREFIX + name for name, stored in batch.records.items() if stored is not None
        }
        if strangers and problem is None:
            stranger = min(strangers).removeprefix(RECORD_PREFIX)
            problem = StoreTampered.of(f"key {stranger}", "is unknown to the journal")
        newer = await _read_to_end(journal, _head(entries))
        if not newer and problem is None:
            return batch
        if not newer and problem is not None:
            raise problem
        entries += newer
    raise _too_busy()


async def read_since(
    store: Store, journal: Journal, anchored: Head, head: Head, digests: RecordDigests
) -> Batch:
    """Read the journal behind an entry, and every record, and verify these.

    Args:
        store: where they are.
        journal: over that store.
        anchored: an entry that must be there.
        head: an entry that must be there.
        digests: of every record as of ``head``.

    Returns:
        The entries behind ``head``, and all records: also those that no such entry names.

    Raises:
        StoreTampered: names the first entry or key that is missing or altered.
    """
    await journal.check_contains(anchored)
    await journal.check_contains(head)
    entries = await _read_to_end(journal, head)
    return await _read_until_settled(store, journal, entries, digests, head)


async def read_batch(store: Store, journal: Journal, entries: Sequence[JournalEntry]) -> Batch:
    """Read the records that some entries (at least one) name, and newer entries as far as that needs them.

    Raises:
        StoreTampered: names the first record that contradicts the journal.
    """
    return await _read_until_settled(store, journal, entries, NOTHING, _head(entries))


async def verify_history(journal: Journal, head: Head, digests: RecordDigests) -> None:
    """Verify the journal up to an entry, and that it leads to these records; a page at a time, beside other work.

    Args:
        journal: what is to be verified.
        head: the entry.
        digests: of every record as of ``head``.

    Raises:
        StoreTampered: names the first entry that is missing or altered.
        KeyWrong: the journal was begun with other keys.
    """
    reached = _Reached(digests)
    last = START
    while last.sequence < head.sequence:
        limit = min(_HISTORY_PAGE, head.sequence - last.sequence)
        rows = await journal.read_raw(last, limit=limit)
        entries = await asyncio.to_thread(journal.verify, last, rows)
        if not entries:
            raise StoreTampered.of(f"journal entry {last.sequence + 1}", "is missing")
        for entry in entries:
            reached.take(entry.digests)
        last = entries[-1].head
    if last != head or not reached.is_all:
        raise StoreTampered.of(f"journal entry {last.sequence}", "leads to other records")


class _Reached:
    """Which records a journal has led to so far: those of a checkpoint, or others.

    Args:
        digests: of the checkpoint's records.
    """

    def __init__(self, digests: RecordDigests) -> None:
        self._digests = digests
        self._is_there = bytearray(len(digests))
        self._others: dict[str, str] = {}

    def take(self, changed: Mapping[str, str | None]) -> None:
        """Go on by what an entry did: digests (hex) of what it wrote, None for what it deleted, by name."""
        for name, digest in changed.items():
            place = self._digests.place(name)
            if place is not None:
                self._is_there[place] = digest == self._digests.at(place)
            elif digest is None:
                self._others.pop(name, None)
            else:
                self._others[name] = digest

    @property
    def is_all(self) -> bool:
        """Whether it has led to the very records of the checkpoint, and to no others."""
        return all(self._is_there) and not self._others


async def find_strangers(store: Store, known: Callable[[], Awaitable[Snapshot]]) -> None:
    """Verify that the store has no records but those that the journal knows.

    Args:
        store: where they are.
        known: gives a snapshot with all that is in the journal at some moment after it is called.

    Raises:
        StoreTampered: names the first one that is unknown.
    """
    before = await known()
    # One by one, and only the unknown ones are kept: the names of all take 25 MB.
    found = [
        name async for name in store.names(RECORD_PREFIX) if not before.has_record(_bare(name))
    ]
    after = await known()
    strangers = {_bare(name) for name in found if not after.has_record(_bare(name))}
    # What was erased meanwhile was known when it was looked at, and must be gone now.
    strangers.update(records_gone(before, after))
    for stranger in sorted(strangers):
        if await store.get(store.key(RECORD_PREFIX + stranger)) is not None:
            raise StoreTampered.of(f"key {stranger}", "is unknown to the journal")


def _bare(name: str) -> str:
    return name.removeprefix(RECORD_PREFIX)


async def _read_until_settled(
    store: Store,
    journal: Journal,
    entries: Sequence[JournalEntry],
    digests: RecordDigests,
    head: Head,
) -> Batch:
    collected = list(entries)
    for _ in range(_ATTEMPTS):
        batch, problem = await _read_records(store, collected, digests)
        if problem is None:
            return batch
        newer = await _read_to_end(journal, collected[-1].head if collected else head)
        if not newer:
            raise problem
        collected += newer
    raise _too_busy()


async def _read_to_end(journal: Journal, head: Head) -> list[JournalEntry]:
    entries: list[JournalEntry] = []
    while page := await journal.read(head):
        entries += page
        head = page[-1].head
    return entries


async def _read_records(
    store: Store, entries: Sequence[JournalEntry], before: RecordDigests
) -> tuple[Batch, StoreTampered | None]:
    changed: dict[str, str | None] = {}
    for entry in entries:
        changed |= entry.digests
    records, problem = await _read_unchanged(store, before, changed)
    names = [name for name, digest in changed.items() if digest is not None]
    stored = dict(zip(names, await _values(store, names), strict=True))
    problem = problem or await asyncio.to_thread(_first_problem, stored, changed)
    records |= {name: stored.get(name) for name in changed}
    return Batch(entries=tuple(entries), records=records), problem


async def _read_unchanged(
    store: Store, before: RecordDigests, changed: Mapping[str, str | None]
) -> tuple[dict[str, bytes | None], StoreTampered | None]:
    """Read the records of a checkpoint but for those that have changed since, and the first problem with them."""
    records: dict[str, bytes | None] = {}
    problem: StoreTampered | None = None
    names = [*before.names_of_others, *before.names_of_actors, *before.names_of_voiceprints]
    for start in range(0, len(names), _RECORDS_AT_ONCE):
        some = names[start : start + _RECORDS_AT_ONCE]
        values = await _values(store, some)
        records.update(zip(some, values, strict=True))
        if not await asyncio.to_thread(before.are_of, start, values):
            expected = {
                name: before.at(place)
                for place, name in enumerate(some, start)
                if name not in changed
            }
            stored = {name: records[name] for name in expected}
            problem = problem or _first_problem(stored, expected)
    return records, problem


async def _values(store: Store, names: Sequence[str]) -> list[bytes | None]:
    prefix = store.key(RECORD_PREFIX)
    return await store.get_many([prefix + name for name in names])


def _first_problem(
    stored: Mapping[str, bytes | None], digests: Mapping[str, str | None]
) -> StoreTampered | None:
    for name, value in stored.items():
        if value is None:
            return StoreTampered.of(f"key {name}", "is missing")
        if sha256(value).hexdigest() != digests[name]:
            return StoreTampered.of(f"key {name}", "was altered")
    return None


def _head(entries: Sequence[JournalEntry]) -> Head:
    return entries[-1].head if entries else START


def _too_busy() -> StoreUnavailable:
    return StoreUnavailable("The store is changed faster than it can be read; try again.")
