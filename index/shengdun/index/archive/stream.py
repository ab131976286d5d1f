"""The archive's part of the store: what isn't in partitions yet, what was erased, and the wrapped keys.

=====================  ==========================================================================================
``archive/state``      ``sequence``, the number of the newest entry; ``trimmed``, up to which they were taken out
``archive/stream``     an entry for each call that came, and for each erasure; says only which of the two, and when
``archive/rows``       by number: keyed hash of the call id (16 bytes), name of the key (10), the sealed call
``archive/uses``       by name of a key: how many of ``rows`` are sealed with it; with the last one the key goes
``archive/ids``        by keyed hash: the number of the call that is in ``rows``
``archive/keys``       wrapped data keys, by name: ``tail/<name>`` and ``partition/<machine>/<day>/<id>``
``archive/machines``   by machine: up to which entry it has all in its partitions, and when it said so
``archive/processes``  by process: up to which entry it has heard, and when it said so
=====================  ==========================================================================================

Calls lie in a hash and not in the stream: what is taken out of a stream stays in the memory of the store, and in its
files, until the whole node is free.

Every change is one script, hence atomic. Times are the store's, so that a machine's clock can't lose anything.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from secrets import token_hex
from typing import Any, Final

from shengdun.index.keys import DataKey, KeyRing
from shengdun.index.store import Script, Store

PSEUDONYM_BYTES: Final = 16
_KEY_NAME_BYTES: Final = 10
_HEAD_BYTES: Final = PSEUDONYM_BYTES + _KEY_NAME_BYTES
_NAMES: Final = ("state", "stream", "rows", "ids", "keys", "machines", "processes", "uses")
_KEY_LASTS_S: Final = 86_400.0

_NOW: Final = """
local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local function push(kind, pseudonym, name, sealed, wrapped)
  local number = redis.call('HINCRBY', KEYS[1], 'sequence', 1)
  redis.call('HSETNX', KEYS[5], 'tail/' .. name, wrapped)
  redis.call('HINCRBY', KEYS[8], name, 1)
  redis.call('HSET', KEYS[3], number, pseudonym .. name .. sealed)
  redis.call('XADD', KEYS[2], number .. '-0', 'k', kind, 't', now())
  return number
end
local function take(number)
  local row = redis.call('HGET', KEYS[3], number)
  if not row then return nil end
  redis.call('HDEL', KEYS[3], number)
  local name = string.sub(row, 17, 26)
  if redis.call('HINCRBY', KEYS[8], name, -1) <= 0 then
    redis.call('HDEL', KEYS[8], name)
    redis.call('HDEL', KEYS[5], 'tail/' .. name)
  end
  return row
end
"""
_ADD: Final = Script(
    _NOW
    + """
local known = redis.call('HGET', KEYS[4], ARGV[1])
if known then
  local number, token = string.match(known, '^(%d+):(.*)$')
  if token == ARGV[6] then return {'DONE', tonumber(number)} end
  return {'KNOWN', tonumber(number)}
end
if tonumber(redis.call('HGET', KEYS[1], 'trimmed') or '0') > tonumber(ARGV[5]) then return {'BEHIND', 0} end
local number = push('c', ARGV[1], ARGV[2], ARGV[3], ARGV[4])
redis.call('HSET', KEYS[4], ARGV[1], number .. ':' .. ARGV[6])
return {'DONE', number}
"""
)
_ERASE: Final = Script(
    _NOW
    + """
-- Deletions first: they are allowed when memory is full, and what follows in the same script is then allowed too.
local removed = 0
for i = 5, #ARGV do
  local known = redis.call('HGET', KEYS[4], ARGV[i])
  if known then
    if take(string.match(known, '^%d+')) then removed = removed + 1 end
    redis.call('HDEL', KEYS[4], ARGV[i])
  end
end
return {push('e', ARGV[1], ARGV[2], ARGV[3], ARGV[4]), removed}
"""
)
_READ: Final = Script(
    """
