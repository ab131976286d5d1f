"""What a snapshot holds, and how a change carries it over into the next one.

All values are immutable and shared between snapshots; a change copies the two outermost dictionaries and replaces in
them what it touches.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from shengdun.index.errors import StoreTampered
from shengdun.index.holdings import Holding, rows_of
from shengdun.index.keys import DataKey
from shengdun.index.members import Members
from shengdun.index.records import (
    ACTOR,
    VOICEPRINT,
    WATCHLIST,
    OpenedActor,
    OpenedVoiceprint,
    RecordCodec,
    actor_of,
    actor_record,
    voiceprint_record,
)
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer
from shengdun.index.segments import Segment, append, expire, microseconds, remove
from shengdun.index.watchlists import Watchlist

_ACTORS_AT_ONCE: Final = 4096
"""Opened, a voiceprint takes three times the memory that stays; so not all of a long list are open at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listing:
    """A watchlist with its content.

    Attributes:
        watchlist: what is known about it.
        record: its record as it is stored.
        changed_at: the journal entry of the last change that may alter its search results.
        members: its actors.
        segments: the voiceprints of its actors by calibration profile, as the profile's scorer projects them. A
            scorer's are those of its own voice model, whatever the model of the list.
    """

    watchlist: Watchlist
    record: bytes = field(repr=False)
    changed_at: int = 0
    members: Members
    segments: Mapping[str, tuple[Segment, ...]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class _Touched:
    """What some records say about one actor, while they are worked through."""

    record: bytes | None = None
    opened: OpenedActor | None = None
    data_key: DataKey | None = None
    voiceprints: dict[str, tuple[bytes, str]] | None = None


class ContentChange:
    """Works out the next snapshot's content.

    Attributes:
        holdings: the actors, by id.
        listings: the watchlists, by id.
        next_code: the next free actor code.
    """

    def __init__(
        self,
        holdings: Mapping[str, Holding],
        listings: Mapping[str, Listing],
        scorers: Scorers,
        next_code: int,
    ) -> None:
        self._before = holdings
        self.holdings = dict(holdings)
        self.listings = dict(listings)
        self._scorers = scorers
        self._anew: set[str] = set()
        self._opened: dict[str, OpenedVoiceprint] = {}
        self._lists: dict[frozenset[str], frozenset[str]] = {}
        self.next_code = next_code

    def apply(self, records: Mapping[str, bytes | None], codec: RecordCodec) -> None:
        """Take over the records of one or several journal entries; None for deleted."""
        for name, stored in records.items():
            if name.startswith(f"{WATCHLIST}/"):
                self._apply_watchlist(name, stored, codec)
        names: dict[str, list[str]] = {}
        for name in records:
            actor_id = actor_of(name)
            if actor_id is not None:
                names.setdefault(actor_id, []).append(name)
        of_actors = list(names.values())
        for start in range(0, len(of_actors), _ACTORS_AT_ONCE):
            at_once = chain.from_iterable(of_actors[start : start + _ACTORS_AT_ONCE])
            self._apply_some({name: records[name] for name in at_once}, codec)

    def _apply_some(self, records: Mapping[str, bytes | None], codec: RecordCodec) -> None:
        """Take over all records of some actors."""
        touched = self._apply_actors(records, codec)
        self._apply_voiceprints(records, touched, codec)
        for actor_id, change in touched.items():
            self._put(actor_id, change, codec)
        for watchlist_id in list(self.listings):
            self._refresh(watchlist_id, touched.keys())
        self._opened.clear()

    def mark(self, watchlist_ids: Iterable[str], sequence: int) -> None:
        """Note the journal entry that may have changed what is found on some watchlists."""
        for watchlist_id in watchlist_ids:
            listing = self.listings.get(watchlist_id)
            if listing is not None:
                self.listings[watchlist_id] = replace(listing, changed_at=sequence)

    def _apply_watchlist(self, name: str, stored: bytes | None, codec: RecordCodec) -> None:
        watchlist_id = name.partition("/")[2]
        if stored is None:
            self.listings.pop(watchlist_id, None)
            return
        watchlist = codec.decode_watchlist(name, stored)
        known = self.listings.get(watchlist_id)
        # The model of a list never changes, so this one was deleted and made anew between two looks at the journal.
        if known is None or known.watchlist.model_id != watchlist.model_id:
            members = Members.nobody(self._scorers.model_ids)
            known = Listing(watchlist=watchlist, record=stored, members=members)
            self._anew.add(watchlist_id)
        self.listings[watchlist_id] = replace(known, watchlist=watchlist, record=stored)

    def _apply_actors(
        self, records: Mapping[str, bytes | None], codec: RecordCodec
    ) -> dict[str, "_Touched"]:
        touched = {
            name.split("/")[1]: _Touched()
            for name in records
            if name.startswith((ACTOR, VOICEPRINT))
        }
        for actor_id, change in touched.items():
            name = actor_record(actor_id)
            stored = records.get(name)
            if stored is not None:
                change.record = stored
                change.opened = codec.open_actor(name, stored)
            elif name in records:
                self.holdings.pop(actor_id, None)
        return touched

    def _apply_voiceprints(
        self,
        records: Mapping[str, bytes | None],
        touched: Mapping[str, "_Touched"],
        codec: RecordCodec,
    ) -> None:
        for name, stored in records.items():
            if not name.startswith(f"{VOICEPRINT}/"):
                continue
            _, actor_id, voiceprint_id = name.split("/")
            change, known = touched[actor_id], self.holdings.get(actor_id)
            if change.opened is None and known is None:
                if stored is None:
                    continue
                raise StoreTampered.of(f"key {name}", "belongs to no actor")
            kept = self._voiceprints_of(actor_id, change)
            if stored is None:
                kept.pop(voiceprint_id, None)
                continue
            if change.data_key is None:
                change.data_key = self._key_of(actor_id, change)
            opened = codec.open_voiceprint(name, stored, change.data_key)
            self._opened[name] = opened
            kept[voiceprint_id] = stored, opened.model_id

    def _voiceprints_of(self, actor_id: str, change: _Touched) -> dict[str, tuple[bytes, str]]:
        if change.voiceprints is None:
            known = self.holdings.get(actor_id)
            pairs = zip(known.sealed, known.models, strict=True) if known else ()
            change.voiceprints = dict(zip(known.names if known else (), pairs, strict=True))
        return change.voiceprints

    def _key_of(self, actor_id: str, change: _Touched) -> DataKey:
        return change.opened.data_key if change.opened else self.holdings[actor_id].data_key

    def _put(self, actor_id: str, change: _Touched, codec: RecordCodec) -> None:
        known = self.holdings.get(actor_id)
        if known is None and change.opened is None:
            return
        names = sorted(kept := self._voiceprints_of(actor_id, change))
        if known is None:
            code, self.next_code = self.next_code, self.next_code + 1
        else:
            code = known.code
        opened, record = change.opened, change.record
        if opened is None or record is None:
            assert known is not None
            record, expires_us, lists = known.record, known.expires_us, known.watchlist_ids
        else:
            expires_us = microseconds(opened.expires_at)
            lists = self._lists.setdefault(opened.watchlist_ids, opened.watchlist_ids)
        self.holdings[actor_id] = Holding(
            actor_id=actor_id,
            code=code,
            expires_us=expires_us,
            watchlist_ids=lists,
            names=tuple(names),
            models=tuple(kept[name][1] for name in names),
            record=record,
            sealed=tuple(kept[name][0] for name in names),
            codec=codec,
        )

    def _refresh(self, watchlist_id: str, touched: Iterable[str]) -> None:
        """Bring a watchlist's members and voiceprints up to date with the actors that were touched."""
        listing = self.listings[watchlist_id]
        before = {
            name: held
            for name in touched
            if (held := self._on(self._before, name, watchlist_id))
            and watchlist_id not in self._anew
        }
        after = {
            name: held for name in touched if (held := self._on(self.holdings, name, watchlist_id))
        }
        if not before and not after:
            return
        members = listing.members.changed(
            before.keys() - after.keys(), {name: held.member for name, held in after.items()}
        )
        segments = {
            scorer.profile_id: _changed_segments(
                listing.segments.get(scorer.profile_id, ()),
                scorer,
                before.values(),
                after.values(),
                self._rows,
            )
            for scorer in self._scorers
        }
        self.listings[watchlist_id] = replace(listing, members=members, segments=segments)

    def _rows(self, holding: Holding, names: Collection[str]) -> Iterable[OpenedVoiceprint]:
        """Some voiceprints of an actor, opened; those that were just read are open already."""
        just_read = [self._opened.get(voiceprint_record(holding.actor_id, each)) for each in names]
        found = [each for each in just_read if each is not None]
        return found if len(found) == len(names) else holding.opened(names)

    def _on(
        self, holdings: Mapping[str, Holding], actor_id: str, watchlist_id: str
    ) -> Holding | None:
        holding = holdings.get(actor_id)
        return holding if holding and watchlist_id in holding.watchlist_ids else None


def rescored(
    holdings: Mapping[str, Holding],
    listings: Mapping[str, Listing],
    scorers: Scorers,
    prepared_holdings: Mapping[str, Holding],
    prepared_listings: Mapping[str, Listing],
) -> dict[str, Listing]:
    """The listings with segments for other scorers.

    Args:
        holdings: the actors.
        listings: the watchlists; what they have of these scorers is shared.
        scorers: the scorers.
        prepared_holdings: the actors as they were when ``prepared_listings`` were made; none if nothing is prepared.
        prepared_listings: watchlists with segments for these scorers; only what has changed since is projected.
    """
    names = holdings.keys() | prepared_holdings.keys()
    touched = [name for name in names if holdings.get(name) is not prepared_holdings.get(name)]
    before = _by_watchlist(prepared_holdings, touched)
    after = _by_watchlist(holdings, touched)
    changed = {}
    for name, listing in listings.items():
        prepared = prepared_listings.get(name)
        segments = {
            scorer.profile_id: listing.segments[scorer.profile_id]
            if scorer.profile_id in listing.segments
            else _changed_segments(
                () if prepared is None else prepared.segments.get(scorer.profile_id, ()),
                scorer,
                before.get(name, ()),
                after.get(name, ()),
                Holding.opened,
            )
            for scorer in scorers
        }
        members = listing.members.accounting(
            scorers.model_ids, lambda actor_id: holdings[actor_id].model_ids
        )
        changed[name] = replace(listing, members=members, segments=segments)
    return changed


def _by_watchlist(
    holdings: Mapping[str, Holding], names: Iterable[str]
) -> dict[str, list[Holding]]:
    found: dict[str, list[Holding]] = {}
    for name in sorted(names):
        held = holdings.get(name)
        for watchlist_id in held.watchlist_ids if held else ():
            found.setdefault(watchlist_id, []).append(holdings[name])
    return found


Opening = Callable[[Holding, Collection[str]], Iterable[OpenedVoiceprint]]
"""Opens some voiceprints of an actor, given by id."""


def _changed_segments(
    segments: tuple[Segment, ...],
    scorer: Scorer,
    before: Collection[Holding],
    after: Collection[Holding],
    opening: Opening,
) -> tuple[Segment, ...]:
    # An actor that was erased and registered again has another code.
    old = {name: held.code for held in before for name in held.names}
    new = {name: held.code for held in after for name in held.names}
    gone = {name: code for name, code in old.items() if new.get(name) != code}
    expired = {held.code: held.expires_us for held in before}
    expiring = {
        held.code: held.expires_us
        for held in after
        if expired.get(held.code, held.expires_us) != held.expires_us
    }
    segments = remove(segments, gone) if gone else segments
    segments = expire(segments, expiring) if expiring else segments
    added: list[tuple[Holding, OpenedVoiceprint]] = []
    for held in after:
        names = [
            name
            for name, model_id in zip(held.names, held.models, strict=True)
            if model_id == scorer.model_id and old.get(name) != held.code
        ]
        added += [(held, one) for one in opening(held, names)] if names else ()
    return append(segments, rows_of(added), scorer) if added else segments
