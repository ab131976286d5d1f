"""The journal: one hash-chained, append-only stream of who changed or looked at what, and when.

An entry carries ids, a kind, a principal, a time and the digest of every record it changed: no names, no biometrics.
Its hash is HMAC-SHA-256 over the hash before it and its own bytes, so that nobody without the key can alter, drop,
reorder or forge an entry unnoticed. A change of records and its entry are one script, hence one atomic commit: the
script changes nothing unless the journal's head is the one that the change was computed from. That makes every commit
conditional on all that the writer has read, on a single server, behind Sentinel and in a Cluster alike.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from shengdun.index.errors import KeyWrong, StoreTampered
from shengdun.index.keys import KeyRing
from shengdun.index.store import RawEntry, Script, Store

RECORD_PREFIX: Final = "record/"
STREAM: Final = "journal"
CHECKPOINT_KEYS: Final = "checkpoint-keys"
"""The name under which the store has the wrapped data keys of all machines' checkpoints, each by its id."""
RESEALED: Final = "actor.resealed"
"""The kind of entry that seals an actor again, so that what its old seal protects is to be read no more."""

_COMMIT: Final = Script(
    """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local sequence, hash = 0, ''
if #last > 0 then
  sequence = tonumber(string.match(last[1][1], '^%d+'))
  hash = last[1][2][4]
end
if ARGV[5] ~= '' then
  local seen = redis.call('GET', KEYS[2])
  if seen then return {'SEEN', seen} end
end
if sequence ~= tonumber(ARGV[1]) or hash ~= ARGV[2] then return {'MOVED', sequence} end
local writes = tonumber(ARGV[7])
-- Deletions first: they are allowed when memory is full, and what follows in the same script is then allowed too.
for i = 3 + writes, #KEYS do redis.call('DEL', KEYS[i]) end
for i = 1, writes do redis.call('SET', KEYS[2 + i], ARGV[7 + i]) end
redis.call('XADD', KEYS[1], (sequence + 1) .. '-0', 'entry', ARGV[3], 'hash', ARGV[4])
if ARGV[5] ~= '' then redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[6]) end
return {'DONE', sequence + 1}
"""
)


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the journal: the sequence number of an entry and its hash (32 bytes; empty before the first)."""

    sequence: int
    hash: bytes


START: Final = Head(0, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A change that is to be journaled.

    Attributes:
        kind: what happens, e.g. ``actor.registered``.
        principal: who does it.
        subjects: the ids concerned, as ``actor/<id>``.
        watchlists: the watchlists whose search results may change.
        writes: new values of records, by name.
        deletions: names of records to delete.
        note: what must not stand in the journal in clear but be provable later; a keyed digest is kept.
    """

    kind: str
    principal: str
    subjects: tuple[str, ...] = ()
    watchlists: tuple[str, ...] = ()
    writes: Mapping[str, bytes] = field(default_factory=dict)
    deletions: tuple[str, ...] = ()
    note: str = ""

    @property
    def ends_checkpoints(self) -> bool:
        """Whether something is taken away that a checkpoint may have, so that none may be opened any more."""
        return bool(self.deletions) or self.kind == RESEALED


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """A verified entry.

    Attributes:
        head: its place and hash.
        at: in UTC.
        kind: what happened.
        principal: who did it.
        subjects: the ids concerned.
        watchlists: the watchlists whose search results may have changed.
        digests: SHA-256 (hex) of every record it wrote, None for those it deleted, by name.
    """

    head: Head
    at: datetime
    kind: str
    principal: str
    subjects: tuple[str, ...]
    watchlists: tuple[str, ...]
    digests: Mapping[str, str | None]

    @property
    def ends_checkpoints(self) -> bool:
        """Whether the commit of this entry deleted the keys of all checkpoints."""
        return None in self.digests.values() or self.kind == RESEALED


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """Remembers a request with its change: ``key`` for the store, what to remember, and for how long."""

    key: str
    value: bytes
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Seen:
    """The idempotency key is known; nothing was changed."""

    value: bytes


