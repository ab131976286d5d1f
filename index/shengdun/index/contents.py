"""What a snapshot holds, and how a change carries it over into the next one.

All values are immutable and shared between snapshots; a change copies the two outermost dictionaries and replaces in
them what it touches.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from shengdun.index.errors import StoreTampered
from shengdun.index.keys import DataKey
from shengdun.index.records import ACTOR, VOICEPRINT, WATCHLIST, RecordCodec, actor_record
from shengdun.index.scoring import Scorer
from shengdun.index.segments import Row, Segment, append, expire, microseconds, remove
from shengdun.index.watchlists import Actor, Template, Watchlist

_FEW: Final = 64
"""Up to so many changed members are put into a listing one by one; more of them by sorting it anew."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Holding:
    """An actor with its voiceprints and its data key."""

    actor: Actor
    templates: Mapping[str, Template]
    data_key: DataKey
    code: int

    def rows(self, model_id: str) -> dict[str, Row]:
        """The rows of this actor in a watchlist of one model, by voiceprint id."""
        expires_us = microseconds(self.actor.expires_at)
        return {
            name: Row(
                voiceprint_id=name,
                actor_id=self.actor.actor_id,
                actor_code=self.code,
                expires_us=expires_us,
                net_speech_s=template.info.net_speech_s,
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
        members: the ids of its actors, sorted.
        expires_us: (n,) int64, when each member expires.
        segments: their voiceprints; none without a scorer for the list's model.
    """

    watchlist: Watchlist
    changed_at: int = 0
    members: tuple[str, ...] = ()
    expires_us: NDArray[np.int64]
    segments: tuple[Segment, ...] = ()

    def size(self, at_us: int) -> int:
        """How many members have not expired."""
        return int(np.count_nonzero(self.expires_us > at_us))


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
        scorers: Mapping[str, Scorer],
        next_code: int,
    ) -> None:
        self._before = holdings
        self.holdings = dict(holdings)
        self.listings = dict(listings)
        self._scorers = scorers
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
            known = Listing(watchlist=watchlist, expires_us=np.empty(0, dtype=np.int64))
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
            name: held for name in touched if (held := self._on(self._before, name, watchlist_id))
        }
        after = {
            name: held for name in touched if (held := self._on(self.holdings, name, watchlist_id))
        }
        if not before and not after:
            return
        members, expires_us = _changed_members(listing, before.keys() - after.keys(), after)
        segments = self._changed_segments(listing, before.values(), after.values())
        self.listings[watchlist_id] = replace(
            listing, members=members, expires_us=expires_us, segments=segments
        )

    def _on(
        self, holdings: Mapping[str, Holding], actor_id: str, watchlist_id: str
    ) -> Holding | None:
        holding = holdings.get(actor_id)
        return holding if holding and watchlist_id in holding.actor.watchlist_ids else None

    def _changed_segments(
        self, listing: Listing, before: Iterable[Holding], after: Iterable[Holding]
    ) -> tuple[Segment, ...]:
        model_id = listing.watchlist.model_id
        scorer = self._scorers.get(model_id)
        if scorer is None:
            return ()
        old = {name: row for held in before for name, row in held.rows(model_id).items()}
        new = {name: row for held in after for name, row in held.rows(model_id).items()}
        # An actor that was erased and registered again has another code.
        kept = {
            name for name in old.keys() & new.keys() if old[name].actor_code == new[name].actor_code
        }
        expiries = {n: new[n].expires_us for n in kept if new[n].expires_us != old[n].expires_us}
        segments = remove(listing.segments, old.keys() - kept)
        segments = expire(segments, expiries) if expiries else segments
        added = [new[name] for name in sorted(new.keys() - kept)]
        return append(segments, added, scorer) if added else segments


def _changed_members(
    listing: Listing, gone: Iterable[str], present: Mapping[str, Holding]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    new = {name: microseconds(held.actor.expires_at) for name, held in present.items()}
    if len(new) > _FEW:
        content = dict(zip(listing.members, listing.expires_us.tolist(), strict=True)) | new
        content = {name: content[name] for name in sorted(content.keys() - set(gone))}
        return tuple(content), np.array(list(content.values()), dtype=np.int64)
    members, expires_us = list(listing.members), listing.expires_us.copy()
    for actor_id in gone:
        row = bisect_left(members, actor_id)
        if members[row : row + 1] == [actor_id]:
            del members[row]
            expires_us = np.delete(expires_us, row)
    for actor_id, moment_us in new.items():
        row = bisect_left(members, actor_id)
        if members[row : row + 1] == [actor_id]:
            expires_us[row] = moment_us
        else:
            members.insert(row, actor_id)
            expires_us = np.insert(expires_us, row, moment_us)
    return tuple(members), expires_us
