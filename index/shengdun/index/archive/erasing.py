"""Erasing calls for good, with a receipt of what was done where.

What was begun is written down in the same step of the store that takes the calls out, and stays until it is done
everywhere. Whoever dies amid an erasure leaves that note, and another process, or the same after its restart, does it
again from the start: only then the decisions, files and rewritten files of the store are known to be gone too.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shengdun.index.archive import receipts
from shengdun.index.archive.building import Removed
from shengdun.index.archive.errors import PartitionDamaged
from shengdun.index.archive.following import FORGET_S
from shengdun.index.archive.keeping import PartitionKeeper
from shengdun.index.archive.marks import call_marks
from shengdun.index.archive.moving import Mover
from shengdun.index.archive.partitions import CALLS, INDEX, call_pseudonym
from shengdun.index.archive.receipts import (
    ERASED,
    ArchiveReceipt,
    ErasedCustomer,
    EventJournal,
    ReceiptCheck,
)
from shengdun.index.archive.stream import ArchiveStream, BegunErasure, Place, begun_name
from shengdun.index.archive.tail import decode_erasure, encode_erasure
from shengdun.index.errors import StoreRefused
from shengdun.index.identifiers import make_id
from shengdun.index.keys import KeyRing
from shengdun.index.store import Store

_AT_ONCE: Final = 5000
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What an erasure did.

    Attributes:
        in_store: how many calls the store had.
        removed: from this machine's partitions.
        is_compacted: whether the files of the store were rewritten.
        elsewhere: how far the others are.
    """

    in_store: int
    removed: Removed
    is_compacted: bool
    elsewhere: "_Elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Elsewhere:
    """How far the others are with an erasure."""

    machines: tuple[str, ...]
    machines_to_come: tuple[str, ...]
    processes_to_come: int


