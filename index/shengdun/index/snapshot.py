"""Snapshots: everything known at one journal entry, immutable and swapped whole.

A reader takes the current snapshot and needs no lock: nothing in it ever changes. A change makes the next snapshot,
which shares with the last one whatever the change did not touch.
"""

from bisect import bisect_right
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.calibration import ProfileMismatch
from shengdun.index.contents import ContentChange, Listing, rescored
from shengdun.index.errors import (
    ActorNotFound,
    ModelMismatch,
    ScriptNotFound,
    WatchlistNotFound,
)
from shengdun.index.holdings import Holding
from shengdun.index.identifiers import check_record_id
from shengdun.index.journal import START, Head, JournalEntry
from shengdun.index.records import (
    ACTOR,
    ALLOW,
    SCRIPT,
    VOICEPRINT,
    WATCHLIST,
    RecordCodec,
    allow_record,
    script_record,
    watchlist_record,
)
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer
from shengdun.index.scripts.holdings import ScriptHolding, scripts_after
from shengdun.index.search import Candidate, rank
from shengdun.index.segments import Segment, microseconds
from shengdun.index.voices.allow_holdings import Allowed, allowed_after
from shengdun.index.watchlists import Actor, ActorPage, Template, Watchlist

__all__ = ["Candidate", "Snapshot", "WatchlistResult"]

LONGEST_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WatchlistResult:
    """What a watchlist says about a voiceprint.

    Attributes:
        watchlist_id: which one.
        version: ``<watchlist_id>@<journal sequence of its last change>``.
        model_id: the voice model of the scorer.
        profile_id: the calibration profile of the scorer.
        size_actors: actors on the list that have not expired.
        candidates: the best actors, best first; at least two when the list has two.
        actor_ids: all scored actors, best first.
        actor_llrs: (n,) float64, natural-log LLR of each.
        unlimited_llrs: (n,) float64, what they'd be if the calibration data could vouch for any.
        unscored_actors: how many of ``size_actors`` were too far away to be scored.
        actors_without_voiceprint: how many of ``size_actors`` have no voiceprint of the scorer's model, so that nothing
            can be said about them; ``size_actors`` is these, the unscored, and those in ``actor_ids``.
    """

    watchlist_id: str
    version: str
    model_id: str
    profile_id: str
    size_actors: int
    candidates: tuple[Candidate, ...]
    actor_ids: tuple[str, ...]
    actor_llrs: NDArray[np.float64]
    unlimited_llrs: NDArray[np.float64]
    unscored_actors: int
    actors_without_voiceprint: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListContent:
    """What a watchlist holds for one scorer.

    Attributes:
        version: ``<watchlist_id>@<journal sequence of its last change>``.
        size_actors: actors on the list that have not expired.
        segments: the voiceprints, those of expired actors included.
        scorer: the scorer that projected them.
    """

    version: str
    size_actors: int
    segments: tuple[Segment, ...]
    scorer: Scorer


