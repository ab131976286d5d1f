"""Keeping the allow-list: as the rest of the system adds, reads and removes entries.

What is said of the registry holds here: whatever a method has acknowledged survives the death of this process and of
the store, is in the journal, and counts, or counts no more, when the call returns; elsewhere within a second.
"""

from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from shengdun.index.changes import Changes
from shengdun.index.compaction import Compactor
from shengdun.index.identifiers import check_record_id, check_text
from shengdun.index.ledger import Ledger
from shengdun.index.voices.allow_planning import AllowPlanner
from shengdun.index.voices.allowed import AllowList, Entry
from shengdun.index.voices.errors import AllowEntryNotFound

LONGEST_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowPage:
    """A page of entries in the order of their ids.

    Attributes:
        entries: the page.
        next_page_token: gives the next page; empty on the last one.
        total: how many entries there are over all pages.
    """

    entries: tuple[Entry, ...]
    next_page_token: str
    total: int


class AllowKeeping:
    """The allow-list of one store; made by the registry, whose notes on ``principal`` and errors hold here."""

    def __init__(self, ledger: Ledger, changes: Changes, compactor: Compactor) -> None:
        self._ledger = ledger
        self._changes = changes
        self._compactor = compactor
        self._planner = AllowPlanner(ledger.codec)

    @property
    def entries(self) -> AllowList:
        """What callers are compared with, as of now; the same object until something changes."""
        return self._ledger.snapshot.allowed.entries

    async def add(self, entry: Entry, *, principal: str) -> Entry:
        """Keep an entry; it counts when this returns.

        Raises:
            InvalidRecord: it has ended already.
            AllowEntryExists: its id is taken, or another entry that holds says the same.
            AllowListFull: there are as many as may be.
        """
        await self._changes.commit(lambda now: self._planner.add(now, entry, principal), principal)
        return entry

    async def get(self, entry_id: str) -> Entry:
        """One entry, ended or not. Raises ``AllowEntryNotFound``. Whoever shows it to a person journals that."""
        return self._ledger.snapshot.allowed.entry(entry_id)

    async def list(self, *, page_size: int = 100, page_token: str = "") -> AllowPage:
        """A page of entries, ended ones among them, in the order of their ids.

        Args:
            page_size: 1 to 1000; more is taken as 1000.
            page_token: of the page before; empty for the first.

        Raises:
            InvalidRecord: the token is not one of ours.
        """
        holdings = self._ledger.snapshot.allowed.holdings
        ids = sorted(holdings)
        start = bisect_right(ids, check_record_id("Page token", page_token)) if page_token else 0
        page = ids[start : start + max(1, min(page_size, LONGEST_PAGE))]
        more = start + len(page) < len(ids)
        return AllowPage(
            entries=tuple(holdings[entry_id].entry for entry_id in page),
            next_page_token=page[-1] if more else "",
            total=len(ids),
        )

    async def remove(self, entry_id: str, *, reason: str, principal: str) -> None:
        """Remove an entry for good, with its data key; it counts no more when this returns.

        Raises:
            AllowEntryNotFound: there is none of this id.
        """
        check_text("reason", reason, longest=1000)
        await self._changes.commit(
            lambda now: self._planner.remove(now, entry_id, reason=reason, principal=principal),
            principal,
            frees_space=True,
        )
        self._compactor.request()

    async def forget_customer(self, pseudonym: str, *, principal: str) -> int:
        """Take a customer, who is erased, out of all entries.

        What those were sealed as can't be read any more when this returns; its bytes leave the store's files when it is
        next compacted, which is asked for.

        Returns:
            How many entries had the customer.
        """
        # Asked for even if this process knows of no such entry: another may just have added one.
        outcome = await self._changes.commit(
            lambda now: self._planner.forget_customer(now, pseudonym, principal),
            principal,
            frees_space=True,
        )
        assert outcome.entry is not None, "without an idempotency key nothing has been seen before"
        if outcome.entry.digests:
            self._compactor.request()
        return len(outcome.entry.digests)

    def ended(self, before: datetime) -> tuple[str, ...]:
        """The ids of the entries that had ended before then, sorted."""
        return self._ledger.snapshot.allowed.ended(before)

    async def reseal(self, *, principal: str) -> int:
        """Seal every entry again that an older master key protects; after ``KeyRing.rotate`` and a restart.

        Returns:
            How many entries were sealed again.
        """
        active, holdings = self._ledger.keys.active_key_id, self._ledger.snapshot.allowed.holdings
        old = [name for name in sorted(holdings) if holdings[name].key_id != active]
        resealed = 0
        for entry_id in old:
            now = self._ledger.snapshot.allowed.holdings.get(entry_id)
            if now is None or now.key_id == active:
                continue  # removed, or another process was first
            with suppress(AllowEntryNotFound):
                await self._changes.commit(
                    partial(self._planner.reseal, entry_id, principal), principal
                )
                resealed += 1
        if old:
            self._compactor.request()
        return resealed
