"""What a snapshot holds, and how a change carries it over into the next one.

All values are immutable and shared between snapshots; a change copies the two outermost dictionaries and replaces in
them what it touches.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from shengdun.index.errors import StoreTampered
from shengdun.index.keys import DataKey
from shengdun.index.members import Member, Members
from shengdun.index.records import ACTOR, VOICEPRINT, WATCHLIST, RecordCodec, actor_record
from shengdun.index.scorers import Scorers
from shengdun.index.scoring import Scorer
from shengdun.index.segments import Row, Segment, append, expire, microseconds, remove
from shengdun.index.watchlists import Actor, Template, Watchlist


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holding:
    """An actor with its voiceprints and its data key."""

    actor: Actor
    templates: Mapping[str, Template]
    data_key: DataKey
    code: int

    @property
    def model_ids(self) -> frozenset[str]:
        """The voice models that the actor has voiceprints of."""
        return frozenset(template.info.model_id for template in self.templates.values())

    @property
    def member(self) -> Member:
        """The actor as a member of its watchlists."""
        return Member(expires_us=microseconds(self.actor.expires_at), model_ids=self.model_ids)

    def rows(self, model_id: str) -> dict[str, Row]:
        """The rows of this actor for the scorers of one voice model, by voiceprint id."""
        expires_us = microseconds(self.actor.expires_at)
        return {
            name: Row(
                voiceprint_id=name,
                actor_id=self.actor.actor_id,
                actor_code=self.code,
                expires_us=expires_us,
                net_speech_s=template.info.net_speech_s,
                snr_db=math.nan if template.info.snr_db is None else template.info.snr_db,
                vector=template.vector,
            )
            for name, template in self.templates.items()
            if template.info.model_id == model_id
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Listing:
    """A watchlist with its content.

    Attributes:
        watchlist: the record.
        changed_at: the journal entry of the last change that may alter its search results.
        members: its actors.
        segments: the voiceprints of its actors by calibration profile, as the profile's scorer projects them. A
            scorer's are those of its own voice model, whatever the model of the list.
    """

    watchlist: Watchlist
    changed_at: int = 0
    members: Members
    segments: Mapping[str, tuple[Segment, ...]] = field(default_factory=dict)


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
        self.next_code = next_code

    def apply(self, records: Mapping[str, bytes | None], codec: RecordCodec) -> None:
        """Take over the records of one or several journal entries; None for deleted."""
        for name, stored in records.items():
            if name.startswith(f"{WATCHLIST}/"):
                self._apply_watchlist(name, stored, codec)
        touched = self._apply_actors(records, codec)
        self._apply_voiceprints(records, codec)
        for actor_id in touched & self.holdings.keys():
            self._complete(actor_id)
        for watchlist_id in list(self.listings):
            self._refresh(watchlist_id, touched)

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
            known = Listing(watchlist=watchlist, members=members)
            self._anew.add(watchlist_id)
        self.listings[watchlist_id] = replace(known, watchlist=watchlist)

    def _apply_actors(self, records: Mapping[str, bytes | None], codec: RecordCodec) -> set[str]:
        touched = {name.split("/")[1] for name in records if name.startswith((ACTOR, VOICEPRINT))}
        for actor_id in touched:
            name = actor_record(actor_id)
            stored = records.get(name)
            if stored is not None:
                self._put_actor(actor_id, *codec.decode_actor(name, stored))
            elif name in records:
                self.holdings.pop(actor_id, None)
        return touched

    def _put_actor(self, actor_id: str, actor: Actor, data_key: DataKey) -> None:
        known = self.holdings.get(actor_id)
        if known is None:
            known = Holding(actor=actor, templates={}, data_key=data_key, code=self.next_code)
            self.next_code += 1
        self.holdings[actor_id] = replace(known, actor=actor, data_key=data_key)

    def _apply_voiceprints(self, records: Mapping[str, bytes | None], codec: RecordCodec) -> None:
        changed: dict[str, dict[str, Template]] = {}
        for name, stored in records.items():
            if not name.startswith(f"{VOICEPRINT}/"):
                continue
            _, actor_id, voiceprint_id = name.split("/")
            holding = self.holdings.get(actor_id)
            if holding is None:
                if stored is None:
                    continue
                raise StoreTampered.of(f"key {name}", "belongs to no actor")
            templates = changed.setdefault(actor_id, dict(holding.templates))
            if stored is None:
                templates.pop(voiceprint_id, None)
            else:
                templates[voiceprint_id] = codec.decode_voiceprint(name, stored, holding.data_key)
        for actor_id, templates in changed.items():
            ordered = {name: templates[name] for name in sorted(templates)}
            self.holdings[actor_id] = replace(self.holdings[actor_id], templates=ordered)

    def _complete(self, actor_id: str) -> None:
        holding = self.holdings[actor_id]
        infos = tuple(template.info for template in holding.templates.values())
        actor = replace(holding.actor, voiceprints=infos)
        self.holdings[actor_id] = replace(holding, actor=actor)

    def _refresh(self, watchlist_id: str, touched: set[str]) -> None:
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
            )
            for scorer in self._scorers
        }
        self.listings[watchlist_id] = replace(listing, members=members, segments=segments)

    def _on(
        self, holdings: Mapping[str, Holding], actor_id: str, watchlist_id: str
    ) -> Holding | None:
        holding = holdings.get(actor_id)
        return holding if holding and watchlist_id in holding.actor.watchlist_ids else None


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
        for watchlist_id in held.actor.watchlist_ids if held else ():
            found.setdefault(watchlist_id, []).append(holdings[name])
    return found


def _changed_segments(
    segments: tuple[Segment, ...],
    scorer: Scorer,
    before: Iterable[Holding],
    after: Iterable[Holding],
) -> tuple[Segment, ...]:
    model_id = scorer.model_id
    old = {name: row for held in before for name, row in held.rows(model_id).items()}
    new = {name: row for held in after for name, row in held.rows(model_id).items()}
    # An actor that was erased and registered again has another code.
    kept = {
        name for name in old.keys() & new.keys() if old[name].actor_code == new[name].actor_code
    }
    gone = {name: old[name] for name in old.keys() - kept}
    expiring = {n: new[n] for n in kept if new[n].expires_us != old[n].expires_us}
    segments = remove(segments, gone) if gone else segments
    segments = expire(segments, expiring) if expiring else segments
    added = [new[name] for name in sorted(new.keys() - kept)]
    return append(segments, added, scorer) if added else segments
