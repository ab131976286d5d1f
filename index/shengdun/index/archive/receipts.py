"""Receipts of what was erased from the archive: signed, and to be kept outside of it."""

import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Protocol

from shengdun.index.keys import KeyRing
from shengdun.index.watchlists import AuditEntry


class EventJournal(Protocol):
    """Where erasures are journaled: the registry."""

    async def record_event(
        self, *, principal: str, kind: str, subjects: Sequence[str]
    ) -> AuditEntry:
        """Journal what somebody did."""

    async def audit(self, *, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]:
        """The entries after a sequence number, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReceipt:
    """What was erased, and where.

    Attributes:
        receipt_id: made by the server; the journal names it.
        reason: as it was given.
        principal: who asked for it.
        erased_at: in UTC.
        call_hashes: keyed hashes (hex) of the ids of the calls.
        in_store: how many of them the store had.
        in_partitions: how many of them this machine's partitions had.
        partitions: those that were replaced by ones without the calls; their keys and files are deleted.
        unreadable: partitions that couldn't be looked through; one that is among ``partitions`` too was deleted whole.
        machines: that have done the same.
        machines_to_come: that haven't yet: they are down, or were for long. They do it before anything else.
        processes_to_come: how many processes may have had one of the calls in memory when this was written.
        store_compacted: whether the files of the store were rewritten after that; a managed store does it by itself.
        journal_sequence: the number of the journal's entry.
        journal_hash: its hash, hex.
        signature: of all that by the installation's own key, hex.
        customer_hash: keyed hash (hex) of the customer's pseudonym, where all calls of one were erased; with these goes
            what else is kept of the customer.
        allow_entries: from how many entries of the allow-list the customer was taken out then.
    """

    receipt_id: str
    reason: str
    principal: str
    erased_at: datetime
    call_hashes: tuple[str, ...]
    in_store: int
    in_partitions: int
    partitions: tuple[str, ...]
    unreadable: tuple[str, ...]
    machines: tuple[str, ...]
    machines_to_come: tuple[str, ...]
    processes_to_come: int
    store_compacted: bool
    journal_sequence: int
    journal_hash: str
    signature: str = ""
    customer_hash: str = ""
    allow_entries: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left to be done anywhere when it was written."""
        return not (self.machines_to_come or self.processes_to_come or self.unreadable)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptCheck:
    """What a receipt was checked against, and what was found.

    Attributes:
        is_signed: whether this installation issued it, as it is.
        is_journaled: whether the journal has its entry.
        found: what is there although it should be gone, in words.
        problems: what couldn't be looked through, in words.
    """

    is_signed: bool
    is_journaled: bool
    found: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether everything was found as the receipt says."""
        return self.is_signed and self.is_journaled and not self.found and not self.problems


def customer_hash(pseudonym: str, keys: KeyRing) -> str:
    """What stands for a customer in a receipt, which is kept elsewhere: not the pseudonym itself, which finds calls."""
    return keys.receipt_mac(b"customer/" + pseudonym.encode()).hex()


def signed(receipt: ArchiveReceipt, keys: KeyRing) -> ArchiveReceipt:
    """The receipt with its signature."""
    return replace(receipt, signature=_signature(receipt, keys))


def is_signed(receipt: ArchiveReceipt, keys: KeyRing) -> bool:
    """Whether this installation issued the receipt, exactly as it is."""
    return hmac.compare_digest(receipt.signature.encode(), _signature(receipt, keys).encode())


def to_json(receipt: ArchiveReceipt) -> str:
    """A receipt as it is kept in a file."""
    fields = asdict(receipt) | {"erased_at": receipt.erased_at.isoformat(timespec="microseconds")}
    if not receipt.customer_hash:
        # So were all receipts written, and signed, before the allow-list was in the store.
        del fields["customer_hash"], fields["allow_entries"]
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, indent=1)


def from_json(text: str) -> ArchiveReceipt:
    """Undo ``to_json``. Raises ``ValueError``, ``TypeError``, ``KeyError`` if it is none."""
    fields = json.loads(text)
    lists = ("call_hashes", "partitions", "unreadable", "machines", "machines_to_come")
    return ArchiveReceipt(
        **fields
        | {name: tuple(fields[name]) for name in lists}
        | {"erased_at": datetime.fromisoformat(fields["erased_at"])}
    )


def _signature(receipt: ArchiveReceipt, keys: KeyRing) -> str:
    message = to_json(replace(receipt, signature=""))
    return keys.receipt_mac(b"archive-receipt/" + message.encode()).hex()