class Eraser:
    """Erases calls from a store and the partitions.

    Args:
        store: is compacted.
        stream: has what isn't in partitions.
        keeper: has the partitions.
        mover: changes them.
        keys: of this installation.
        journal: where it is written down who had what erased.
        process: the name of this process in the stream.
        wait_s: how long others are waited for.
        forget_s: marks of what was erased go after that; 0 keeps them.
    """

    def __init__(
        self,
        store: Store,
        stream: ArchiveStream,
        keeper: PartitionKeeper,
        mover: Mover,
        keys: KeyRing,
        journal: EventJournal,
        *,
        process: str,
        wait_s: float,
        forget_s: float = 0.0,
    ) -> None:
        self._store = store
        self._stream = stream
        self._keeper = keeper
        self._mover = mover
        self._keys = keys
        self._journal = journal
        self._process = process
        self._wait_s = wait_s
        self._forget_s = forget_s
        self._under_way = 0

    async def begun(self, asked: str) -> tuple[BegunErasure, ...]:
        """What was begun for the same request before, and isn't known to be done everywhere."""
        return tuple(one for one in await self._stream.begun() if one.asked == asked)

    async def erase(
        self,
        call_ids: Sequence[str],
        *,
        asked: str,
        begun: Sequence[BegunErasure],
        reason: str,
        principal: str,
        marks_calls: bool,
        customer: ErasedCustomer | None = None,
    ) -> ArchiveReceipt:
        """Erase calls; see ``CallArchive.erase``.

        Args:
            call_ids: which.
            asked: keyed hash of what was asked for.
            begun: what was begun for it before, and is done with this.
            reason: for the receipt.
            principal: who asks for it.
            marks_calls: whether these calls are not to come back.
            customer: whose calls these are, all of them.
        """
        receipt_id = make_id("rcp")
        entry = await self._journal.record_event(
            principal=principal, kind=ERASED, subjects=[f"receipt/{receipt_id}"]
        )
        hashes = [call_pseudonym(self._keys, call_id) for call_id in call_ids]
        marks = call_marks(call_ids, self._keys) if marks_calls else ()
        done = await self._carry_out(call_ids, hashes, marks, asked=asked, begun=begun)
        receipt = ArchiveReceipt(
            receipt_id=receipt_id,
            reason=reason,
            principal=principal,
            erased_at=datetime.now(UTC),
            call_hashes=tuple(one.hex() for one in hashes),
            in_store=done.in_store,
            in_partitions=done.removed.calls,
            partitions=tuple(done.removed.partitions),
            unreadable=tuple(done.removed.unreadable),
            machines=done.elsewhere.machines,
            machines_to_come=done.elsewhere.machines_to_come,
            processes_to_come=done.elsewhere.processes_to_come,
            store_compacted=done.is_compacted,
            journal_sequence=entry.sequence,
            journal_hash=entry.hash,
        )
        return receipts.signed(receipt, self._keys, customer=customer)

    async def finish(self) -> int:
        """Carry out anew what was cut off: begun by this process, which isn't at it, or by one that is gone.

        Returns:
            How many calls that was about.
        """
        begun = await self._stream.begun()
        if not begun:
            return 0
        _, processes = await self._stream.places()
        alive = {name for name, place in processes.items() if place.silent_s <= FORGET_S}
        at_it = alive - {self._process} if not self._under_way else alive | {self._process}
        cut_off = [one for one in begun if one.process not in at_it]
        call_ids = call_ids_of(cut_off)
        if cut_off:
            # They were marked when it was begun.
            hashes = [call_pseudonym(self._keys, call_id) for call_id in call_ids]
            await self._carry_out(call_ids, hashes, (), asked="", begun=cut_off)
        return len(call_ids)

    async def _carry_out(
        self,
        call_ids: Sequence[str],
        hashes: Sequence[bytes],
        marks: Sequence[bytes],
        *,
        asked: str,
        begun: Sequence[BegunErasure],
    ) -> _Done:
        self._under_way += 1
        try:
            async with self._keeper.changing():
                # What is there already is moved first, so that what is removed afterwards is this erasure's.
                await self._mover.move()
                numbers, in_store = await self._append(call_ids, hashes, marks, asked=asked)
                removed = await self._mover.move()
            is_compacted = await self._compact()
            elsewhere = await self._others(numbers[-1])
            names = [begun_name(one, process=self._process, asked=asked) for one in numbers]
            await self._stream.settle([*names, *(one.name for one in begun)])
        finally:
            self._under_way -= 1
        return _Done(
            in_store=in_store, removed=removed, is_compacted=is_compacted, elsewhere=elsewhere
        )

    async def check(self, receipt: ArchiveReceipt) -> ReceiptCheck:
        """Look for what a receipt says is gone; see ``CallArchive.verify``."""
        found, problems = await self._look_for(receipt)
        return ReceiptCheck(
            is_signed=receipts.is_signed(receipt, self._keys),
            is_journaled=await receipts.is_journaled(receipt, self._journal),
            found=tuple(found),
            problems=tuple(problems),
        )

    async def _look_for(self, receipt: ArchiveReceipt) -> tuple[list[str], list[str]]:
        hashes = [bytes.fromhex(one) for one in receipt.call_hashes]
        await self._keeper.reload()
        found, problems = await asyncio.to_thread(self._look_through, hashes)
        found += [
            f"the store has call {one.hex()}" for one in hashes if await self._stream.known(one)
        ]
        key_names = await self._stream.key_names()
        for name in receipt.partitions:
            if self._keeper.key_name(name) in key_names:
                found.append(f"the store has the key of partition {name}")
            path = self._keeper.directory / name
            if any(path.with_suffix(suffix).exists() for suffix in (CALLS, INDEX)):
                found.append(f"partition {name} has files")
        return found, problems

    def _look_through(self, hashes: Sequence[bytes]) -> tuple[list[str], list[str]]:
        found, problems = [], []
        for name, reader in self._keeper.partitions.readers.items():
            try:
                rows = self._keeper.rows_of(reader, hashes)
            except PartitionDamaged as error:
                problems.append(error.message)
                continue
            if rows:
                found.append(f"partition {name} has {len(rows)} of the calls")
        return found, problems

    async def _append(
        self,
        call_ids: Sequence[str],
        hashes: Sequence[bytes],
        marks: Sequence[bytes],
        *,
        asked: str,
    ) -> tuple[list[int], int]:
        numbers, in_store = [], 0
        for start in range(0, len(call_ids), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            number, removed = await self._stream.erase(
                hashes[part],
                encode_erasure(call_ids[part]),
                process=self._process,
                asked=asked,
                marks=marks[part],
                forget_s=self._forget_s,
            )
            numbers.append(number)
            in_store += removed
        return numbers, in_store

    async def _compact(self) -> bool:
        try:
            await self._store.compact()
        except StoreRefused:
            return False  # a managed server compacts by itself
        return True

    async def _others(self, number: int) -> _Elsewhere:
        patience_s = time.monotonic() + self._wait_s
        while True:
            machines, processes = await self._stream.places()
            elsewhere = _Elsewhere(
                machines=tuple(sorted(set(machines) - set(_behind(machines, number)))),
                machines_to_come=_behind(machines, number),
                processes_to_come=len(_behind(processes, number)),
            )
            waits = elsewhere.machines_to_come or elsewhere.processes_to_come
            if not waits or time.monotonic() > patience_s:
                return elsewhere
            await asyncio.sleep(_POLL_S)


def call_ids_of(begun: Sequence[BegunErasure]) -> tuple[str, ...]:
    """The calls that some erasures are about, each once."""
    return tuple(dict.fromkeys(one for each in begun for one in decode_erasure(each.content)))


def _behind(places: dict[str, Place], number: int) -> tuple[str, ...]:
    return tuple(sorted(name for name, place in places.items() if place.number < number))
