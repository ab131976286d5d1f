"""The ledger: the current snapshot, and the only way to change it.

A change is planned on the snapshot, committed to the store if nobody was faster, anchored on this machine's disk, and
put into the next snapshot, in this order, before the caller hears of it. Meanwhile the ledger follows the journal, so
that changes by other processes and machines arrive within a fraction of a second, and a store that comes back is
caught up with.
"""

import asyncio
import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shengdun.index.anchor import Anchor
from shengdun.index.checkpoint_file import CheckpointUnusable
from shengdun.index.checkpoints import Checkpoint, Checkpointing, Checkpoints
from shengdun.index.errors import IndexRoomError, StoreBusy, StoreTampered
from shengdun.index.health import HealthRecord, IndexHealth
from shengdun.index.journal import (
    RECORD_PREFIX,
    START,
    Draft,
    Idempotency,
    Journal,
    JournalEntry,
    Seen,
)
from shengdun.index.keys import KeyRing
from shengdun.index.loading import (
    Batch,
    find_strangers,
    read_all,
    read_batch,
    read_since,
    verify_history,
)
from shengdun.index.records import RecordCodec, actor_of
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot, record_names
from shengdun.index.store import Store

_WAIT_MS: Final = 500
_RETRY_S: Final = 0.1
_ATTEMPTS: Final = 50

Plan = Callable[[Snapshot], Draft]
"""Works out a change; called again on a newer snapshot when somebody else was faster."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A change that is kept, with the snapshot that it led to."""

    entry: JournalEntry
    snapshot: Snapshot


