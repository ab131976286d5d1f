"""The call archive: every finished call, once, for as long as it may be kept, and nothing of it afterwards.

A call that was added is in the store, sealed, and survives any crash from then on. Every minute it is moved to this
machine's partitions (``keeping``); what all machines have is then taken out of the store. Every process follows what
comes and what is erased (``following``), so that what it answers is never older than a fraction of a second.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shengdun.index.archive.blocks import BLOCK_ROWS, CallBlock
from shengdun.index.archive.erasing import Eraser, call_ids_of
from shengdun.index.archive.errors import CallNotArchived, PartitionDamaged
from shengdun.index.archive.following import Follower, Listener
from shengdun.index.archive.keeping import PartitionKeeper
from shengdun.index.archive.marks import Origin, is_about_a_person, marks_of, person_marks
from shengdun.index.archive.matching import narrows
from shengdun.index.archive.moving import Mover, Retained
from shengdun.index.archive.partitions import call_pseudonym
from shengdun.index.archive.receipts import (
    ArchiveReceipt,
    ErasedCustomer,
    EventJournal,
    ReceiptCheck,
)
from shengdun.index.archive.retention import Retention
from shengdun.index.archive.rows import ArchivedCall, CallQuery
from shengdun.index.archive.scanning import BLOCK_COLUMNS, Scan
from shengdun.index.archive.stream import ArchiveStream
from shengdun.index.archive.tables import SIGNATURES, call_at
from shengdun.index.archive.tail import decode_call, encode_call
from shengdun.index.errors import (
    IndexRoomError,
    InvalidRecord,
    StoreBusy,
    StoreFull,
    StoreUnavailable,
)
from shengdun.index.identifiers import check_text
from shengdun.index.keys import KeyRing
from shengdun.index.store import Store

_ATTEMPTS: Final = 20
_RETAIN_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSettings:
    """How an archive is kept.

    Attributes:
        flush_s: how often calls are moved from the store to the partitions; None to do it only when asked.
        keep_s: for how long a machine that isn't heard of has calls kept for it in the store.
        linger_s: for how long every call stays in the store, so that all processes hear of it.
        erase_wait_s: how long an erasure waits for other machines and processes.
        retention: for how many days calls are kept; None for ever.
    """

    flush_s: float | None = 60.0
    keep_s: float = 7 * 86_400.0
    linger_s: float = 30.0
    erase_wait_s: float = 10.0
    retention: Retention | None = None

    @property
    def forget_s(self) -> float:
        """After how long a call of before an erasure would not be kept in any case; 0 for never."""
        return 0.0 if self.retention is None else 86_400.0 * (self.retention.longest + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveHealth:
    """How the archive is.

    Attributes:
        calls: in this machine's partitions.
        tail: in the store, and not in the partitions yet.
        days: for which there are partitions.
        problems: what is wrong, in words; empty if all is well.
    """

    calls: int
    tail: int
    days: int
    problems: tuple[str, ...]


class CallArchive:
    """The call archive, as one process has it.

    Methods raise besides what is documented ``StoreUnavailable`` (what was asked may or may not have been done),
    ``StoreFull`` and ``StoreRefused``.
    """

    def __init__(
        self,
        store: Store,
        keys: KeyRing,
        directory: Path,
        journal: EventJournal,
        settings: ArchiveSettings,
    ) -> None:
        """Use ``CallArchive.open``."""
        self._store = store
        self._keys = keys
        self._settings = settings
        self._stream = ArchiveStream(store, keys)
        self._keeper = PartitionKeeper(directory, self._stream, keys)
        self._follower = Follower(self._stream, self._keeper, keys)
        self._mover = Mover(
            self._keeper,
            self._stream,
            keys,
            keep_s=settings.keep_s,
            linger_s=settings.linger_s,
        )
        self._eraser = Eraser(
            store,
            self._stream,
            self._keeper,
            self._mover,
            keys,
            journal,
            process=self._follower.process,
            wait_s=settings.erase_wait_s,
            forget_s=settings.forget_s,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._damaged: dict[str, str] = {}
        self._failures: dict[str, str] = {}
        self._retained_s = -_RETAIN_S

    @classmethod
    async def open(
        cls,
        store: Store,
        keys: KeyRing,
        directory: Path,
        journal: EventJournal,
        settings: ArchiveSettings | None = None,
    ) -> "CallArchive":
        """Open the archive of this machine, and follow what comes from then on.

        Args:
            store: a connected store; whoever connected it closes it, after the archive.
            keys: of this installation.
            directory: for the archive alone, shared by the processes of this machine; made when it is missing.
            journal: the registry.
            settings: how it is kept.

        Raises:
            StoreTampered: the manifest was altered.
            StoreUnavailable: the store doesn't answer, or the directory can't be used.
        """
        try:
            archive = cls(store, keys, directory, journal, settings or ArchiveSettings())
            await archive._keeper.open()
        except OSError as error:
            raise StoreUnavailable(
                f"The call archive's directory can't be used: {error.strerror}."
            ) from error
        async with archive._keeper.changing():
            await archive._mover.register()
        await archive._follower.start()
        archive._tasks.append(asyncio.create_task(archive._follower.run()))
        if archive._settings.flush_s is not None:
            archive._tasks.append(asyncio.create_task(archive._maintain(archive._settings.flush_s)))
        return archive

    async def close(self) -> None:
        """Stop following and moving; idempotent. What was added stays where it is."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if tasks:
            with suppress(IndexRoomError):
                await self._stream.leave(self._follower.process)

    @property
    def health(self) -> ArchiveHealth:
        """How the archive is; costs nothing."""
        manifest = self._keeper.manifest
        return ArchiveHealth(
            calls=manifest.calls,
            tail=len(self._follower.tail()),
            days=len({partition.day for partition in manifest.partitions}),
            problems=self.problems,
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with it, in words: damaged partitions by name, what can't be done now, what was missed."""
        counting = {partition.name for partition in self._keeper.manifest.partitions}
        damaged = [text for name, text in sorted(self._damaged.items()) if name in counting]
        missed = [
            f"This machine's archive lacks the calls of entries {first + 1} to {last}, which came while it was away: "
            f"ask another machine for these."
            for first, last in self._keeper.manifest.missed
        ]
        follower = [self._follower.problem] if self._follower.problem else []
        return (*damaged, *missed, *self._failures.values(), *follower)

    async def add(self, call: ArchivedCall, *, origin: Origin | None = None) -> bool:
        """Archive a call; durable when this returns.

        Args:
            call: the call.
            origin: of a call of the past that must not have been erased; None for any other.

        Returns:
            False if a call of this id is archived already, whatever else it says; nothing is changed then.

        Raises:
            CallErased: it was erased, or all calls of its customer or number were.
        """
        self._store.check_writable()
        pseudonym = call_pseudonym(self._keys, call.call_id)
        marks = () if origin is None else marks_of(origin, self._keys)
        started_ms = round(call.started_at.timestamp() * 1000)
        content = encode_call(call, self._keys)
        for _ in range(_ATTEMPTS):
            partitions = self._keeper.partitions
            if await asyncio.to_thread(partitions.has, pseudonym, call.call_id.__eq__):
                return False
            through = partitions.manifest.through
            number = await self._stream.add(
                pseudonym, content, through=through, marks=marks, started_ms=started_ms
            )
            if number is not None:
                if number:
                    self._follower.put(number, decode_call(content, self._keys))
                return bool(number)
            await self._follower.catch_up()
            if self._keeper.manifest.through == through:
                async with self._keeper.changing():
                    await self._mover.move()
        raise StoreBusy("Others kept changing the call archive; the call wasn't added. Try again.")

    def get(self, call_id: str) -> ArchivedCall:
        """One call; may be called from any thread.

        Raises:
            CallNotArchived: there is none of this id.
            PartitionDamaged: it is there, and its partition can't be read.
        """
        call = self._follower.get(call_id)
        if call is not None:
            return call
        pseudonym = call_pseudonym(self._keys, call_id)
        found = self._keeper.partitions.find(pseudonym, call_id.__eq__)
        # It may have been moved since the tail was asked.
        if found is None or pseudonym in self._follower.erased:
            raise CallNotArchived.of(call_id)
        reader, row = found
        return call_at(reader.open(), row)

    async def has(self, call_id: str) -> bool:
        """Whether a call is there, as this process knows it; its row isn't read."""
        if self._follower.get(call_id) is not None:
            return True
        pseudonym = call_pseudonym(self._keys, call_id)
        found = await asyncio.to_thread(self._keeper.partitions.has, pseudonym, call_id.__eq__)
        return found and pseudonym not in self._follower.erased

    async def is_erased(self, origin: Origin) -> bool:
        """Whether a call of the past was erased, or all calls of its customer or number were since it started."""
        return await self._stream.is_erased(
            marks_of(origin, self._keys), started_ms=round(origin.started_at.timestamp() * 1000)
        )

    def scan(
        self,
        query: CallQuery,
        *,
        voiceprints: bool = True,
        ahead: bool = False,
        block_rows: int = BLOCK_ROWS,
        signatures: bool = False,
        columns: Sequence[str] = BLOCK_COLUMNS,
    ) -> Iterator[CallBlock]:
        """Everything archived that matches, by day, some thousand calls at a time; may be used on any thread.

        Each call is given once, also when it is moved meanwhile; one that is erased meanwhile isn't given any more. A
        damaged partition is named in ``problems`` and skipped.

        Args:
            query: what is asked for.
            voiceprints: whether to read the voiceprints before a block is given, so that they can't fail any more.
            ahead: without these, whether to have the system fetch them, for whoever reads them from the block soon;
                one who finds a partition damaged then tells ``note``.
            block_rows: rows that a block has at most; best a multiple of ``BLOCK_ROWS``.
            signatures: whether to read the signatures before a block is given.
            columns: the same of other columns.
        """
        wanted = (*columns, SIGNATURES) if signatures else tuple(columns)
        scan = Scan(
            self._keeper,
            self._follower,
            self._keys,
            query,
            columns=wanted,
            voiceprints=voiceprints,
            ahead=ahead,
            block_rows=block_rows,
            problems=self._damaged,
        )
        return scan.blocks()

    def note(self, damaged: PartitionDamaged) -> None:
        """Name a partition in ``problems`` that turned out to be damaged; may be called from any thread."""
        self._damaged[damaged.partition] = damaged.message

    def extent(self, query: CallQuery) -> int:
        """How many calls a scan goes through at most: all of the partitions that may have any, and of the tail."""
        scan = Scan(
            self._keeper,
            self._follower,
            self._keys,
            query,
            columns=(),
            voiceprints=False,
            problems={},
        )
        return scan.extent()

    async def flush(self) -> None:
        """Move what the store has to this machine's partitions.

        Raises:
            ArchiveDiskFull: there is no space; what isn't moved stays in the store.
            SealBroken: an entry of the store was altered.
        """
        async with self._keeper.changing():
            await self._mover.move()
        await self._follower.catch_up()

    async def erase(
        self,
        which: CallQuery | Collection[str],
        *,
        reason: str,
        principal: str,
        customer: ErasedCustomer | None = None,
    ) -> ArchiveReceipt:
        """Erase calls for good: not found any more, by anybody, when this returns.

        Partitions that have them are replaced by ones without them under new keys, and the old keys and files are
        deleted; the store's files are rewritten; other machines and processes are waited for. The receipt says what was
        done, and what is still to come elsewhere. A backup of the data directory keeps them until it is deleted.

        Calls that are named by id, or are somebody's, don't come back when a recording of them is screened again. An
        erasure that is cut off goes on by itself (``finish_erasures``); asked for again, it is what the receipt is of.

        Args:
            which: a query that leaves something out, or call ids.
            reason: for the receipt.
            principal: who asks for it, for the journal.
            customer: whose calls these are, all of them, for the receipt; forgotten elsewhere before.

        Raises:
            CallNotArchived: there is no such call, or one of the ids isn't there; nothing was changed.
            ArchiveDiskFull: the store has them no more, and the partitions still do; they go once there is space.
        """
        check_text("reason", reason, longest=1000)
        query, named = (which, ()) if isinstance(which, CallQuery) else (None, sorted(set(which)))
        asked = self._keys.pseudonym(f"asked/{query or named}")
        begun = await self._eraser.begun(asked)
        async with self._marked(() if query is None else person_marks(query, self._keys)):
            call_ids = await self._chosen(which, call_ids_of(begun))
        receipt = await self._eraser.erase(
            call_ids,
            asked=asked,
            begun=begun,
            reason=reason,
            principal=principal,
            marks_calls=query is None or is_about_a_person(query),
            customer=customer,
        )
        await self._follower.catch_up()
        return receipt

    async def finish_erasures(self) -> int:
        """Carry out anew what was cut off by a crash or for want of the store; done regularly by itself.

        Returns:
            How many calls that was about.

        Raises:
            ArchiveDiskFull: as ``erase``.
        """
        return await self._eraser.finish()

    async def bar(self, query: CallQuery) -> None:
        """Let no calls of the past come that are all of somebody's, of whom there are none now."""
        await self._stream.mark(person_marks(query, self._keys), forget_s=self._settings.forget_s)

    async def verify(self, receipt: ArchiveReceipt) -> ReceiptCheck:
        """Look on this machine, and in the store, for everything that a receipt says is gone."""
        return await self._eraser.check(receipt)

    async def retain(
        self, days_by_line: Mapping[str, int], now: datetime, *, days: int
    ) -> Retained:
        """Take calls out of this machine's partitions that are to be kept no more; each machine does so by itself.

        A partition whose lines are all past is dropped whole with its key.

        Args:
            days_by_line: for how many days calls of some lines are kept.
            now: the clock.
            days: for how many days those of all other lines are.

        Raises:
            ClockJumped: the clock can't be right; nothing was taken out.
            ArchiveDiskFull: there is no space to write what is left; nothing was taken out.
        """
        retention = Retention(days=days, days_by_line=days_by_line)
        async with self._keeper.changing():
            return await self._mover.retain(retention, now)

    def follow(self, listener: Listener) -> None:
        """Tell somebody, from now on, what comes and what is erased, by this process or any other."""
        self._follower.listen(listener)

    @asynccontextmanager
    async def _marked(self, marks: Sequence[bytes]) -> AsyncIterator[None]:
        """Mark whose calls are about to be looked for, so that no further ones come, unless there are none."""
        is_new = False
        if marks:
            # A store that is full takes no calls either, and takes marks again once the calls are out of it.
            with suppress(StoreFull):
                is_new = await self._stream.mark(marks, forget_s=self._settings.forget_s)
        try:
            yield
        except CallNotArchived:
            if is_new:
                await self._stream.unmark(marks)
            raise

    async def _chosen(
        self, which: CallQuery | Collection[str], begun: Sequence[str]
    ) -> tuple[str, ...]:
        """The ids of the calls that are meant, with those whose erasure was begun for the same request before."""
        if isinstance(which, CallQuery):
            if not narrows(which):
                raise InvalidRecord(
                    "Say which calls to erase: by id, time, line, customer or flag."
                )
            found = await asyncio.to_thread(self._ids, which)
            if not found and not begun:
                raise CallNotArchived("No archived call is like that; nothing was erased.")
            return tuple(dict.fromkeys((*found, *begun)))
        ids = tuple(dict.fromkeys(which))
        for call_id in ids:
            if call_id not in begun:
                await asyncio.to_thread(self._check_archived, call_id)
        if not ids:
            raise CallNotArchived("No call was named; nothing was erased.")
        return ids

    def _ids(self, query: CallQuery) -> tuple[str, ...]:
        blocks = self.scan(query, voiceprints=False, columns=("call_id",))
        return tuple(call_id for block in blocks for call_id in block.call_ids)

    def _check_archived(self, call_id: str) -> None:
        if self._follower.get(call_id) is None:
            pseudonym = call_pseudonym(self._keys, call_id)
            if not self._keeper.partitions.has(pseudonym, call_id.__eq__):
                raise CallNotArchived.of(call_id)

    async def _maintain(self, flush_s: float) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._follower.woken.wait(), flush_s)
            self._follower.woken.clear()
            try:
                await self.flush()
                await self.finish_erasures()
                self._failures.pop("flush", None)
            except IndexRoomError as error:
                self._failures["flush"] = error.message
            await self._retain_if_due()

    async def _retain_if_due(self) -> None:
        retention = self._settings.retention
        if retention is None or time.monotonic() < self._retained_s + _RETAIN_S:
            return
        try:
            await self.retain(retention.days_by_line, datetime.now(UTC), days=retention.days)
            self._failures.pop("retention", None)
        except IndexRoomError as error:
            self._failures["retention"] = error.message
        self._retained_s = time.monotonic()
