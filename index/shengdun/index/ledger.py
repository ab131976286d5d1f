"""The ledger: the current snapshot, and the only way to change it.

A change is planned on the snapshot, committed to the store if nobody was faster, anchored on this machine's disk, and
put into the next snapshot, in this order, before the caller hears of it. Meanwhile the ledger follows the journal, so
that changes by other processes and machines arrive within a fraction of a second, and a store that comes back is
caught up with.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from shengdun.index.checkpoint_file import CheckpointUnusable
from shengdun.index.checkpoints import Checkpoint
from shengdun.index.errors import IndexRoomError, KeyWrong, StoreBusy, StoreTampered
from shengdun.index.health import HealthRecord, IndexHealth
from shengdun.index.journal import Draft, Idempotency, Journal, JournalEntry, Seen
from shengdun.index.loading import Batch, find_strangers, read_batch, verify_history
from shengdun.index.memory import much_is_made, return_memory
from shengdun.index.reading import StoreReading
from shengdun.index.records import RecordCodec, actor_of
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer
from shengdun.index.scripts.known import KnownScripts
from shengdun.index.snapshot import Snapshot

_WAIT_MS: Final = 500
_RETRY_S: Final = 0.1
_ATTEMPTS: Final = 50
_VERIFY_AFTER_S: Final = 0.5

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
        scripts: what texts are compared with; follows the snapshot.
    """

    def __init__(self, reading: StoreReading, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.keys = reading.keys
        self.codec = RecordCodec(reading.keys)
        self.scripts = KnownScripts()
        self.journal = Journal(reading.store, reading.keys)
        self._store = reading.store
        self._anchor = reading.anchor
        self._checkpoints = reading.checkpoints
        self._lock = asyncio.Lock()
        self._swapping = asyncio.Lock()
        self._health = HealthRecord()
        self._follower: asyncio.Task[None] | None = None
        self._verifier: asyncio.Task[None] | None = None

    @classmethod
    async def of(
        cls, reading: StoreReading, *, scorers: Sequence[Scorer], shadow: Sequence[Scorer] = ()
    ) -> "Ledger":
        """Load what was read of a store, and follow it from then on; see ``Registry.of``.

        Raises:
            StoreTampered: the store is not what was acknowledged; names the first bad thing.
        """
        ledger = cls(reading, Snapshot.empty(scorers, shadow))
        with much_is_made():
            checkpoint = await ledger._load(reading)
        ledger._health.current()
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

    async def _load(self, reading: StoreReading) -> Checkpoint | None:
        """Returns the checkpoint that was loaded from, so that the journal before it is still to be verified."""
        checkpoint, batch = reading.hand_over()
        if checkpoint is None:
            await self._take(batch)
            return None
        try:
            await asyncio.to_thread(self._restore, checkpoint, batch)
        except (CheckpointUnusable, ValueError, LookupError) as error:
            self._checkpoints.not_used(str(error))
            await self._take(await reading.whole())
            return None
        self._checkpoints.used(checkpoint)
        self._checkpoints.take(batch.entries)
        await asyncio.to_thread(self._anchor.advance, self.snapshot.head)
        return checkpoint

    def _restore(self, checkpoint: Checkpoint, batch: Batch) -> None:
        changed = {name for entry in batch.entries for name in entry.digests}
        actors = {actor for name in changed if (actor := actor_of(name)) is not None}
        before = checkpoint.content.snapshot(
            checkpoint.header, batch.records, self.codec, self.snapshot.scorers, actors
        )
        # Of an actor that has changed all is taken anew, also what has not.
        anew = {
            name: stored
            for name, stored in batch.records.items()
            if name in changed or actor_of(name) in actors
        }
        self.snapshot = before.applied(batch.entries, anew, self.codec)
        self.scripts.follow(self.snapshot.scripts)

    async def _verify_the_rest(self, checkpoint: Checkpoint) -> None:
        """Verify what a start from a checkpoint has left out, and write checkpoints from then on."""
        head, digests = checkpoint.header.head, checkpoint.content.digests
        del checkpoint
        # What is still to be started, and those who have waited for it, come first.
        await asyncio.sleep(_VERIFY_AFTER_S)
        started_s = time.monotonic()
        while True:
            try:
                await verify_history(self.journal, head, digests)
                await find_strangers(self._store, self._caught_up)
                break
            except (StoreTampered, KeyWrong) as error:
                self._health.distrust(error)
                self._checkpoints.discard()
                return
            except IndexRoomError as error:
                self._health.failed(error)
                await asyncio.sleep(_RETRY_S)
        duration_ms = round((time.monotonic() - started_s) * 1000)
        self._checkpoints.tell(f"journal verified up to entry {head.sequence} in {duration_ms} ms")
        del digests
        return_memory()
        self._write_checkpoints()

    def _write_checkpoints(self) -> None:
        self._checkpoints.start(lambda: self.snapshot, self._caught_up)

    async def _caught_up(self) -> Snapshot:
        """A snapshot with all that is in the journal now."""
        async with self._lock:
            await self._catch_up()
            return self.snapshot

    async def _take(self, batch: Batch) -> None:
        """Anchor some entries and make the snapshot that has them."""
        self._checkpoints.take(batch.entries)
        await asyncio.to_thread(self._anchor.advance, batch.entries[-1].head)
        self.snapshot = await asyncio.to_thread(self._applied, batch)

    def _applied(self, batch: Batch) -> Snapshot:
        """The next snapshot; its scripts are searched for when this returns."""
        after = self.snapshot.applied(batch.entries, batch.records, self.codec)
        self.scripts.follow(after.scripts)
        return after

    async def _catch_up(self) -> None:
        """Take what is newer in the journal; the lock is held."""
        entries = await self.journal.read(self.snapshot.head)
        if not entries:
            await self._is_up_to_date()
        while entries:
            self._health.behind(len(entries))
            await self._take(await read_batch(self._store, self.journal, entries))
            entries = await self.journal.read(self.snapshot.head)
        self._health.current()

    async def _is_up_to_date(self) -> None:
        """Note that nothing is newer in the journal, once it is seen that this is the journal that was followed."""
        await self.journal.check_contains(self.snapshot.head)
        self._health.current()

    async def _follow(self) -> None:
        while True:
            try:
                head = self.snapshot.head
                came = await self.journal.wait(head, wait_ms=_WAIT_MS)
                async with self._lock:
                    if came or head != self.snapshot.head:
                        await self._catch_up()
                    else:
                        await self._is_up_to_date()
            except IndexRoomError as error:
                self._health.failed(error)
                await asyncio.sleep(_RETRY_S)