class Journal:
    """Reads, verifies and extends the journal in a store."""

    def __init__(self, store: Store, keys: KeyRing) -> None:
        self._store = store
        self._keys = keys
        self._stream = store.key(STREAM)

    async def commit(
        self, head: Head, draft: Draft, idempotency: Idempotency | None = None
    ) -> JournalEntry | Seen | None:
        """Change records and journal it, if ``head`` is still the newest entry.

        Returns:
            The entry; ``Seen`` if the idempotency key was used before; None if the journal has moved on. After a
            ``StoreUnavailable`` the entry may or may not be there.
        """
        fields = self._fields(draft)
        body = json.dumps(
            fields, ensure_ascii=False, separators=(",", ":"), sort_keys=True
        ).encode()
        new_hash = self._hash(head, body, self._keys.active_key_id)
        names = [RECORD_PREFIX + name for name in (*draft.writes, *draft.deletions)]
        if draft.ends_checkpoints:
            # In the same script as the deletion: a machine that is down has no file then that could still be opened.
            names.append(CHECKPOINT_KEYS)
        memory = idempotency or Idempotency(key=STREAM, value=b"", ttl_ms=1)
        arguments: list[bytes | str | int] = [head.sequence, head.hash, body, new_hash]
        arguments += [memory.value, memory.ttl_ms, len(draft.writes), *draft.writes.values()]
        answer = await self._store.evaluate(
            _COMMIT,
            [self._stream, *(self._store.key(name) for name in (memory.key, *names))],
            arguments,
        )
        if answer[0] == b"SEEN":
            return Seen(answer[1])
        if answer[0] == b"MOVED" and not await self._landed(head.sequence + 1, new_hash):
            return None
        return _entry(Head(head.sequence + 1, new_hash), fields)

    async def _landed(self, sequence: int, new_hash: bytes) -> bool:
        """Whether our entry is there: the connection broke after the server had taken it, and it was sent again."""
        rows = await self._store.entries(self._stream, after=sequence - 1, limit=1)
        return bool(rows) and rows[0][0] == sequence and rows[0][1].get(b"hash") == new_hash

    async def read(self, head: Head, *, limit: int = 1000) -> list[JournalEntry]:
        """The verified entries that follow ``head``, oldest first.

        Raises:
            StoreTampered: an entry is missing, altered or out of order.
            KeyWrong: the journal was written with other keys.
        """
        return self.verify(head, await self.read_raw(head, limit=limit))

    async def read_raw(self, head: Head, *, limit: int) -> list[RawEntry]:
        """What ``read`` verifies, for whoever calls ``verify`` on another thread."""
        return await self._store.entries(self._stream, after=head.sequence, limit=limit)

    async def wait(self, head: Head, *, wait_ms: int) -> list[JournalEntry]:
        """As ``read``, but waits for the first entry to come, not longer than ``wait_ms``."""
        rows = await self._store.wait_for_entries(
            self._stream, after=head.sequence, wait_ms=wait_ms
        )
        return self.verify(head, rows)

    @staticmethod
    async def exists(store: Store) -> bool:
        """Whether a store has a journal already; needs no keys."""
        return await store.last_entry(store.key(STREAM)) is not None

    async def page(self, after: int, limit: int) -> list[JournalEntry]:
        """The entries after a sequence number, checked against each other and the one before them."""
        if after <= 0:
            return await self.read(START, limit=limit)
        rows = await self._store.entries(self._stream, after=after - 1, limit=limit + 1)
        if not rows or rows[0][0] != after:
            return []
        return self.verify(Head(after, rows[0][1].get(b"hash", b"")), rows[1:])

    async def check_contains(self, head: Head) -> None:
        """Raise ``StoreTampered`` unless the journal has this very entry."""
        if head == START:
            return
        rows = await self._store.entries(self._stream, after=head.sequence - 1, limit=1)
        if not rows or rows[0][0] != head.sequence:
            raise StoreTampered.of(
                f"journal entry {head.sequence}", "was acknowledged and is missing"
            )
        if rows[0][1].get(b"hash") != head.hash:
            raise StoreTampered.of(
                f"journal entry {head.sequence}", "is not the one that was acknowledged"
            )

    def verify(self, head: Head, rows: Sequence[RawEntry]) -> list[JournalEntry]:
        """Check that stream entries follow ``head`` without a gap and belong to the chain."""
        entries = []
        for sequence, fields in rows:
            entry = self._verify_one(head, sequence, fields)
            head = entry.head
            entries.append(entry)
        return entries

    def _verify_one(self, head: Head, sequence: int, raw: dict[bytes, bytes]) -> JournalEntry:
        what = f"journal entry {head.sequence + 1}"
        if sequence != head.sequence + 1:
            raise StoreTampered.of(what, "is missing")
        try:
            body = raw[b"entry"]
            fields = json.loads(body.decode())
            key_id = bytes.fromhex(fields["key"])
            entry = _entry(Head(sequence, raw[b"hash"]), fields)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise StoreTampered.of(what, "is malformed") from error
        try:
            expected = self._hash(head, body, key_id)
        except KeyWrong:
            if sequence == 1:
                raise
            raise StoreTampered.of(what, "names a key that does not exist") from None
        if expected != raw[b"hash"]:
            raise StoreTampered.of(what, "was altered or does not follow the one before it")
        return entry

    def note_digest(self, note: str) -> str:
        """The keyed digest (hex) under which a note is journaled."""
        return self._keys.receipt_mac(b"note/" + note.encode()).hex()

    def _hash(self, head: Head, body: bytes, key_id: bytes) -> bytes:
        return self._keys.journal_mac(key_id, head.hash + head.sequence.to_bytes(8, "big") + body)

    def _fields(self, draft: Draft) -> dict[str, Any]:
        digests: dict[str, str | None] = {
            name: sha256(value).hexdigest() for name, value in draft.writes.items()
        }
        digests |= dict.fromkeys(draft.deletions)
        fields: dict[str, Any] = {
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "kind": draft.kind,
            "principal": draft.principal,
            "key": self._keys.active_key_id.hex(),
        }
        if draft.note:
            fields["note"] = self.note_digest(draft.note)
        optional = {"on": draft.subjects, "lists": draft.watchlists, "records": digests}
        return fields | {name: value for name, value in optional.items() if value}


def _entry(head: Head, fields: dict[str, Any]) -> JournalEntry:
    return JournalEntry(
        head=head,
        at=datetime.fromisoformat(fields["at"]),
        kind=fields["kind"],
        principal=fields["principal"],
        subjects=tuple(fields.get("on", ())),
        watchlists=tuple(fields.get("lists", ())),
        digests=fields.get("records", {}),
    )
