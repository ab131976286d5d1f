"""Erasing what is kept of a customer of whom there are no calls: the same receipt as of calls, of none."""

from datetime import UTC, datetime

from shengdun.index.archive.receipts import (
    ERASED,
    ArchiveReceipt,
    ErasedCustomer,
    EventJournal,
    ReceiptCheck,
    is_journaled,
    is_signed,
    signed,
)
from shengdun.index.identifiers import make_id
from shengdun.index.keys import KeyRing


async def receipt_of_customer(
    customer: ErasedCustomer,
    *,
    reason: str,
    principal: str,
    store_compacted: bool,
    keys: KeyRing,
    journal: EventJournal,
) -> ArchiveReceipt:
    """Journal that a customer was erased, and give the receipt.

    Args:
        customer: what was erased.
        reason: as it was given.
        principal: who asked for it.
        store_compacted: whether the files of the store were rewritten after that.
        keys: of this installation.
        journal: the registry.
    """
    receipt_id = make_id("rcp")
    entry = await journal.record_event(
        principal=principal, kind=ERASED, subjects=[f"receipt/{receipt_id}"]
    )
    receipt = ArchiveReceipt(
        receipt_id=receipt_id,
        reason=reason,
        principal=principal,
        erased_at=datetime.now(UTC),
        call_hashes=(),
        in_store=0,
        in_partitions=0,
        partitions=(),
        unreadable=(),
        machines=(),
        machines_to_come=(),
        processes_to_come=0,
        store_compacted=store_compacted,
        journal_sequence=entry.sequence,
        journal_hash=entry.hash,
    )
    return signed(receipt, keys, customer=customer)


async def check_receipt_of_customer(
    receipt: ArchiveReceipt, *, keys: KeyRing, journal: EventJournal
) -> ReceiptCheck:
    """What can be said of a receipt without an archive: whether it is ours, and journaled."""
    return ReceiptCheck(
        is_signed=is_signed(receipt, keys),
        is_journaled=await is_journaled(receipt, journal),
        found=(),
        problems=(),
    )
