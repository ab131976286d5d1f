"""The registry: watchlists, actors and scripts, as the rest of the system changes and reads them.

Whatever a method has acknowledged survives the death of this process and of the store, is in the journal, and is in the
snapshot of this process: an actor is searchable, or gone, when the call returns. Other processes follow within a
second.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from shengdun.index import receipts
from shengdun.index.archive.receipts import ReceiptCheck
from shengdun.index.changes import Changes, Outcome
from shengdun.index.compaction import Compactor
from shengdun.index.errors import ActorNotFound
from shengdun.index.health import IndexHealth
from shengdun.index.idempotency import describe
from shengdun.index.identifiers import check_record_id, check_text, make_id
from shengdun.index.journal import Draft, JournalEntry
from shengdun.index.keys import KeyRing
from shengdun.index.ledger import Ledger
from shengdun.index.planning import Planner
from shengdun.index.reading import StoreReading
from shengdun.index.records import ACTOR, actor_record, script_record, sealed_otherwise
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer
from shengdun.index.scripts.keeping import ScriptKeeping
from shengdun.index.snapshot import Snapshot
from shengdun.index.store import Store
from shengdun.index.traces import traces
from shengdun.index.voices.allow_keeping import AllowKeeping
from shengdun.index.watchlists import (
    Actor,
    ActorChanges,
    ActorPage,
    AuditEntry,
    ErasureReceipt,
    NewActor,
    NewWatchlist,
    Template,
    Watchlist,
    WatchlistChanges,
)

LONGEST_AUDIT_PAGE: Final = 1000


class Registry:
    """Watchlists, actors and scripts over one store.

    Every change needs a ``principal``, the name of who makes it, and raises besides what is documented
    ``StoreUnavailable`` (the change may or may not have been kept), ``StoreFull`` and ``StoreBusy`` (nothing was
    changed).

    Attributes:
        scripts: the scripts.
        allowed: who may call for many.
    """

    def __init__(self, store: Store, ledger: Ledger) -> None:
        """Use ``Registry.open``."""
        self._store = store
        self._ledger = ledger
        self._changes = Changes(ledger)
        self._planner = Planner(ledger.codec)
        self._compactor = Compactor(store)
        self.scripts = ScriptKeeping(ledger, self._changes, self._compactor)
        self.allowed = AllowKeeping(ledger, self._changes, self._compactor)

    @classmethod
    async def open(
        cls,
        store: Store,
        *,
        data_directory: Path,
        key_path: Path,
        scorers: Sequence[Scorer],
        shadow: Sequence[Scorer] = (),
    ) -> "Registry":
        """Read a store and load it; the arguments are those of ``StoreReading.of`` and of ``of``, and so the errors."""
        reading = await StoreReading.of(store, data_directory=data_directory, key_path=key_path)
        return await cls.of(reading, scorers=scorers, shadow=shadow)

    @classmethod
    async def of(
        cls, reading: StoreReading, *, scorers: Sequence[Scorer], shadow: Sequence[Scorer] = ()
    ) -> "Registry":
        """Load what was read of a store, and follow its journal from then on.

        After a start from a checkpoint the journal before that is verified meanwhile; ``health`` tells if it was
        altered.

        Args:
            reading: of a connected store; whoever connected it closes it, after the registry.
            scorers: the active ones, one for each voice model that is to be searched with.
            shadow: others that can be searched with by name.

        Raises:
            StoreTampered: the store is not what was acknowledged; names the first bad thing.
        """
        ledger = await Ledger.of(reading, scorers=scorers, shadow=shadow)
        registry = cls(reading.store, ledger)
        if reading.store.embedded:
            registry._compactor.request()  # an erasure just before the last stop may not have been compacted
        return registry

    async def close(self) -> None:
        """Stop following and compacting; idempotent. The snapshot stays readable."""
        await self._compactor.close()
        await self._ledger.close()

    @property
    def snapshot(self) -> Snapshot:
        """The current snapshot; take it once for what has to be consistent."""
        return self._ledger.snapshot

    async def use_scorers(self, active: Sequence[Scorer], shadow: Sequence[Scorer] = ()) -> None:
        """Search with other scorers from now on, without a restart.

        All voiceprints are projected anew for a scorer that was not in use, on another thread: some seconds for
        100,000. Until that is done the old scorers go on; then all of them are replaced at once. Changes are taken
        meanwhile and are in what is searched afterwards; a search under way ends as it began.

        Args:
            active: one for each voice model that is to be searched with.
            shadow: others that can be searched with by name; each takes as much memory as an active one.

        Raises:
            ValueError: two are active for one model, or one profile is given twice.
        """
        await self._ledger.use_scorers(Scorers(active=tuple(active), shadow=tuple(shadow)))

    @property
    def keys(self) -> KeyRing:
        """The master keys, for pseudonyms and the call directory."""
        return self._ledger.keys

    @property
    def health(self) -> IndexHealth:
        """How fresh the snapshot is."""
        return self._ledger.health

    async def create_watchlist(
        self, new: NewWatchlist, *, principal: str, idempotency_key: str | None = None
    ) -> Watchlist:
        """Create a watchlist.

        Raises:
            WatchlistExists: its id is taken.
            IdempotencyConflict: the key came with another request.
        """
        asked = self._changes.asked(
            principal, idempotency_key, ["create_watchlist", asdict(new)], new.watchlist_id
        )
        outcome = await self._changes.commit(
            lambda now: self._planner.create_watchlist(now, new, principal), principal, asked
        )
        return outcome.after.watchlist(new.watchlist_id)

    async def get_watchlist(self, watchlist_id: str) -> Watchlist:
        """One watchlist. Raises ``WatchlistNotFound``."""
        return self.snapshot.watchlist(watchlist_id)

    async def list_watchlists(self) -> tuple[Watchlist, ...]:
        """All watchlists in the order of their ids."""
        return self.snapshot.watchlists

    async def update_watchlist(
        self,
        watchlist_id: str,
        changes: WatchlistChanges,
        *,
        expected_revision: int | None,
        principal: str,
    ) -> Watchlist:
        """Change a watchlist's fields.

        Args:
            watchlist_id: which one.
            changes: the fields to change.
            expected_revision: the revision that the caller has read; None to overwrite whatever there is.
            principal: who changes it.

        Raises:
            WatchlistNotFound: there is no such watchlist.
            RevisionConflict: it has changed since it was read.
        """
        outcome = await self._changes.commit(
            lambda now: self._planner.update_watchlist(
                now, watchlist_id, changes, expected_revision, principal
            ),
            principal,
        )
        return outcome.after.watchlist(watchlist_id)

    async def delete_watchlist(
        self, watchlist_id: str, *, force: bool, principal: str
    ) -> tuple[ErasureReceipt, ...]:
        """Delete a watchlist; by force also one with actors, of whom those on no other watchlist are erased.

        A large list is emptied in several steps; if one fails, repeat the call.

        Returns:
            A receipt for every actor that was erased.

        Raises:
            WatchlistNotFound: there is no such watchlist.
            WatchlistNotEmpty: it has actors, and ``force`` was not given.
        """
        issued: list[ErasureReceipt] = []
        while True:
            outcome = await self._changes.commit(
                lambda now: self._planner.empty_watchlist(
                    now, watchlist_id, force=force, principal=principal
                ),
                principal,
                frees_space=True,
            )
            issued += self._receipts(outcome, "watchlist deleted")
            if not outcome.after.has_watchlist(watchlist_id):
                break
        if issued:
            self._compactor.request()
        return tuple(issued)

    async def register_actor(
        self,
        new: NewActor,
        templates: Sequence[Template],
        *,
        principal: str,
        idempotency_key: str | None = None,
    ) -> Actor:
        """Register an actor with at least one voiceprint; searchable when this returns.

        Raises:
            WatchlistNotFound: one of its watchlists does not exist.
            ModelMismatch: no voiceprint is of a model that is searched with, or one is of a model that nobody uses.
            ActorExists: its id is taken.
            IdempotencyConflict: the key came with another request.
        """
        actor_id = check_record_id("Actor id", new.actor_id or make_id("act"))
        request = asdict(new) | {"watchlist_ids": sorted(new.watchlist_ids)}
        described = ["register_actor", request, describe(templates)]
        asked = self._changes.asked(principal, idempotency_key, described, actor_id)
        outcome = await self._changes.commit(
            lambda now: self._planner.register_actor(now, actor_id, new, templates, principal),
            principal,
            asked,
        )
        return outcome.after.actor(outcome.subject or actor_id)

    async def add_voiceprints(
        self,
        actor_id: str,
        templates: Sequence[Template],
        *,
        principal: str,
        expected_revision: int | None = None,
        idempotency_key: str | None = None,
    ) -> Actor:
        """Add voiceprints to an actor; searchable when this returns.

        Raises:
            ActorNotFound: there is no such actor.
            ModelMismatch: a voiceprint is of a model that nothing is searched with.
            RevisionConflict: the actor has changed since it was read.
            IdempotencyConflict: the key came with another request.
        """
        described = ["add_voiceprints", actor_id, describe(templates)]
        asked = self._changes.asked(principal, idempotency_key, described, actor_id)
        outcome = await self._changes.commit(
            lambda now: self._planner.add_voiceprints(
                now, actor_id, templates, expected_revision, principal
            ),
            principal,
            asked,
        )
        return outcome.after.actor(actor_id)

    async def remove_voiceprint(
        self,
        actor_id: str,
        voiceprint_id: str,
        *,
        principal: str,
        expected_revision: int | None = None,
    ) -> Actor:
        """Remove a voiceprint for good; not found any more when this returns.

        Raises:
            ActorNotFound: there is no such actor.
            VoiceprintNotFound: the actor has no such voiceprint.
            LastVoiceprint: it is the actor's only one, or the only one of a model that is searched with.
            RevisionConflict: the actor has changed since it was read.
        """
        outcome = await self._changes.commit(
            lambda now: self._planner.remove_voiceprint(
                now, actor_id, voiceprint_id, expected_revision, principal
            ),
            principal,
            frees_space=True,
        )
        self._compactor.request()
        return outcome.after.actor(actor_id)

    async def get_actor(self, actor_id: str) -> Actor:
        """One actor, expired or not. Raises ``ActorNotFound``. Whoever shows it to a person calls ``record_event``."""
        return self.snapshot.actor(actor_id)

    async def list_actors(
        self,
        watchlist_id: str,
        *,
        page_size: int = 100,
        page_token: str = "",
        include_expired: bool = True,
    ) -> ActorPage:
        """A page of a watchlist's actors. Raises ``WatchlistNotFound``, ``InvalidRecord`` for a bad token."""
        return self.snapshot.list_actors(
            watchlist_id,
            at=datetime.now(UTC),
            page_size=page_size,
            page_token=page_token,
            include_expired=include_expired,
        )

    async def update_actor(
        self,
        actor_id: str,
        changes: ActorChanges,
        *,
        expected_revision: int | None,
        principal: str,
    ) -> Actor:
        """Change an actor's fields, its watchlists and its expiry among them.

        Args:
            actor_id: who.
            changes: the fields to change.
            expected_revision: the revision that the caller has read; None to overwrite whatever there is.
            principal: who changes it.

        Raises:
            ActorNotFound: there is no such actor.
            WatchlistNotFound: a watchlist does not exist.
            ModelMismatch: the actor has no voiceprint of the watchlist's model, nor of one that is searched with.
            RevisionConflict: the actor has changed since it was read.
        """
        outcome = await self._changes.commit(
            lambda now: self._planner.update_actor(
                now, actor_id, changes, expected_revision, principal
            ),
            principal,
        )
        return outcome.after.actor(actor_id)

    async def erase_actor(self, actor_id: str, *, reason: str, principal: str) -> ErasureReceipt:
        """Erase an actor and its voiceprints for good; not found any more when this returns.

        The actor's data key is deleted with it, so that nothing the store still has of its records can be read; the
        store's files are compacted in the background. Backups taken before keep both until they are deleted.

        Raises:
            ActorNotFound: there is no such actor.
        """
        check_text("reason", reason, longest=1000)
        outcome = await self._changes.commit(
            lambda now: self._planner.erase_actor(
                now, actor_id, reason=reason, principal=principal
            ),
            principal,
            frees_space=True,
        )
        self._compactor.request()
        return self._receipts(outcome, reason)[0]

    async def compacted(self) -> None:
        """Wait until the store's files hold nothing any more of what was erased so far."""
        await self._compactor.finished()

    async def verify_receipt(self, receipt: ErasureReceipt) -> bool:
        """Whether this installation issued the receipt, as it is, and the journal has its entry."""
        if not receipts.is_signed(receipt, self.keys):
            return False
        page = await self._ledger.journal.page(receipt.journal_sequence - 1, 1)
        is_script = bool(receipt.script_id)
        record = script_record(receipt.script_id) if is_script else actor_record(receipt.actor_id)
        return (
            bool(page)
            and page[0].head.hash.hex() == receipt.journal_hash
            and (record in page[0].digests and page[0].digests[record] is None)
        )

    async def check_receipt(self, receipt: ErasureReceipt) -> ReceiptCheck:
        """Look in this process and in the store for what a receipt says is gone."""
        is_signed = receipts.is_signed(receipt, self.keys)
        return ReceiptCheck(
            is_signed=is_signed,
            is_journaled=is_signed and await self.verify_receipt(receipt),
            found=await traces(self.snapshot, self._store, receipt),
            problems=(),
        )

    async def reseal_actors(self, *, principal: str) -> int:
        """Seal every actor again that an older master key protects; after ``KeyRing.rotate`` and a restart.

        Returns:
            How many actors were sealed again.
        """
        active = self.keys.active_key_id
        old = await asyncio.to_thread(sealed_otherwise, self.snapshot.holdings, active)
        resealed = 0
        for actor_id in old:
            with suppress(ActorNotFound):
                if self.snapshot.holding(actor_id).key_id == active:
                    continue  # another process was first
                await self._changes.commit(
                    partial(self._planner.reseal_actor, actor_id, principal), principal
                )
                resealed += 1
        if old:
            self._compactor.request()
        return resealed

    async def record_event(
        self, *, principal: str, kind: str, subjects: Sequence[str]
    ) -> AuditEntry:
        """Journal what changes no record: that somebody looked at a person, or that another profile decides.

        Args:
            principal: who did it.
            kind: what was done, e.g. ``actor.looked_at``.
            subjects: with what, as ``actor/<id>`` or ``profile/<id>``; ids only.
        """
        check_text("kind of event", kind, longest=100, empty=False)
        for subject in subjects:
            check_text("subject", subject, longest=300, empty=False)
        draft = Draft(kind=kind, principal=principal, subjects=tuple(subjects))
        outcome = await self._changes.commit(lambda _: draft, principal, frees_space=True)
        assert outcome.entry is not None  # without an idempotency key every request is a new one
        return _audit_entry(outcome.entry)

    async def audit(self, *, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]:
        """The journal entries after a sequence number, oldest first; at most 1000."""
        entries = await self._ledger.journal.page(after, max(1, min(limit, LONGEST_AUDIT_PAGE)))
        return tuple(_audit_entry(entry) for entry in entries)

    def _receipts(self, outcome: Outcome, reason: str) -> list[ErasureReceipt]:
        if outcome.entry is None:
            return []
        prefix = f"{ACTOR}/"
        erased = [
            name.removeprefix(prefix)
            for name, digest in outcome.entry.digests.items()
            if digest is None and name.startswith(prefix)
        ]
        return [
            receipts.issue(
                outcome.entry,
                actor_id=actor_id,
                voiceprints=len(outcome.before.actor(actor_id).voiceprints),
                reason=reason,
                keys=self.keys,
            )
            for actor_id in erased
        ]


def _audit_entry(entry: JournalEntry) -> AuditEntry:
    return AuditEntry(
        sequence=entry.head.sequence,
        at=entry.at,
        kind=entry.kind,
        principal=entry.principal,
        subjects=entry.subjects,
        hash=entry.head.hash.hex(),
    )