local out = {}
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[1] .. '-0', '+', 'COUNT', ARGV[2])) do
  local number = string.match(entry[1], '^%d+')
  out[#out + 1] = {tonumber(number), entry[2][2], redis.call('HGET', KEYS[3], number) or ''}
end
return {tonumber(redis.call('HGET', KEYS[1], 'trimmed') or '0'), out}
"""
)
_REGISTER: Final = Script(
    _NOW
    + """
local sequence = tonumber(redis.call('HGET', KEYS[1], 'sequence') or '0')
local trimmed = tonumber(redis.call('HGET', KEYS[1], 'trimmed') or '0')
local through = tonumber(ARGV[2])
-- A store that was put back to an older copy of itself must not give numbers again that partitions have already.
if through > sequence then redis.call('HSET', KEYS[1], 'sequence', through, 'trimmed', through) end
redis.call('HSET', KEYS[6], ARGV[1], ARGV[2] .. ':' .. now())
return {sequence, trimmed}
"""
)
_TRIM: Final = Script(
    _NOW
    + """
local time = now()
redis.call('HSET', KEYS[6], ARGV[1], ARGV[2] .. ':' .. time)
local least = tonumber(ARGV[2])
local machines = redis.call('HGETALL', KEYS[6])
for i = 2, #machines, 2 do
  local through, seen = string.match(machines[i], '^(%d+):(%d+)$')
  if time - tonumber(seen) <= tonumber(ARGV[3]) then least = math.min(least, tonumber(through)) end
end
local trimmed = tonumber(redis.call('HGET', KEYS[1], 'trimmed') or '0')
local taken = 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. trimmed .. '-0', least .. '-0', 'COUNT', ARGV[5])) do
  if time - tonumber(entry[2][4]) < tonumber(ARGV[4]) then break end
  local number = string.match(entry[1], '^%d+')
  local row = take(number)
  if row and entry[2][2] == 'c' then redis.call('HDEL', KEYS[4], string.sub(row, 1, 16)) end
  trimmed, taken = tonumber(number), taken + 1
end
if taken > 0 then
  redis.call('HSET', KEYS[1], 'trimmed', trimmed)
  redis.call('XTRIM', KEYS[2], 'MINID', (trimmed + 1) .. '-0')
end
return taken
"""
)
_HEARD: Final = Script(
    _NOW
    + """
local time = now()
redis.call('HSET', KEYS[7], ARGV[1], ARGV[2] .. ':' .. time)
local processes = redis.call('HGETALL', KEYS[7])
for i = 2, #processes, 2 do
  if time - tonumber(string.match(processes[i], ':(%d+)$')) > tonumber(ARGV[3]) then
    redis.call('HDEL', KEYS[7], processes[i - 1])
  end
end
return 0
"""
)
_PLACES: Final = Script(
    _NOW
    + """
