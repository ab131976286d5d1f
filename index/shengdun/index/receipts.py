"""Deletion receipts: signed proof that an actor or a script was erased, to be kept outside of the store."""

import hmac
import json
from dataclasses import asdict, replace
from datetime import datetime

from shengdun.index.identifiers import make_id
from shengdun.index.journal import JournalEntry
from shengdun.index.keys import KeyRing
from shengdun.index.watchlists import ErasureReceipt


def issue(
    entry: JournalEntry,
    *,
    actor_id: str = "",
    script_id: str = "",
    voiceprints: int = 0,
    reason: str,
    keys: KeyRing,
) -> ErasureReceipt:
    """The receipt for an actor, or a script, that a journal entry erased."""
    receipt = ErasureReceipt(
        receipt_id=make_id("rcp"),
        actor_id=actor_id,
        script_id=script_id,
        reason=reason,
        principal=entry.principal,
        erased_at=entry.at,
        voiceprints_erased=voiceprints,
        journal_sequence=entry.head.sequence,
        journal_hash=entry.head.hash.hex(),
        signature="",
    )
    return replace(receipt, signature=_sign(receipt, keys))


def is_signed(receipt: ErasureReceipt, keys: KeyRing) -> bool:
    """Whether this installation issued the receipt, exactly as it is."""
    return hmac.compare_digest(receipt.signature.encode(), _sign(receipt, keys).encode())


def _sign(receipt: ErasureReceipt, keys: KeyRing) -> str:
    fields = asdict(replace(receipt, signature=""))
    if not receipt.script_id:
        # Those of actors were signed without it before there were scripts.
        del fields["script_id"]
    message = json.dumps(fields, default=_time, sort_keys=True, ensure_ascii=False)
    return keys.receipt_mac(b"receipt/" + message.encode()).hex()


def _time(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    raise TypeError(f"{type(value).__name__} has no signed form")
