"""Skeleton: see the signatures; the body follows."""

from collections.abc import Sequence
from pathlib import Path

from shengdun.index.health import IndexHealth
from shengdun.index.keys import KeyRing
from shengdun.index.scoring import Scorer
from shengdun.index.snapshot import Snapshot
from shengdun.index.store import Store
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


class Registry:
    """Watchlists and actors: every change is journaled, durable and in the snapshot before the call returns."""

    @classmethod
    async def open(
        cls,
        store: Store,
        *,
        data_directory: Path,
        key_path: Path,
        scorers: Sequence[Scorer],
    ) -> "Registry":
        """Verify the whole store against the journal and its anchor, load it, and follow the journal from then on.

        Makes the key file when the store is new. Raises KeyMissing, KeyWrong, StoreTampered, StoreUnavailable, …
        """
        raise NotImplementedError

    @property
    def snapshot(self) -> Snapshot:
        """The current snapshot."""
        raise NotImplementedError

    @property
    def keys(self) -> KeyRing:
        """The key ring, for pseudonyms and the call directory."""
        raise NotImplementedError

    @property
    def health(self) -> IndexHealth:
        """How fresh the index is."""
        raise NotImplementedError

    async def close(self) -> None:
        """Stop following and compacting; idempotent. Does not close the store."""
        raise NotImplementedError

    async def create_watchlist(
        self, new: NewWatchlist, *, principal: str, idempotency_key: str | None = None
    ) -> Watchlist:
        """Raises WatchlistExists."""
        raise NotImplementedError

    async def get_watchlist(self, watchlist_id: str) -> Watchlist:
        """Raises WatchlistNotFound."""
        raise NotImplementedError

    async def list_watchlists(self) -> tuple[Watchlist, ...]:
        """In the order of their ids."""
        raise NotImplementedError

    async def update_watchlist(
        self,
        watchlist_id: str,
        changes: WatchlistChanges,
        *,
        expected_revision: int | None,
        principal: str,
    ) -> Watchlist:
        """Raises WatchlistNotFound, RevisionConflict."""
        raise NotImplementedError

    async def delete_watchlist(
        self, watchlist_id: str, *, force: bool, principal: str
    ) -> tuple[ErasureReceipt, ...]:
        """With ``force``, actors left without any watchlist are erased. Raises WatchlistNotFound, WatchlistNotEmpty."""
        raise NotImplementedError

    async def register_actor(
        self,
        new: NewActor,
        templates: Sequence[Template],
        *,
        principal: str,
        idempotency_key: str | None = None,
    ) -> Actor:
        """Raises WatchlistNotFound, ModelMismatch, ActorExists, IdempotencyConflict, StoreFull, StoreUnavailable."""
        raise NotImplementedError

    async def add_voiceprints(
        self,
        actor_id: str,
        templates: Sequence[Template],
        *,
        principal: str,
        expected_revision: int | None = None,
        idempotency_key: str | None = None,
    ) -> Actor:
        """Raises ActorNotFound, ModelMismatch, RevisionConflict, IdempotencyConflict."""
        raise NotImplementedError

    async def remove_voiceprint(
        self,
        actor_id: str,
        voiceprint_id: str,
        *,
        principal: str,
        expected_revision: int | None = None,
    ) -> Actor:
        """Raises ActorNotFound, VoiceprintNotFound, LastVoiceprint, RevisionConflict."""
        raise NotImplementedError

    async def get_actor(self, actor_id: str) -> Actor:
        """Raises ActorNotFound."""
        raise NotImplementedError

    async def list_actors(
        self,
        watchlist_id: str,
        *,
        page_size: int = 100,
        page_token: str = "",
        include_expired: bool = True,
    ) -> ActorPage:
        """Raises WatchlistNotFound, InvalidRecord."""
        raise NotImplementedError

    async def update_actor(
        self, actor_id: str, changes: ActorChanges, *, expected_revision: int | None, principal: str
    ) -> Actor:
        """Raises ActorNotFound, WatchlistNotFound, ModelMismatch, RevisionConflict."""
        raise NotImplementedError

    async def erase_actor(self, actor_id: str, *, reason: str, principal: str) -> ErasureReceipt:
        """Raises ActorNotFound."""
        raise NotImplementedError

    async def verify_receipt(self, receipt: ErasureReceipt) -> bool:
        """Whether the receipt is ours and the journal has its entry."""
        raise NotImplementedError

    async def record_look(self, *, principal: str, kind: str, subjects: Sequence[str]) -> None:
        """Journal that somebody looked at persons' data, e.g. kind ``actor.looked_at``, subjects ``actor/<id>``."""
        raise NotImplementedError

    async def audit(self, *, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]:
        """The journal entries after a sequence number, oldest first."""
        raise NotImplementedError