return {now(), redis.call('HGETALL', KEYS[6]), redis.call('HGETALL', KEYS[7])}
"""
)
_LEAVE: Final = Script("return redis.call('HDEL', KEYS[7], ARGV[1])")
_PUT_KEYS: Final = Script("return redis.call('HSET', KEYS[5], unpack(ARGV))")
_GET_KEYS: Final = Script("return redis.call('HMGET', KEYS[5], unpack(ARGV))")
_DROP_KEYS: Final = Script("return redis.call('HDEL', KEYS[5], unpack(ARGV))")
_KEY_NAMES: Final = Script("return redis.call('HKEYS', KEYS[5])")
_KNOWN: Final = Script("return redis.call('HGET', KEYS[4], ARGV[1])")
PAGE: Final = 1000
"""Entries that are read at once."""
_NOBODY: Final = bytes(PSEUDONYM_BYTES)


class EntryKind(Enum):
    """What an entry of the stream tells."""

    CALL = b"c"
    ERASURE = b"e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of the stream.

    Attributes:
        number: its place.
        kind: what it tells.
        pseudonym: of a call, the keyed hash of its id; empty if its row is gone, as after an erasure.
        content: unsealed; empty if its row is gone.
    """

    number: int
    kind: EntryKind
    pseudonym: bytes
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a machine or a process is.

    Attributes:
        number: the entry up to which it is.
        silent_s: for how long it hasn't said so.
    """

    number: int
    silent_s: float


class ArchiveStream:
    """Reads and extends the archive's part of a store.

    Every method raises ``StoreUnavailable``, ``StoreRefused`` and ``StoreFull``.
    """

    def __init__(self, store: Store, keys: KeyRing) -> None:
        self._store = store
        self._keys = keys
        self._places = [store.key(f"archive/{name}") for name in _NAMES]
        self._tail_keys: dict[str, DataKey] = {}
        self._own_name = ""
        self._own_until_s = -math.inf

    async def add(self, pseudonym: bytes, content: bytes, *, through: int) -> int | None:
        """Seal a call and append it, unless the store has it.

        Args:
            pseudonym: the keyed hash of its id.
            content: what to seal.
            through: up to which entry the partitions were looked through for it.

        Returns:
            Its number; 0 if there is an older call of this id; None if partitions have newer calls than were looked
            through.
        """
        token = token_hex(8)  # the same when redis-py sends the command again
        answer, number = await self._run(
            _ADD, pseudonym, *self._sealed(pseudonym, content), through, token
        )
        return {b"DONE": int(number), b"KNOWN": 0}.get(answer)

    async def known(self, pseudonym: bytes) -> int:
        """The number of a call that the store has; 0 if it has none."""
        found: bytes | None = await self._run(_KNOWN, pseudonym)
        return 0 if found is None else int(found.partition(b":")[0])

    async def erase(self, pseudonyms: Sequence[bytes], content: bytes) -> tuple[int, int]:
        """Take calls out of the store and append that they are erased; also when memory is used up.

        Returns:
            The entry's number, and how many of the calls the store had.
        """
        sealed = self._sealed(_NOBODY, content)
        number, removed = await self._run(_ERASE, _NOBODY, *sealed, *pseudonyms)
        return int(number), int(removed)

    async def wait(self, after: int, *, wait_ms: int) -> frozenset[EntryKind]:
        """Wait until there is an entry after this number, at most ``wait_ms``; gives what the first ones tell."""
        rows = await self._store.wait_for_entries(self._places[1], after=after, wait_ms=wait_ms)
        return frozenset(EntryKind(fields[b"k"]) for _, fields in rows)

    async def read(self, after: int, *, limit: int = PAGE) -> tuple[int, list[Entry]]:
        """The entries after a number, oldest first, and up to which entry they were taken out of the store.

        Raises:
            SealBroken: an entry was altered.
        """
        trimmed, rows = await self._run(_READ, after, limit)
        await self._get_tail_keys(
            {row[PSEUDONYM_BYTES:_HEAD_BYTES].decode() for _, _, row in rows if row}
        )
        return int(trimmed), [self._opened(int(number), kind, row) for number, kind, row in rows]

    async def register(self, machine: str, through: int) -> tuple[int, int]:
        """Make a machine known, so that entries are kept for it; gives the newest number, and the trimmed one."""
        sequence, trimmed = await self._run(_REGISTER, machine, through)
        return int(sequence), int(trimmed)

    async def trim(self, machine: str, through: int, *, keep_s: float, linger_s: float) -> None:
        """Tell how far a machine is, and take out what all machines have that were heard of within ``keep_s``.

        What came less than ``linger_s`` ago stays, so that every process has heard of it.
        """
        taken = PAGE
        while taken == PAGE:
            taken = int(
                await self._run(
                    _TRIM, machine, through, round(keep_s * 1000), round(linger_s * 1000), PAGE
                )
            )

    async def heard(self, process: str, number: int, *, forget_s: float) -> None:
        """Tell how far a process is; those that said nothing for ``forget_s`` are taken for dead."""
        await self._run(_HEARD, process, number, round(forget_s * 1000))

    async def leave(self, process: str) -> None:
        """Tell that a process ends."""
        await self._run(_LEAVE, process)

    async def places(self) -> tuple[dict[str, Place], dict[str, Place]]:
        """How far all machines are, and all processes, by name."""
        now_ms, machines, processes = await self._run(_PLACES)
        return _places(int(now_ms), machines), _places(int(now_ms), processes)

    async def put_keys(self, keys: Mapping[str, DataKey]) -> None:
        """Put wrapped data keys, by name."""
        if keys:
            await self._run(
                _PUT_KEYS, *(part for name, key in keys.items() for part in (name, key.wrapped))
            )

    async def get_keys(self, names: Sequence[str]) -> list[bytes | None]:
        """Wrapped data keys; None where there is none."""
        found: list[bytes | None] = []
        for start in range(0, len(names), PAGE):
            found += await self._run(_GET_KEYS, *names[start : start + PAGE])
        return found

    async def drop_keys(self, names: Sequence[str]) -> None:
        """Delete data keys for good."""
        for start in range(0, len(names), PAGE):
            await self._run(_DROP_KEYS, *names[start : start + PAGE])

    async def key_names(self) -> set[str]:
        """The names of all data keys."""
        return {name.decode() for name in await self._run(_KEY_NAMES)}

    def _sealed(self, pseudonym: bytes, content: bytes) -> tuple[str, bytes, bytes]:
        """The name of the key, what is sealed with it, and the wrapped key."""
        if time.monotonic() >= self._own_until_s:
            # Of this process alone, and named at random, so that it never takes one key for another.
            self._own_name = token_hex(_KEY_NAME_BYTES // 2)
            self._own_until_s = time.monotonic() + _KEY_LASTS_S
            self._tail_keys = {
                self._own_name: self._keys.new_data_key(_tail_key_aad(self._own_name))
            }
        key = self._tail_keys[self._own_name]
        return self._own_name, key.seal(content, _aad(pseudonym, self._own_name)), key.wrapped

    async def _get_tail_keys(self, names: set[str]) -> None:
        missing = sorted(names - self._tail_keys.keys())
        wrapped = await self.get_keys([f"tail/{name}" for name in missing])
        for name, one in zip(missing, wrapped, strict=True):
            if one is not None:  # else its rows were taken out since they were read
                self._tail_keys[name] = self._keys.unwrap(one, _tail_key_aad(name))

    def _opened(self, number: int, kind: bytes, row: bytes) -> Entry:
        pseudonym, name = row[:PSEUDONYM_BYTES], row[PSEUDONYM_BYTES:_HEAD_BYTES].decode()
        key = self._tail_keys.get(name)
        if key is None:
            return Entry(number=number, kind=EntryKind(kind), pseudonym=b"", content=b"")
        content = key.unseal(row[_HEAD_BYTES:], _aad(pseudonym, name))
        return Entry(number=number, kind=EntryKind(kind), pseudonym=pseudonym, content=content)

    async def _run(self, script: Script, *arguments: bytes | str | int) -> Any:  # noqa: ANN401 - as ``evaluate``
        return await self._store.evaluate(script, self._places, arguments)


def _places(now_ms: int, fields: Sequence[bytes]) -> dict[str, Place]:
    names = [name.decode() for name in fields[::2]]
    said = [value.decode().split(":") for value in fields[1::2]]
    return {
        name: Place(number=int(number), silent_s=(now_ms - int(at_ms)) / 1000)
        for name, (number, at_ms) in zip(names, said, strict=True)
    }


def _aad(pseudonym: bytes, key_name: str) -> bytes:
    return b"archive-tail/" + key_name.encode() + b"/" + pseudonym


def _tail_key_aad(name: str) -> bytes:
    return f"archive-key/tail/{name}".encode()
