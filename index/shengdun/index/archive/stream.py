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
``archive/erased``     marks of what was erased (``marks``), and when
``archive/begun``      erasures that may not be done everywhere: rows as above, by ``<number>:<process>:<asked>``
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

from shengdun.index.archive import stream_scripts as scripts
from shengdun.index.archive.errors import CallErased
from shengdun.index.keys import DataKey, KeyRing
from shengdun.index.store import Script, Store

PSEUDONYM_BYTES: Final = 16
_KEY_NAME_BYTES: Final = 10
_HEAD_BYTES: Final = PSEUDONYM_BYTES + _KEY_NAME_BYTES
_NAMES: Final = (
    "state",
    "stream",
    "rows",
    "ids",
    "keys",
    "machines",
    "processes",
    "uses",
    "erased",
    "begun",
)
_KEY_LASTS_S: Final = 86_400.0

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunErasure:
    """An erasure that isn't known to be done everywhere.

    Attributes:
        name: of it.
        process: which began it.
        asked: a keyed hash of what was asked for.
        content: what was appended.
    """

    name: str
    process: str
    asked: str
    content: bytes


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

    async def add(
        self,
        pseudonym: bytes,
        content: bytes,
        *,
        through: int,
        marks: Sequence[bytes] = (),
        started_ms: int = 0,
    ) -> int | None:
        """Seal a call and append it, unless the store has it.

        Args:
            pseudonym: the keyed hash of its id.
            content: what to seal.
            through: up to which entry the partitions were looked through for it.
            marks: by which it may have been erased, of a call of the past.
            started_ms: when it started, in UTC milliseconds since 1970.

        Returns:
            Its number; 0 if there is an older call of this id; None if partitions have newer calls than were looked
            through.

        Raises:
            CallErased: one of the marks is there, and not older than the call.
        """
        token = token_hex(8)  # the same when redis-py sends the command again
        answer, number = await self._run(
            scripts.ADD,
            pseudonym,
            *self._sealed(pseudonym, content),
            through,
            token,
            started_ms,
            *marks,
        )
        if answer == b"ERASED":
            raise CallErased
        return {b"DONE": int(number), b"KNOWN": 0}.get(answer)

    async def known(self, pseudonym: bytes) -> int:
        """The number of a call that the store has; 0 if it has none."""
        found: bytes | None = await self._run(scripts.KNOWN, pseudonym)
        return 0 if found is None else int(found.partition(b":")[0])

    async def erase(
        self,
        pseudonyms: Sequence[bytes],
        content: bytes,
        *,
        process: str,
        asked: str,
        marks: Sequence[bytes] = (),
        forget_s: float = 0.0,
    ) -> tuple[int, int]:
        """Take calls out of the store, mark them, and append that they are erased; also when memory is used up.

        From then on the erasure counts as begun, until ``settle`` is told the name of it (``begun_name``).

        Args:
            pseudonyms: keyed hashes of their ids.
            content: what to append, sealed.
            process: which erases them.
            asked: keyed hash of what was asked for; it and the process have no colon.
            marks: by which such calls are known when they come again.
            forget_s: marks older than that go; 0 keeps all.

        Returns:
            The entry's number, and how many of the calls the store had.
        """
        sealed = self._sealed(_NOBODY, content)
        number, removed = await self._run(
            scripts.ERASE,
            len(marks),
            round(forget_s * 1000),
            *marks,
            f"{process}:{asked}",
            _NOBODY,
            *sealed,
            *pseudonyms,
        )
        return int(number), int(removed)

    async def begun(self) -> list[BegunErasure]:
        """The erasures that aren't known to be done everywhere.

        Raises:
            SealBroken: one was altered.
        """
        fields: list[bytes] = await self._run(scripts.BEGUN)
        rows = dict(zip((name.decode() for name in fields[::2]), fields[1::2], strict=True))
        await self._get_tail_keys(
            {row[PSEUDONYM_BYTES:_HEAD_BYTES].decode() for row in rows.values()}
        )
        found = []
        for name, row in rows.items():
            number, process, asked = name.split(":")
            content = self._opened(int(number), EntryKind.ERASURE.value, row).content
            found.append(BegunErasure(name=name, process=process, asked=asked, content=content))
        return found

    async def settle(self, names: Sequence[str]) -> None:
        """These erasures are done everywhere."""
        if names:
            await self._run(scripts.SETTLE, *names)

    async def mark(self, marks: Sequence[bytes], *, forget_s: float) -> bool:
        """Mark what is about to be erased; whether it was marked for the first time."""
        return bool(await self._run(scripts.MARK, len(marks), round(forget_s * 1000), *marks))

    async def unmark(self, marks: Sequence[bytes]) -> None:
        """Take marks away, as nothing was erased."""
        await self._run(scripts.UNMARK, *marks)

    async def is_erased(self, marks: Sequence[bytes], *, started_ms: int) -> bool:
        """Whether one of the marks is there, and not older than a call that started then."""
        return bool(await self._run(scripts.ERASED, started_ms, *marks))

    async def wait(self, after: int, *, wait_ms: int) -> frozenset[EntryKind]:
        """Wait until there is an entry after this number, at most ``wait_ms``; gives what the first ones tell."""
        rows = await self._store.wait_for_entries(self._places[1], after=after, wait_ms=wait_ms)
        return frozenset(EntryKind(fields[b"k"]) for _, fields in rows)

    async def read(self, after: int, *, limit: int = PAGE) -> tuple[int, list[Entry]]:
        """The entries after a number, oldest first, and up to which entry they were taken out of the store.

        Raises:
            SealBroken: an entry was altered.
        """
        trimmed, rows = await self._run(scripts.READ, after, limit)
        await self._get_tail_keys(
            {row[PSEUDONYM_BYTES:_HEAD_BYTES].decode() for _, _, row in rows if row}
        )
        return int(trimmed), [self._opened(int(number), kind, row) for number, kind, row in rows]

    async def register(self, machine: str, through: int) -> tuple[int, int]:
        """Make a machine known, so that entries are kept for it; gives the newest number, and the trimmed one."""
        sequence, trimmed = await self._run(scripts.REGISTER, machine, through)
        return int(sequence), int(trimmed)

    async def trim(self, machine: str, through: int, *, keep_s: float, linger_s: float) -> None:
        """Tell how far a machine is, and take out what all machines have that were heard of within ``keep_s``.

        What came less than ``linger_s`` ago stays, so that every process has heard of it.
        """
        taken = PAGE
        while taken == PAGE:
            taken = int(
                await self._run(
                    scripts.TRIM,
                    machine,
                    through,
                    round(keep_s * 1000),
                    round(linger_s * 1000),
                    PAGE,
                )
            )

    async def heard(self, process: str, number: int, *, forget_s: float) -> None:
        """Tell how far a process is; those that said nothing for ``forget_s`` are taken for dead."""
        await self._run(scripts.HEARD, process, number, round(forget_s * 1000))

    async def leave(self, process: str) -> None:
        """Tell that a process ends."""
        await self._run(scripts.LEAVE, process)

    async def places(self) -> tuple[dict[str, Place], dict[str, Place]]:
        """How far all machines are, and all processes, by name."""
        now_ms, machines, processes = await self._run(scripts.PLACES)
        return _places(int(now_ms), machines), _places(int(now_ms), processes)

    async def put_keys(self, keys: Mapping[str, DataKey]) -> None:
        """Put wrapped data keys, by name."""
        if keys:
            await self._run(
                scripts.PUT_KEYS,
                *(part for name, key in keys.items() for part in (name, key.wrapped)),
            )

    async def get_keys(self, names: Sequence[str]) -> list[bytes | None]:
        """Wrapped data keys; None where there is none."""
        found: list[bytes | None] = []
        for start in range(0, len(names), PAGE):
            found += await self._run(scripts.GET_KEYS, *names[start : start + PAGE])
        return found

    async def drop_keys(self, names: Sequence[str]) -> None:
        """Delete data keys for good."""
        for start in range(0, len(names), PAGE):
            await self._run(scripts.DROP_KEYS, *names[start : start + PAGE])

    async def key_names(self) -> set[str]:
        """The names of all data keys."""
        return {name.decode() for name in await self._run(scripts.KEY_NAMES)}

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


def begun_name(number: int, *, process: str, asked: str) -> str:
    """The name of an erasure, by the number of its entry."""
    return f"{number}:{process}:{asked}"


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
