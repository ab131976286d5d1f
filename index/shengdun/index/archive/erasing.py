"""Erasing calls for good, with a receipt of what was done where."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shengdun.index.archive import receipts
from shengdun.index.archive.errors import PartitionDamaged
from shengdun.index.archive.keeping import PartitionKeeper
from shengdun.index.archive.moving import Mover
from shengdun.index.archive.partitions import CALLS, INDEX, call_pseudonym
from shengdun.index.archive.receipts import ArchiveReceipt, EventJournal, ReceiptCheck
from shengdun.index.archive.stream import ArchiveStream, Place
from shengdun.index.archive.tail import encode_erasure
from shengdun.index.errors import StoreRefused
from shengdun.index.identifiers import make_id
from shengdun.index.keys import KeyRing
from shengdun.index.store import Store

ERASED: Final = "archive.erased"
"""The kind of journal entry; it stands for the order, and the receipt for what was done."""
_AT_ONCE: Final = 5000
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgottenCustomer:
    """A customer all of whose calls are erased, and who was forgotten elsewhere before.

    Attributes:
        pseudonym: of the customer; the receipt has a hash of it.
        allow_entries: from how many entries of the allow-list the customer was taken out.
    """

    pseudonym: str
    allow_entries: int


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
        wait_s: how long others are waited for.
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
        wait_s: float,
    ) -> None:
        self._store = store
        self._stream = stream
        self._keeper = keeper
        self._mover = mover
        self._keys = keys
        self._journal = journal
        self._wait_s = wait_s

    async def erase(
        self,
        call_ids: Sequence[str],
        *,
        reason: str,
        principal: str,
        customer: ForgottenCustomer | None = None,
    ) -> ArchiveReceipt:
        """Erase calls; see ``CallArchive.erase``."""
        receipt_id = make_id("rcp")
        entry = await self._journal.record_event(
            principal=principal, kind=ERASED, subjects=[f"receipt/{receipt_id}"]
        )
        hashes = [call_pseudonym(self._keys, call_id) for call_id in call_ids]
        async with self._keeper.changing():
            # What is there already is moved first, so that what is removed afterwards is this erasure's.
            await self._mover.move()
            number, in_store = await self._append(call_ids, hashes)
            removed = await self._mover.move()
        is_compacted = await self._compact()
        elsewhere = await self._others(number)
        receipt = ArchiveReceipt(
            receipt_id=receipt_id,
            reason=reason,
            principal=principal,
            erased_at=datetime.now(UTC),
            call_hashes=tuple(one.hex() for one in hashes),
            in_store=in_store,
            in_partitions=removed.calls,
            partitions=tuple(removed.partitions),
            unreadable=tuple(removed.unreadable),
            machines=elsewhere.machines,
            machines_to_come=elsewhere.machines_to_come,
            processes_to_come=elsewhere.processes_to_come,
            store_compacted=is_compacted,
            journal_sequence=entry.sequence,
            journal_hash=entry.hash,
            customer_hash=""
            if customer is None
            else receipts.customer_hash(customer.pseudonym, self._keys),
            allow_entries=0 if customer is None else customer.allow_entries,
        )
        return receipts.signed(receipt, self._keys)

    async def check(self, receipt: ArchiveReceipt) -> ReceiptCheck:
        """Look for what a receipt says is gone; see ``CallArchive.verify``."""
        page = await self._journal.audit(after=receipt.journal_sequence - 1, limit=1)
        is_journaled = any(
            entry.hash == receipt.journal_hash
            and entry.kind == ERASED
            and entry.subjects == (f"receipt/{receipt.receipt_id}",)
            for entry in page
        )
        found, problems = await self._look_for(receipt)
        return ReceiptCheck(
            is_signed=receipts.is_signed(receipt, self._keys),
            is_journaled=is_journaled,
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

    async def _append(self, call_ids: Sequence[str], hashes: Sequence[bytes]) -> tuple[int, int]:
        number, in_store = 0, 0
        for start in range(0, len(call_ids), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            number, removed = await self._stream.erase(hashes[part], encode_erasure(call_ids[part]))
            in_store += removed
        return number, in_store

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


def _behind(places: dict[str, Place], number: int) -> tuple[str, ...]:
    return tuple(sorted(name for name, place in places.items() if place.number < number))
