"""What is left of what a receipt says was erased."""

from dataclasses import dataclass

from shengdun.index.journal import RECORD_PREFIX
from shengdun.index.records import VOICEPRINT, actor_record, script_record
from shengdun.index.snapshot import Snapshot
from shengdun.index.store import Store
from shengdun.index.watchlists import ErasureReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """What was found of it in some place.

    Attributes:
        found: what is there although it should be gone, in words.
        problems: what couldn't be looked through, in words.
    """

    found: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def joined(self, other: "Traces") -> "Traces":
        """With those of another place."""
        return Traces(found=(*self.found, *other.found), problems=(*self.problems, *other.problems))


async def traces(snapshot: Snapshot, store: Store, receipt: ErasureReceipt) -> tuple[str, ...]:
    """What of an actor or a script is there although it should be gone, in words; nothing if the erasure holds.

    Args:
        snapshot: what is searched with.
        store: a connected store.
        receipt: of the erasure.

    Raises:
        StoreUnavailable: the store doesn't answer.
    """
    if receipt.script_id:
        owner = f"script {receipt.script_id}"
        is_searched = receipt.script_id in snapshot.scripts
        prefixes = [script_record(receipt.script_id)]
    else:
        owner = f"actor {receipt.actor_id}"
        is_searched = receipt.actor_id in snapshot
        prefixes = [actor_record(receipt.actor_id), f"{VOICEPRINT}/{receipt.actor_id}/"]
    found = [f"{owner} is searched for"] if is_searched else []
    for prefix in prefixes:
        # An id may be the beginning of another's.
        whole = RECORD_PREFIX + prefix
        names = await store.scan(whole)
        found += [
            f"the store has a record of {owner}"
            for name in names
            if prefix.endswith("/") or name == whole
        ]
    return tuple(found)