class Ledger:
    """Owns the snapshot; one for each process.

    Attributes:
        snapshot: the current one; replaced, never altered.
        journal: where changes go.
        keys: of this installation.
        codec: opens and seals records.
    """

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        anchor: Anchor,
        checkpoints: Checkpoints,
        snapshot: Snapshot,
    ) -> None:
        self.snapshot = snapshot
        self.keys = keys
        self.codec = RecordCodec(keys)
        self.journal = Journal(store, keys)
        self._store = store
        self._anchor = anchor
        self._checkpoints = checkpoints
        self._lock = asyncio.Lock()
        self._swapping = asyncio.Lock()
        self._health = HealthRecord()
        self._follower: asyncio.Task[None] | None = None
        self._verifier: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        store: Store,
        *,
        data_directory: Path,
        key_path: Path,
        scorers: Sequence[Scorer],
        shadow: Sequence[Scorer] = (),
        checkpointing: Checkpointing | None = None,
    ) -> "Ledger":
        """Verify and load the store, or begin a new one, and follow it from then on; see ``Registry.open``.

        Raises:
            KeyMissing: the store has content and there is no key file.
            KeyWrong: the store was written with other keys.
            StoreTampered: the store is not what was acknowledged; names the first bad thing.
        """
        anchor = Anchor(data_directory)
        keys = await _open_keys(store, anchor, key_path)
        checkpoints = Checkpoints(store, keys, data_directory, checkpointing)
        ledger = cls(store, keys, anchor, checkpoints, Snapshot.empty(scorers, shadow))
        checkpoint = await ledger._load()
        ledger._follower = asyncio.create_task(ledger._follow())
        if checkpoint is None:
            ledger._write_checkpoints()
        else:
            ledger._verifier = asyncio.create_task(ledger._verify_the_rest(checkpoint))
        return ledger

    async def close(self) -> None:
        """Stop following; idempotent."""
        for task in (self._verifier, self._follower):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._verifier = self._follower = None
        await self._checkpoints.close()

    @property
    def health(self) -> IndexHealth:
        """How fresh the snapshot is."""
        return self._health.report(self.snapshot.journal_sequence)

    async def commit(
        self, plan: Plan, *, idempotency: Idempotency | None = None, frees_space: bool = False
    ) -> Committed | Seen:
        """Make a change durable and visible.

        Args:
            plan: works out the change; its errors are passed on and nothing is changed.
            idempotency: remembered together with the change.
            frees_space: the change may be made although the disk is nearly full.

        Raises:
            StoreUnavailable: the change may or may not have been kept.
            StoreFull: nothing was changed.
            StoreBusy: others kept being faster; nothing was changed.
            StoreTampered: the store was found altered; nothing was changed.
        """
        if self._health.found is not None:
            raise self._health.found
        if not frees_space:
            self._store.check_writable()
        async with self._lock:
            for _ in range(_ATTEMPTS):
                seen = await self._seen(idempotency)
                if seen is not None:
                    await self._catch_up()  # the change may have been made by another process
                    return seen
                draft = plan(self.snapshot)
                outcome = await self.journal.commit(self.snapshot.head, draft, idempotency)
                if isinstance(outcome, JournalEntry):
                    records = dict(draft.writes) | dict.fromkeys(draft.deletions)
                    await self._take(Batch(entries=(outcome,), records=records))
                    return Committed(outcome, self.snapshot)
                await self._catch_up()
        raise StoreBusy("Others kept changing the watchlists; nothing was changed. Try again.")

    async def use_scorers(self, scorers: Scorers) -> None:
        """Search with other scorers from now on; changes go on meanwhile, and none of them is lost."""
        async with self._swapping:
            prepared = await asyncio.to_thread(self.snapshot.with_scorers, scorers)
            async with self._lock:
                # Only what was changed since is left to do, so that a change hardly waits.
                self.snapshot = await asyncio.to_thread(
                    self.snapshot.with_scorers, scorers, prepared
                )

    async def _seen(self, idempotency: Idempotency | None) -> Seen | None:
        if idempotency is None:
            return None
        value = await self._store.get(self._store.key(idempotency.key))
        return None if value is None else Seen(value)

    async def _load(self) -> Checkpoint | None:
        """Returns the checkpoint that was loaded from, so that the journal before it is still to be verified."""
        with _much_is_made():
            checkpoint = await self._load_checkpoint()
            if checkpoint is None:
                await self._load_all()
        self._health.current()
        return checkpoint

    async def _load_checkpoint(self) -> Checkpoint | None:
        anchored = self._anchor.read()
        if anchored is None:
            return None
        checkpoint = await self._checkpoints.read(self.snapshot.scorers)
        if checkpoint is None:
            return None
        head, content = checkpoint.header.head, checkpoint.content
        try:
            batch = await read_since(self._store, self.journal, anchored, head, content.digests)
            await asyncio.to_thread(self._restore, checkpoint, batch)
        except (CheckpointUnusable, StoreTampered) as error:
            # Loaded without it, the store says itself what is wrong with it.
            self._checkpoints.not_used(str(error))
            return None
        self._checkpoints.used(checkpoint)
        self._checkpoints.take(batch.entries)
        await asyncio.to_thread(self._anchor.advance, self.snapshot.head)
        return checkpoint

    def _restore(self, checkpoint: Checkpoint, batch: Batch) -> None:
        changed = {name for entry in batch.entries for name in entry.digests}
        actors = {actor for name in changed if (actor := actor_of(name)) is not None}
        before = checkpoint.content.snapshot(
            checkpoint.header.head, batch.records, self.codec, self.snapshot.scorers, actors
        )
        # Of an actor that has changed all is taken anew, also what has not.
        anew = {
            name: stored
            for name, stored in batch.records.items()
            if name in changed or actor_of(name) in actors
        }
        self.snapshot = before.applied(batch.entries, anew, self.codec)

    async def _load_all(self) -> None:
        anchored = self._anchor.read()
        batch = await read_all(self._store, self.journal, anchored or START)
        # Another process of this machine may have begun the store between the two readings.
        is_missing = anchored is None and self._store.embedded and self._anchor.read() is None
        if is_missing and len(batch.entries) > 1:
            raise StoreTampered.of(f"file {self._anchor.path.name}", "is missing")
        await self._take(batch)

    async def _verify_the_rest(self, checkpoint: Checkpoint) -> None:
        """Verify what a start from a checkpoint has left out, and write checkpoints from then on."""
        head, digests = checkpoint.header.head, checkpoint.content.digests
        del checkpoint
        started_s = time.monotonic()
        while True:
            try:
                await verify_history(self.journal, head, digests)
                await find_strangers(self._store, self._record_names)
                break
            except StoreTampered as error:
                self._health.distrust(error)
                self._checkpoints.discard()
                return
            except IndexRoomError as error:
                self._health.failed(error)
                await asyncio.sleep(_RETRY_S)
        duration_ms = round((time.monotonic() - started_s) * 1000)
        self._checkpoints.tell(f"journal verified up to entry {head.sequence} in {duration_ms} ms")
        digests = {}
        _return_memory()
        self._write_checkpoints()

    def _write_checkpoints(self) -> None:
        self._checkpoints.start(lambda: self.snapshot, self._caught_up)

    async def _caught_up(self) -> Snapshot:
        """A snapshot with all that is in the journal now."""
        async with self._lock:
            await self._catch_up()
            return self.snapshot

    async def _record_names(self) -> frozenset[str]:
        snapshot = await self._caught_up()
        return await asyncio.to_thread(record_names, snapshot)

    async def _take(self, batch: Batch) -> None:
        """Anchor some entries and make the snapshot that has them."""
        self._checkpoints.take(batch.entries)
        await asyncio.to_thread(self._anchor.advance, batch.entries[-1].head)
        self.snapshot = await asyncio.to_thread(
            self.snapshot.applied, batch.entries, batch.records, self.codec
        )

    async def _catch_up(self) -> None:
        """Take what is newer in the journal; the lock is held."""
        entries = await self.journal.read(self.snapshot.head)
        if not entries:
            await self.journal.check_contains(self.snapshot.head)
        while entries:
            self._health.behind(len(entries))
            await self._take(await read_batch(self._store, self.journal, entries))
            entries = await self.journal.read(self.snapshot.head)
        self._health.current()

    async def _follow(self) -> None:
        while True:
            try:
                await self.journal.wait(self.snapshot.head, wait_ms=_WAIT_MS)
                async with self._lock:
                    await self._catch_up()
            except IndexRoomError as error:
                self._health.failed(error)
                await asyncio.sleep(_RETRY_S)