class Snapshot:
    """Everything known at one journal entry. Safe to read from any thread.

    Attributes:
        head: the entry.
        holdings: the actors, by id.
        listings: the watchlists, by id.
        scorers: those that it can be searched with.
        scripts: the scripts, by id.
        allowed: who may call for many.
    """

    __slots__ = ("_next_code", "allowed", "head", "holdings", "listings", "scorers", "scripts")

    def __init__(
        self,
        *,
        head: Head,
        holdings: Mapping[str, Holding],
        listings: Mapping[str, Listing],
        scorers: Scorers,
        next_code: int,
        scripts: Mapping[str, ScriptHolding],
        allowed: Allowed,
    ) -> None:
        self.head = head
        self.holdings = holdings
        self.listings = listings
        self.scorers = scorers
        self.scripts = scripts
        self.allowed = allowed
        self._next_code = next_code

    @classmethod
    def empty(cls, active: Sequence[Scorer], shadow: Sequence[Scorer] = ()) -> "Snapshot":
        """Before the first entry, for one active scorer a voice model and others in shadow."""
        scorers = Scorers(active=tuple(active), shadow=tuple(shadow))
        return cls(
            head=START,
            holdings={},
            listings={},
            scorers=scorers,
            next_code=0,
            scripts={},
            allowed=Allowed(),
        )

    @property
    def journal_sequence(self) -> int:
        """The sequence number of the last journal entry that is in here."""
        return self.head.sequence

    @property
    def watchlists(self) -> tuple[Watchlist, ...]:
        """All watchlists in the order of their ids."""
        return tuple(self.listings[name].watchlist for name in sorted(self.listings))

    @property
    def actor_ids(self) -> tuple[str, ...]:
        """The ids of all actors, sorted."""
        return tuple(sorted(self.holdings))

    def has_watchlist(self, watchlist_id: str) -> bool:
        """Whether there is such a watchlist."""
        return watchlist_id in self.listings

    def watchlist(self, watchlist_id: str) -> Watchlist:
        """One watchlist. Raises ``WatchlistNotFound``."""
        return self._listing(watchlist_id).watchlist

    def watchlist_version(self, watchlist_id: str) -> str:
        """``<watchlist_id>@<journal sequence of its last change>``. Raises ``WatchlistNotFound``."""
        return f"{watchlist_id}@{self._listing(watchlist_id).changed_at}"

    def members(self, watchlist_id: str) -> tuple[str, ...]:
        """The ids of a watchlist's actors, expired or not, sorted. Raises ``WatchlistNotFound``."""
        return self._listing(watchlist_id).members.ids

    def finds_the_same(self, *, at: datetime, as_at: datetime) -> bool:
        """Whether a search at one instant finds what it found at an earlier one: nobody on any list has expired."""
        after_us, until_us = microseconds(as_at), microseconds(at)
        return not any(
            listing.members.expires_between(after_us, until_us)
            for listing in self.listings.values()
        )

    def without_voiceprint(
        self, watchlist_id: str, model_id: str, *, at: datetime | None = None
    ) -> tuple[str, ...]:
        """The ids of a watchlist's actors that have no voiceprint of a model, sorted.

        Args:
            watchlist_id: which one.
            model_id: the voice model; for one that no scorer is of it takes longer than a search.
            at: actors that have expired by then are left out; None means now.

        Raises:
            WatchlistNotFound: there is no such watchlist.
        """
        members = self._listing(watchlist_id).members
        if model_id not in members.voiced:
            members = members.accounting([model_id], lambda each: self.holdings[each].model_ids)
        return members.ids_without_voiceprint(model_id, microseconds(at or datetime.now(UTC)))

    def scorer(self, profile_id: str | None, model_id: str) -> Scorer:
        """The scorer that this snapshot is searched with; take both from one snapshot, for they are swapped together.

        Args:
            profile_id: of an active scorer or one in shadow; None for the active one.
            model_id: its voice model.

        Raises:
            ProfileMismatch: the profile is not in use, is another model's, or none is active for the model.
        """
        if profile_id is None:
            found = self.scorers.active_for(model_id)
            if found is None:
                raise ProfileMismatch(
                    f"No calibration profile is active for voice model {model_id}; activate one."
                )
            return found
        found = self.scorers.of_profile(profile_id)
        if found.model_id != model_id:
            raise ProfileMismatch(
                f"Calibration profile {profile_id} is of voice model {found.model_id}, not of {model_id}; "
                f"choose one of {model_id}."
            )
        return found

    def actor(self, actor_id: str) -> Actor:
        """One actor, expired or not. Raises ``ActorNotFound``."""
        return self.holding(actor_id).actor

    def template(self, actor_id: str, voiceprint_id: str) -> Template | None:
        """One voiceprint of an actor, for comparing new recordings with. Raises ``ActorNotFound``."""
        return self.holding(actor_id).template(voiceprint_id)

    def holding(self, actor_id: str) -> Holding:
        """An actor with all that belongs to it. Raises ``ActorNotFound``."""
        try:
            return self.holdings[actor_id]
        except KeyError:
            raise ActorNotFound.of(actor_id) from None

    def script_holding(self, script_id: str) -> ScriptHolding:
        """A script with all that belongs to it. Raises ``ScriptNotFound``."""
        try:
            return self.scripts[script_id]
        except KeyError:
            raise ScriptNotFound.of(script_id) from None

    def expired(self, before: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The ids of the actors, and of the scripts, that had expired before then; each sorted."""
        before_us = microseconds(before)
        actors = (name for name, held in self.holdings.items() if held.expires_us < before_us)
        scripts = (name for name, held in self.scripts.items() if held.expires_us < before_us)
        return tuple(sorted(actors)), tuple(sorted(scripts))

    def has_record(self, name: str) -> bool:
        """Whether it was made from a record of this name."""
        kind, _, rest = name.partition("/")
        if kind == VOICEPRINT:
            actor_id, _, voiceprint_id = rest.partition("/")
            held = self.holdings.get(actor_id)
            return held is not None and voiceprint_id in held.names
        known: Container[str] | None = {
            ACTOR: self.holdings,
            WATCHLIST: self.listings,
            SCRIPT: self.scripts,
            ALLOW: self.allowed.holdings,
        }.get(kind)
        return known is not None and rest in known

    def __contains__(self, actor_id: object) -> bool:
        return actor_id in self.holdings

    def list_actors(
        self,
        watchlist_id: str,
        *,
        at: datetime,
        page_size: int = 100,
        page_token: str = "",
        include_expired: bool = True,
    ) -> ActorPage:
        """A page of a watchlist's actors in the order of their ids.

        Args:
            watchlist_id: which one.
            at: what counts as expired.
            page_size: 1 to 1000; more is taken as 1000.
            page_token: of the page before; empty for the first.
            include_expired: whether to list actors that can't be found any more.

        Raises:
            WatchlistNotFound: there is no such watchlist.
            InvalidRecord: the token is not one of ours.
        """
        members = self._listing(watchlist_id).members
        start = (
            bisect_right(members.ids, check_record_id("Page token", page_token))
            if page_token
            else 0
        )
        at_us = microseconds(at)
        wanted = max(1, min(page_size, LONGEST_PAGE))
        rows = np.arange(start, len(members))
        if not include_expired:
            rows = rows[members.expires_us[start:] > at_us]
        page = [members.ids[row] for row in rows[:wanted].tolist()]
        return ActorPage(
            actors=tuple(self.holdings[actor_id].actor for actor_id in page),
            next_page_token=page[-1] if len(rows) > wanted else "",
            total=len(members) if include_expired else members.size(at_us),
        )

    def search(
        self,
        watchlist_id: str,
        voiceprint: NDArray[np.float32],
        *,
        net_speech_s: float,
        at: datetime,
        candidates: int = 5,
        profile_id: str | None = None,
        snr_db: float | None = None,
    ) -> WatchlistResult:
        """Score a caller's voiceprint against a watchlist; takes milliseconds, so call it from a worker thread.

        Args:
            watchlist_id: which one.
            voiceprint: (d,) float32, unit length, as the scorer's voice model gives it.
            net_speech_s: behind the voiceprint.
            at: actors that have expired by then are not found.
            candidates: how many of the best actors to name; at least 2.
            profile_id: of the scorer, which may be in shadow and of another voice model than the watchlist; None for
                the active one of the watchlist's model.
            snr_db: the caller's speech over noise; None where it isn't known.

        Raises:
            WatchlistNotFound: there is no such watchlist.
            ModelMismatch: no scorer is active for its voice model.
            ProfileMismatch: the named profile is not in use.
        """
        listing = self._listing(watchlist_id)
        scorer = self._scorer_for(listing.watchlist, profile_id)
        at_us = microseconds(at)
        segments = listing.segments.get(scorer.profile_id, ())
        ranking = rank(
            segments, scorer, voiceprint, net_speech_s=net_speech_s, at_us=at_us, snr_db=snr_db
        )
        size = listing.members.size(at_us)
        without = listing.members.without_voiceprint(scorer.model_id, at_us)
        return WatchlistResult(
            watchlist_id=watchlist_id,
            version=f"{watchlist_id}@{listing.changed_at}",
            model_id=scorer.model_id,
            profile_id=scorer.profile_id,
            size_actors=size,
            candidates=ranking.candidates(max(2, candidates)),
            actor_ids=ranking.actor_ids,
            actor_llrs=ranking.llrs,
            unlimited_llrs=ranking.unlimited_llrs,
            unscored_actors=size - without - len(ranking.actor_ids),
            actors_without_voiceprint=without,
        )

    def content(
        self, watchlist_id: str, *, at: datetime, profile_id: str | None = None
    ) -> ListContent:
        """What ``search`` goes through, for judging a list as a whole; the arguments are those of ``search``."""
        listing = self._listing(watchlist_id)
        scorer = self._scorer_for(listing.watchlist, profile_id)
        return ListContent(
            version=f"{watchlist_id}@{listing.changed_at}",
            size_actors=listing.members.size(microseconds(at)),
            segments=listing.segments.get(scorer.profile_id, ()),
            scorer=scorer,
        )

    def _scorer_for(self, watchlist: Watchlist, profile_id: str | None) -> Scorer:
        if profile_id is not None:
            return self.scorers.of_profile(profile_id)
        scorer = self.scorers.active_for(watchlist.model_id)
        if scorer is None:
            given = ", ".join(sorted(each.model_id for each in self.scorers.active)) or "none"
            raise ModelMismatch.of(
                watchlist.watchlist_id, watchlist_model=watchlist.model_id, given_model=given
            )
        return scorer

    def _listing(self, watchlist_id: str) -> Listing:
        try:
            return self.listings[watchlist_id]
        except KeyError:
            raise WatchlistNotFound.of(watchlist_id) from None

    def applied(
        self,
        entries: Sequence[JournalEntry],
        records: Mapping[str, bytes | None],
        codec: RecordCodec,
    ) -> "Snapshot":
        """The snapshot after some journal entries.

        Args:
            entries: those that follow this snapshot's, in order.
            records: what they left in the records they name; None for deleted.
            codec: opens the records.

        Raises:
            StoreTampered: a record can't be opened.
        """
        if not entries:
            return self
        change = ContentChange(self.holdings, self.listings, self.scorers, self._next_code)
        change.apply(records, codec)
        for entry in entries:
            change.mark(entry.watchlists, entry.head.sequence)
        return Snapshot(
            head=entries[-1].head,
            holdings=change.holdings,
            listings=change.listings,
            scorers=self.scorers,
            next_code=change.next_code,
            scripts=scripts_after(self.scripts, records, codec),
            allowed=allowed_after(self.allowed, records, codec),
        )

    def with_scorers(self, scorers: Scorers, prepared: "Snapshot | None" = None) -> "Snapshot":
        """The same content for other scorers; takes seconds for 100,000 voiceprints and a scorer not in use yet.

        Args:
            scorers: what to search with from now on.
            prepared: an earlier snapshot with these scorers. What has not changed since is taken from it, so that
                bringing it up to date takes milliseconds.
        """
        holdings = {} if prepared is None else prepared.holdings
        listings = {} if prepared is None else prepared.listings
        return Snapshot(
            head=self.head,
            holdings=self.holdings,
            listings=rescored(self.holdings, self.listings, scorers, holdings, listings),
            scorers=scorers,
            next_code=self._next_code,
            scripts=self.scripts,
            allowed=self.allowed,
        )


def records_gone(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """The names of the records that one snapshot was made from and a later one wasn't."""
    names = chain(
        map(watchlist_record, before.listings.keys() - after.listings.keys()),
        map(allow_record, before.allowed.holdings.keys() - after.allowed.holdings.keys()),
        map(script_record, before.scripts.keys() - after.scripts.keys()),
        chain.from_iterable(
            held.record_names
            for actor_id, held in before.holdings.items()
            if held is not after.holdings.get(actor_id)
        ),
    )
    return (name for name in names if not after.has_record(name))
