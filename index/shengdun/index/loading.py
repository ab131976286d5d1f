"""Reading records that journal entries name, at start and while following, and checking them against the journal.

A start from a checkpoint knows the digest of every record as of an entry, and so reads and checks all records without
the journal up to there. That part of the journal it verifies afterwards (``verify_history``).

Entries and records are read one after the other while others go on writing, so a record may be newer than the entries
that were read. Then there are newer entries, too: they are read, and the records they name are fetched again. What
still contradicts the journal when there is nothing newer was altered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from shengdun.index.errors import StoreTampered, StoreUnavailable
from shengdun.index.journal import RECORD_PREFIX, START, Head, Journal, JournalEntry
from shengdun.index.store import Store

_ATTEMPTS: Final = 50
_HISTORY_PAGE: Final = 250


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
        batch, problem = await _read_records(store, entries, {})
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
    store: Store, journal: Journal, anchored: Head, head: Head, digests: Mapping[str, str]
) -> Batch:
    """Read the journal behind an entry, and every record, and verify these.

    Args:
        store: where they are.
        journal: over that store.
        anchored: an entry that must be there.
        head: an entry that must be there.
        digests: SHA-256 (hex) of every record as of ``head``, by name.

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
    return await _read_until_settled(store, journal, entries, {}, _head(entries))


async def verify_history(journal: Journal, head: Head, digests: Mapping[str, str]) -> None:
    """Verify the journal up to an entry, and that it leads to these records; a page at a time, beside other work.

    Args:
        journal: what is to be verified.
        head: the entry.
        digests: SHA-256 (hex) of every record as of ``head``, by name.

    Raises:
        StoreTampered: names the first entry that is missing or altered.
        KeyWrong: the journal was begun with other keys.
    """
    found: dict[str, str | None] = {}
    last = START
    while last.sequence < head.sequence:
        limit = min(_HISTORY_PAGE, head.sequence - last.sequence)
        rows = await journal.read_raw(last, limit=limit)
        entries = await asyncio.to_thread(journal.verify, last, rows)
        if not entries:
            raise StoreTampered.of(f"journal entry {last.sequence + 1}", "is missing")
        for entry in entries:
            found |= entry.digests
        last = entries[-1].head
    left = {name: digest for name, digest in found.items() if digest is not None}
    if last != head or left != digests:
        raise StoreTampered.of(f"journal entry {last.sequence}", "leads to other records")


async def find_strangers(store: Store, known: Callable[[], Awaitable[Collection[str]]]) -> None:
    """Verify that the store has no records but those that the journal knows.

    Args:
        store: where they are.
        known: gives the names of all records at some moment after it is called.

    Raises:
        StoreTampered: names the first one that is unknown.
    """
    found = await store.scan(RECORD_PREFIX)
    strangers = found - {RECORD_PREFIX + name for name in await known()}
    for stranger in sorted(strangers):
        # What was erased between the two looks is none.
        if await store.get(store.key(stranger)) is not None:
            raise StoreTampered.of(
                f"key {stranger.removeprefix(RECORD_PREFIX)}", "is unknown to the journal"
            )


async def _read_until_settled(
    store: Store,
    journal: Journal,
    entries: Sequence[JournalEntry],
    digests: Mapping[str, str],
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
    store: Store, entries: Sequence[JournalEntry], before: Mapping[str, str]
) -> tuple[Batch, StoreTampered | None]:
    digests: dict[str, str | None] = dict(before)
    for entry in entries:
        digests |= entry.digests
    names = [name for name, digest in digests.items() if digest is not None]
    values = await store.get_many([store.key(RECORD_PREFIX + name) for name in names])
    stored = dict(zip(names, values, strict=True))
    problem = await asyncio.to_thread(_first_problem, stored, digests)
    records = {name: stored.get(name) for name in digests}
    return Batch(entries=tuple(entries), records=records), problem


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