@contextmanager
def _much_is_made() -> Iterator[None]:
    """Keep the garbage collector away from objects that are made by the hundred thousand and stay.

    It would go through them again and again, a third of the time of a start, and later in the middle of a call.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.collect()
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
        _return_memory()


def _return_memory() -> None:
    """Give back to the system what was needed for a while only; glibc would keep it, 1.5 KB a voiceprint."""
    # Another C library has no such function, and another way to deal with memory.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


async def _open_keys(store: Store, anchor: Anchor, key_path: Path) -> KeyRing:
    if await Journal.exists(store):
        return KeyRing.load(key_path)
    problem = await _traces_of_another(store, anchor)
    if problem is not None:
        # Another process may have begun the store since; then these are its traces.
        if await Journal.exists(store):
            return KeyRing.load(key_path)
        raise problem
    keys = KeyRing.open(key_path)
    # Another process may have been faster; then its first entry is the one that is read.
    await Journal(store, keys).commit(START, Draft(kind="store.created", principal="system"))
    return keys


async def _traces_of_another(store: Store, anchor: Anchor) -> StoreTampered | None:
    """What speaks against a store without a journal being new."""
    anchored = anchor.read()
    if anchored is not None:
        return StoreTampered.of(
            "the journal", f"is empty, although entry {anchored.sequence} was acknowledged"
        )
    strangers = await store.scan(RECORD_PREFIX)
    if strangers:
        return StoreTampered.of(
            f"key {min(strangers).removeprefix(RECORD_PREFIX)}", "is unknown to the journal"
        )
    return None
