"""Skeleton: see the signatures; the body follows."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shengdun.index.watchlists import Actor, ActorPage, Watchlist


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One actor and its best voiceprint; llr is the actor's natural-log LLR."""

    actor_id: str
    voiceprint_id: str
    llr: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WatchlistResult:
    """What a watchlist says about a voiceprint.

    Attributes:
        watchlist_id: which.
        version: ``<watchlist_id>@<journal sequence of its last change>``.
        model_id: the voice model.
        profile_id: the calibration profile.
        size_actors: actors that can be found at that time (not expired).
        candidates: the best actors, best first; at least two when the list has two.
        actor_ids: all scored actors, best first.
        actor_llrs: (n,) float64, aligned with ``actor_ids``.
        unscored_actors: size_actors - n.
    """

    watchlist_id: str
    version: str
    model_id: str
    profile_id: str
    size_actors: int
    candidates: tuple[Candidate, ...]
    actor_ids: tuple[str, ...]
    actor_llrs: NDArray[np.float64]
    unscored_actors: int


class Snapshot:
    """Everything known at one journal entry; immutable; read from any thread without a lock."""

    journal_sequence: int

    @property
    def watchlists(self) -> tuple[Watchlist, ...]:
        """In the order of their ids."""
        raise NotImplementedError

    def watchlist(self, watchlist_id: str) -> Watchlist:
        """Raises WatchlistNotFound."""
        raise NotImplementedError

    def watchlist_version(self, watchlist_id: str) -> str:
        """``<watchlist_id>@<journal sequence>``. Raises WatchlistNotFound."""
        raise NotImplementedError

    def actor(self, actor_id: str) -> Actor:
        """Raises ActorNotFound."""
        raise NotImplementedError

    def list_actors(
        self,
        watchlist_id: str,
        *,
        page_size: int = 100,
        page_token: str = "",
        include_expired: bool = True,
        at: datetime,
    ) -> ActorPage:
        """Raises WatchlistNotFound, InvalidRecord (a bad token)."""
        raise NotImplementedError

    def search(
        self,
        watchlist_id: str,
        voiceprint: NDArray[np.float32],
        *,
        net_speech_s: float,
        at: datetime,
        candidates: int = 5,
    ) -> WatchlistResult:
        """Exact search, synchronous (call it from a worker thread); (d,) float32 unit voiceprint.

        Raises WatchlistNotFound, ModelMismatch (no scorer for the list's model).
        """
        raise NotImplementedError
