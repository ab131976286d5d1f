"""Keeping scripts: as the rest of the system adds, reads, finds and erases them.

What is said of the registry holds here: whatever a method has acknowledged survives the death of this process and of
the store, is in the journal, and is searched for, or gone, when the call returns; elsewhere within a second.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Final

from shengdun.index import receipts
from shengdun.index.changes import Changes
from shengdun.index.compaction import Compactor
from shengdun.index.errors import ScriptNotFound
from shengdun.index.identifiers import check_record_id, check_text, make_id
from shengdun.index.ledger import Ledger
from shengdun.index.records import sealed_otherwise
from shengdun.index.scripts.holdings import ScriptHolding
from shengdun.index.scripts.known import KnownScripts
from shengdun.index.scripts.matching import ScriptIndex
from shengdun.index.scripts.planning import ScriptPlanner, masked_script
from shengdun.index.scripts.script import NewScript, Script, ScriptPage
from shengdun.index.watchlists import ErasureReceipt

LONGEST_PAGE: Final = 1000


class ScriptKeeping:
    """The scripts of one store; made by the registry, whose notes on ``principal`` and errors hold here.

    Attributes:
        known: what texts are compared with.
    """

    def __init__(self, ledger: Ledger, changes: Changes, compactor: Compactor) -> None:
        self._ledger = ledger
        self._changes = changes
        self._compactor = compactor
        self._planner = ScriptPlanner(ledger.codec)
        self.known: KnownScripts = ledger.scripts

    async def add(
        self, new: NewScript, *, principal: str, idempotency_key: str | None = None
    ) -> Script:
        """Keep a script, masked; searched for when this returns.

        Raises:
            InvalidRecord: a field is malformed.
            ScriptTooShort: it says too little to be told from other texts.
            ScriptExists: its id is taken.
            IdempotencyConflict: the key came with another request.
        """
        script_id = check_record_id("Script id", new.script_id or make_id("scr"))
        script = await asyncio.to_thread(_checked, new, script_id)
        asked = self._changes.asked(
            principal, idempotency_key, ["add_script", asdict(new)], script_id
        )
        outcome = await self._changes.commit(
            lambda now: self._planner.add_script(now, script, principal), principal, asked
        )
        return outcome.after.script_holding(outcome.subject or script_id).script

    async def get(self, script_id: str) -> Script:
        """One script, expired or not. Raises ``ScriptNotFound``. Whoever shows it to a person journals that."""
        return self._ledger.snapshot.script_holding(script_id).script

    async def list(
        self,
        *,
        network_id: str = "",
        campaign: str = "",
        page_size: int = 100,
        page_token: str = "",
    ) -> ScriptPage:
        """A page of scripts in the order of their ids.

        Args:
            network_id: only those of this network; empty for any.
            campaign: only those of this campaign; empty for any.
            page_size: 1 to 1000; more is taken as 1000.
            page_token: of the page before; empty for the first.

        Raises:
            InvalidRecord: the token is not one of ours.
        """
        if page_token:
            check_record_id("Page token", page_token)

        def wanted(held: ScriptHolding) -> bool:
            return network_id in ("", held.network_id) and campaign in ("", held.campaign)

        size = max(1, min(page_size, LONGEST_PAGE))
        return await asyncio.to_thread(self._page, wanted, size, page_token)

    def _page(self, wanted: Callable[[ScriptHolding], bool], size: int, token: str) -> ScriptPage:
        scripts = self._ledger.snapshot.scripts
        ids = sorted(script_id for script_id, held in scripts.items() if wanted(held))
        start = bisect_right(ids, token) if token else 0
        page = ids[start : start + size]
        return ScriptPage(
            scripts=tuple(scripts[script_id].script for script_id in page),
            next_page_token=page[-1] if start + size < len(ids) else "",
            total=len(ids),
        )

    async def erase(self, script_id: str, *, reason: str, principal: str) -> ErasureReceipt:
        """Erase a script for good; not found any more when this returns.

        Its data key is deleted with it, as an actor's is, and the store's files are compacted in the background.

        Raises:
            ScriptNotFound: there is no such script.
        """
        check_text("reason", reason, longest=1000)
        outcome = await self._changes.commit(
            lambda now: self._planner.erase_script(
                now, script_id, reason=reason, principal=principal
            ),
            principal,
            frees_space=True,
        )
        self._compactor.request()
        assert outcome.entry is not None, "without an idempotency key nothing has been seen before"
        return receipts.issue(
            outcome.entry, script_id=script_id, reason=reason, keys=self._ledger.keys
        )

    async def reseal(self, *, principal: str) -> int:
        """Seal every script again that an older master key protects; after ``KeyRing.rotate`` and a restart.

        Returns:
            How many scripts were sealed again.
        """
        active = self._ledger.keys.active_key_id
        old = await asyncio.to_thread(sealed_otherwise, self._ledger.snapshot.scripts, active)
        resealed = 0
        for script_id in old:
            with suppress(ScriptNotFound):
                if self._ledger.snapshot.script_holding(script_id).key_id == active:
                    continue  # another process was first
                await self._changes.commit(
                    partial(self._planner.reseal_script, script_id, principal), principal
                )
                resealed += 1
        if old:
            self._compactor.request()
        return resealed


def _checked(new: NewScript, script_id: str) -> Script:
    script = masked_script(new, script_id)
    # Refused before it is kept, by what will search for it.
    ScriptIndex().add(script_id, script.text)
    return script
