"""Checkpoints: a file on each machine that spares a start what takes most of it, opening every voiceprint.

It is no second copy of the store, which stays the only truth: it holds what a start works out of the records, as of a
journal entry, and may be deleted at any time. It is sealed under a random data key that lies, wrapped by the master
key, in the store and nowhere else. The commit of every erasure deletes the keys of all machines' checkpoints in the
same script (``journal``), so that no file, wherever it is, can be opened from then on (decision note 0025).

A key is in the store before the snapshot is taken that is written under it. So an erasure is either in the snapshot or
has deleted the key, whatever the order in which processes get on.
"""

import asyncio
import fcntl
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shengdun.index.attached import nearly_full
from shengdun.index.checkpoint_content import CheckpointContent, packed
from shengdun.index.checkpoint_file import (
    CheckpointUnusable,
    Header,
    key_aad,
    read_header,
    read_parts,
    write_parts,
)
from shengdun.index.durable_files import left_aside
from shengdun.index.errors import IndexRoomError, KeyWrong, SealBroken, StoreUnavailable
from shengdun.index.journal import CHECKPOINT_KEYS, STREAM, JournalEntry
from shengdun.index.keys import DataKey, KeyRing
from shengdun.index.snapshot import Snapshot
from shengdun.index.store import Script, Store

_LOOK_S: Final = 1.0
_FIRST_S: Final = 10.0
_EVERY_S: Final = 60.0
_ENTRIES: Final = 2000
"""So many journal entries since are read at a start in some tenths of a second; then a new one is written."""
_SPARE_BYTES: Final = 512 * 1024 * 1024

