"""Checking a receipt of an erasure against everything that this machine and its store have."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.partitions import call_pseudonym
from shengdun.index.archive.receipts import ArchiveReceipt, ReceiptCheck, customer_hash
from shengdun.index.hunts.hunt import Quarry
from shengdun.index.hunts.hunts import Hunts
from shengdun.index.registry import Registry
from shengdun.index.traces import Traces
from shengdun.index.voices.allowed import Representative
from shengdun.index.voices.kept import files_naming
from shengdun.index.watchlists import ErasureReceipt
from shengdun.service.texts import Run
from shengdun.service.unknown_voices import UnknownVoices


class ErasureChecks:
    """Looks for what receipts say is gone.

    Args:
        registry: actors, scripts, the allow-list, the journal and the keys.
        hunts: of this machine; None where no finished calls are kept.
        voices: of finished calls; None where they aren't compared.
        voices_directory: where files of voices may lie, also of before the last start.
        run: where files are gone through.
    """

    def __init__(
        self,
        registry: Registry,
        hunts: Hunts | None,
        voices: UnknownVoices | None,
        voices_directory: Path,
        run: Run,
    ) -> None:
        self._registry = registry
        self._hunts = hunts
        self._voices = voices
        self._voices_directory = voices_directory
        self._run = run

    async def of_record(self, receipt: ErasureReceipt) -> ReceiptCheck:
        """Check the receipt of an actor or a script."""
        check = await self._registry.check_receipt(receipt)
        hunts = self._hunts
        if hunts is None:
            return check
        quarry = Quarry.SCRIPT if receipt.script_id else Quarry.ACTOR
        subject = receipt.script_id or receipt.actor_id
        return _with(check, await self._run(partial(hunts.traces_of, quarry, subject)))

    async def of_calls(self, receipt: ArchiveReceipt, archive: CallArchive) -> ReceiptCheck:
        """Check the receipt of finished calls."""
        check = await archive.verify(receipt)
        return _with(check, await self._run(partial(self._traces, receipt)))

    def _traces(self, receipt: ArchiveReceipt) -> Traces:
        keys = self._registry.keys
        hashes = frozenset(receipt.call_hashes)

        def names(call_id: str) -> bool:
            return call_pseudonym(keys, call_id).hex() in hashes

        found = self._of_customer(receipt).joined(files_naming(self._voices_directory, keys, names))
        if self._hunts is not None:
            found = found.joined(self._hunts.traces(names))
        if self._voices is not None and (calls := self._voices.names(names)):
            found = found.joined(Traces(found=(f"callers are compared with {calls} of the calls",)))
        return found

    def _of_customer(self, receipt: ArchiveReceipt) -> Traces:
        if not receipt.customer_hash:
            return Traces()
        keys = self._registry.keys
        naming = [
            entry.entry_id
            for entry in self._registry.allowed.entries
            # The customer may have come back, and be represented again.
            if isinstance(entry, Representative) and entry.granted.at <= receipt.erased_at
            for customer in entry.customers
            if customer_hash(customer, keys) == receipt.customer_hash
        ]
        return Traces(found=tuple(f"allow-list entry {each} has the customer" for each in naming))


def _with(check: ReceiptCheck, traces: Traces) -> ReceiptCheck:
    return replace(
        check,
        found=(*check.found, *traces.found),
        problems=(*check.problems, *traces.problems),
    )