_REPLACE_KEY: Final = Script(
    """
if ARGV[1] ~= '' then redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
return #last > 0 and tonumber(string.match(last[1][1], '^%d+')) or 0
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpointing:
    """That checkpoints are kept.

    Attributes:
        least_actors: with fewer none is written; up to some thousand, a start takes less than half a second anyway.
        tell: told in a line what became of them: used or not and why, written or not, and that the rest is verified.
    """

    least_actors: int = 3000
    tell: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """A checkpoint that was opened.

    Attributes:
        header: what it is.
        content: what it holds.
        is_sealed_as_now: whether its key is wrapped by the active master key.
    """

    header: Header
    content: CheckpointContent
    is_sealed_as_now: bool


class Checkpoints:
    """The checkpoint of one data directory, whose processes share it.

    Args:
        store: has the keys.
        keys: wrap them.
        directory: where the file lies.
        how: None to neither read nor write one.

    Attributes:
        path: the file.
    """

    def __init__(
        self, store: Store, keys: KeyRing, directory: Path, how: Checkpointing | None
    ) -> None:
        self.path = directory / "checkpoint"
        self._lock_path = directory / "checkpoint.lock"
        self._store = store
        self._keys = keys
        self._how = how
        self._current: Header | None = None
        self._endings = 0
        self._not_before_s = time.monotonic() + _FIRST_S
        self._worker: asyncio.Task[None] | None = None

    async def read(self) -> Checkpoint | None:
        """Read the checkpoint if there is one that can be opened; tells why not.

        Raises:
            StoreUnavailable: the store doesn't answer.
        """
        if self._how is None:
            return None
        try:
            return await self._read()
        except CheckpointUnusable as error:
            self.not_used(str(error))
        except (KeyWrong, SealBroken):
            self.not_used("its key can't be opened with the master keys")
        except (ValueError, KeyError, TypeError, IndexError):
            self.not_used("it is malformed")
        return None

    async def _read(self) -> Checkpoint:
        header = await asyncio.to_thread(read_header, self.path)
        key = await self._key(header)
        content = await asyncio.to_thread(
            lambda: CheckpointContent(read_parts(self.path, header, key))
        )
        is_sealed_as_now = key.key_id == self._keys.active_key_id
        return Checkpoint(header=header, content=content, is_sealed_as_now=is_sealed_as_now)

    async def _key(self, header: Header) -> DataKey:
        wrapped = await self._store.get_field(self._keys_key, header.checkpoint_id)
        if wrapped is None:
            raise CheckpointUnusable("its key is gone from the store, as after an erasure")
        return self._keys.unwrap(wrapped, key_aad(header.checkpoint_id))

    def tell(self, line: str) -> None:
        """Tell whoever looks after the machine."""
        if self._how is not None:
            self._how.tell(line)

    def not_used(self, why: str) -> None:
        """Tell why a start takes longer."""
        self.tell(f"checkpoint not used, the store is loaded without it: {why}")

    def used(self, checkpoint: Checkpoint) -> None:
        """Note that a snapshot was made from it, so that it need not be written again soon."""
        self._current = checkpoint.header if checkpoint.is_sealed_as_now else None

    def take(self, entries: Sequence[JournalEntry]) -> None:
        """Note what happens in the journal."""
        if any(entry.ends_checkpoints for entry in entries):
            self._endings += 1
            self._current = None

    def start(
        self, snapshot: Callable[[], Snapshot], caught_up: Callable[[], Awaitable[Snapshot]]
    ) -> None:
        """Write checkpoints from now on, when there is reason to.

        Args:
            snapshot: gives the current one.
            caught_up: gives one with all that is in the journal when it is called.
        """
        if self._how is not None:
            self._worker = asyncio.create_task(self._work(snapshot, caught_up))

    async def close(self) -> None:
        """Stop; idempotent. A file that is being written is still written to its end."""
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
            self._worker = None

    def discard(self) -> None:
        """Delete the file, so that the next start goes by the store alone; the store is left as it is."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    async def write(self, caught_up: Callable[[], Awaitable[Snapshot]]) -> None:
        """Write a checkpoint now, unless another process of this machine is at it.

        Raises:
            StoreUnavailable: the store doesn't answer, and what else a change of it raises.
            OSError: the file can't be written.
        """
        with self._locked() as is_ours:
            if is_ours:
                await self._write(caught_up)

    @property
    def _keys_key(self) -> str:
        return self._store.key(CHECKPOINT_KEYS)

    async def _work(
        self, snapshot: Callable[[], Snapshot], caught_up: Callable[[], Awaitable[Snapshot]]
    ) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if time.monotonic() < self._not_before_s or not self._is_due(snapshot()):
                continue
            self._not_before_s = time.monotonic() + _EVERY_S
            try:
                if self._is_long(snapshot()):
                    await self.write(caught_up)
                else:
                    self.discard()
            except (IndexRoomError, OSError) as error:
                self.tell(f"checkpoint not written, the next start takes longer: {error}")

    def _is_long(self, snapshot: Snapshot) -> bool:
        return self._how is not None and len(snapshot.holdings) >= self._how.least_actors

    def _is_due(self, snapshot: Snapshot) -> bool:
        if not self._is_long(snapshot):
            return self.path.exists()
        return self._current is None or not _covers(self._current, snapshot)

    async def _write(self, caught_up: Callable[[], Awaitable[Snapshot]]) -> None:
        before = await self._written_by_another(await caught_up())
        if before is None:
            return
        self._store.check_writable()
        full = nearly_full(self.path.parent, _SPARE_BYTES)
        if full is not None:
            raise full
        started_s, endings = time.monotonic(), self._endings
        checkpoint_id = secrets.token_hex(16)
        key = self._keys.new_data_key(key_aad(checkpoint_id))
        sequence = await self._replace_key(before, checkpoint_id, key.wrapped)
        snapshot = await caught_up()
        if snapshot.journal_sequence < sequence:
            raise StoreUnavailable("The journal can't be read up to its end now.")
        header = Header(
            checkpoint_id=checkpoint_id,
            sequence=snapshot.head.sequence,
            journal_hash=snapshot.head.hash.hex(),
            profiles=tuple(sorted(scorer.profile_id for scorer in snapshot.scorers)),
        )
        await _to_its_end(asyncio.to_thread(write_parts, self.path, header, key, packed(snapshot)))
        if endings == self._endings:
            self._current = header
        duration_ms = round((time.monotonic() - started_s) * 1000)
        self.tell(f"checkpoint written in {duration_ms} ms, up to entry {header.sequence}")

    async def _written_by_another(self, snapshot: Snapshot) -> str | None:
        """The id of the file that is to be replaced, empty if there is none; None if it is good enough already."""
        try:
            header = await asyncio.to_thread(read_header, self.path)
        except CheckpointUnusable:
            return ""
        endings = self._endings
        wrapped = await self._store.get_field(self._keys_key, header.checkpoint_id)
        if (
            wrapped is None
            or endings != self._endings
            or not _covers(header, snapshot)
            or KeyRing.key_id_of(wrapped) != self._keys.active_key_id
        ):
            return header.checkpoint_id
        self._current = header
        return None

    async def _replace_key(self, old: str, new: str, wrapped: bytes) -> int:
        """Returns the sequence number of the newest journal entry when the key came into the store."""
        keys = [self._keys_key, self._store.key(STREAM)]
        return int(await self._store.evaluate(_REPLACE_KEY, keys, [old, new, wrapped]))

    @contextmanager
    def _locked(self) -> Iterator[bool]:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            for left in left_aside(self.path):
                left.unlink(missing_ok=True)
            yield True
        finally:
            os.close(descriptor)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Cancelled meanwhile, end when the work does: its thread can't be stopped, and holds a lock."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _covers(header: Header, snapshot: Snapshot) -> bool:
    """Whether a start from it has little left to do."""
    profiles = {scorer.profile_id for scorer in snapshot.scorers}
    return (
        set(header.profiles) == profiles and snapshot.journal_sequence - header.sequence <= _ENTRIES
    )
