"""Planning changes: from the current snapshot and what is asked for to records and their journal entry.

Pure: nothing is read or written here, so that a plan can be made again on a newer snapshot when another process was
faster.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any, Final

from shengdun.index.errors import (
    ActorExists,
    InvalidRecord,
    LastVoiceprint,
    ModelMismatch,
    RevisionConflict,
    VoiceprintNotFound,
    WatchlistExists,
    WatchlistNotEmpty,
)
from shengdun.index.holdings import Holding
from shengdun.index.journal import RESEALED, Draft
from shengdun.index.keys import DataKey
from shengdun.index.records import (
    RecordCodec,
    actor_record,
    voiceprint_record,
    watchlist_record,
)
from shengdun.index.snapshot import Snapshot
from shengdun.index.watchlists import (
    KEEP,
    Actor,
    ActorChanges,
    NewActor,
    NewWatchlist,
    Template,
    Watchlist,
    WatchlistChanges,
)

ERASED_AT_ONCE: Final = 500
"""Actors erased by one journal entry at most, so that no entry grows without bound."""


class Planner:
    """Plans changes; every method takes the snapshot that the change is to apply to."""

    def __init__(self, codec: RecordCodec) -> None:
        self._codec = codec

    def create_watchlist(self, snapshot: Snapshot, new: NewWatchlist, principal: str) -> Draft:
        """Raises ``WatchlistExists``, ``InvalidRecord``."""
        if snapshot.has_watchlist(new.watchlist_id):
            raise WatchlistExists(
                f"There is a watchlist '{new.watchlist_id}' already: use it, or choose another id."
            )
        now = datetime.now(UTC)
        watchlist = Watchlist(**_fields(new), created_at=now, updated_at=now)
        return self._watchlist_draft("watchlist.created", watchlist, principal)

    def update_watchlist(
        self,
        snapshot: Snapshot,
        watchlist_id: str,
        changes: WatchlistChanges,
        expected_revision: int | None,
        principal: str,
    ) -> Draft:
        """Raises ``WatchlistNotFound``, ``RevisionConflict``, ``InvalidRecord``."""
        known = snapshot.watchlist(watchlist_id)
        _check_revision(f"watchlist '{watchlist_id}'", expected_revision, known.revision)
        watchlist = replace(
            known,
            **_changed(changes),
            updated_at=datetime.now(UTC),
            revision=known.revision + 1,
        )
        return self._watchlist_draft("watchlist.updated", watchlist, principal)

    def empty_watchlist(
        self, snapshot: Snapshot, watchlist_id: str, *, force: bool, principal: str
    ) -> Draft:
        """Take some actors off a list and erase those that are on no other, or delete the list when it is empty.

        Raises:
            WatchlistNotFound: there is no such watchlist.
            WatchlistNotEmpty: it has actors, and ``force`` was not given.
        """
        members = snapshot.members(watchlist_id)
        if members and not force:
            raise WatchlistNotEmpty(
                f"Watchlist '{watchlist_id}' has {len(members)} actors: move or erase them first, or delete it by "
                f"force, which erases the actors that are on no other watchlist."
            )
        record = watchlist_record(watchlist_id)
        if not members:
            return Draft(
                kind="watchlist.deleted",
                principal=principal,
                subjects=(record,),
                watchlists=(watchlist_id,),
                deletions=(record,),
            )
        holdings = [snapshot.holding(actor_id) for actor_id in members[:ERASED_AT_ONCE]]
        return self._leave(watchlist_id, holdings, principal)

    def register_actor(
        self,
        snapshot: Snapshot,
        actor_id: str,
        new: NewActor,
        templates: Sequence[Template],
        principal: str,
    ) -> Draft:
        """Raises ``WatchlistNotFound``, ``ModelMismatch``, ``ActorExists``, ``InvalidRecord``."""
        if actor_id in snapshot:
            raise ActorExists(
                f"There is an actor '{actor_id}' already: add voiceprints to it, or choose another id."
            )
        if not templates:
            raise InvalidRecord("An actor is registered with at least one voiceprint.")
        now = datetime.now(UTC)
        given = _fields(new) | {"actor_id": actor_id}
        infos = tuple(template.info for template in templates)
        actor = Actor(**given, created_at=now, updated_at=now, voiceprints=infos)
        if actor.expired(now):
            raise InvalidRecord("The expiry lies in the past: the actor would never be found.")
        _check_found(snapshot, actor.watchlist_ids, templates)
        _check_used(snapshot, actor.watchlist_ids, templates)
        data_key = self._codec.new_data_key(actor_id)
        return self._actor_draft("actor.registered", actor, data_key, principal, added=templates)

    def add_voiceprints(
        self,
        snapshot: Snapshot,
        actor_id: str,
        templates: Sequence[Template],
        expected_revision: int | None,
        principal: str,
    ) -> Draft:
        """Raises ``ActorNotFound``, ``ModelMismatch``, ``RevisionConflict``, ``InvalidRecord``."""
        holding = snapshot.holding(actor_id)
        _check_revision(f"actor '{actor_id}'", expected_revision, holding.actor.revision)
        if not templates:
            raise InvalidRecord("No voiceprint was given.")
        _check_used(snapshot, holding.watchlist_ids, templates)
        infos = (*holding.actor.voiceprints, *(template.info for template in templates))
        actor = _revised(holding.actor, voiceprints=infos)
        return self._actor_draft(
            "actor.voiceprints_added", actor, holding.data_key, principal, added=templates
        )

    def remove_voiceprint(
        self,
        snapshot: Snapshot,
        actor_id: str,
        voiceprint_id: str,
        expected_revision: int | None,
        principal: str,
    ) -> Draft:
        """Raises ``ActorNotFound``, ``VoiceprintNotFound``, ``LastVoiceprint``, ``RevisionConflict``."""
        holding = snapshot.holding(actor_id)
        _check_revision(f"actor '{actor_id}'", expected_revision, holding.actor.revision)
        if voiceprint_id not in holding.names:
            raise VoiceprintNotFound(
                f"Actor '{actor_id}' has no voiceprint '{voiceprint_id}'; read the actor to see what it has."
            )
        if len(holding.names) == 1:
            raise LastVoiceprint(
                f"This is the only voiceprint of actor '{actor_id}': add another one first, or erase the actor."
            )
        _check_still_found(snapshot, holding, voiceprint_id)
        return self._actor_draft(
            "actor.voiceprint_removed",
            _revised(holding.actor),
            holding.data_key,
            principal,
            removed=voiceprint_id,
        )

    def update_actor(
        self,
        snapshot: Snapshot,
        actor_id: str,
        changes: ActorChanges,
        expected_revision: int | None,
        principal: str,
    ) -> Draft:
        """Raises ``ActorNotFound``, ``WatchlistNotFound``, ``ModelMismatch``, ``RevisionConflict``."""
        holding = snapshot.holding(actor_id)
        _check_revision(f"actor '{actor_id}'", expected_revision, holding.actor.revision)
        actor = _revised(holding.actor, **_changed(changes))
        joined = actor.watchlist_ids - holding.actor.watchlist_ids
        _check_found(snapshot, joined, holding.templates.values())
        draft = self._actor_draft("actor.updated", actor, holding.data_key, principal)
        return replace(
            draft, watchlists=tuple(sorted(actor.watchlist_ids | holding.actor.watchlist_ids))
        )

    def erase_actor(
        self, snapshot: Snapshot, actor_id: str, *, reason: str, principal: str
    ) -> Draft:
        """Raises ``ActorNotFound``."""
        holding = snapshot.holding(actor_id)
        return Draft(
            kind="actor.erased",
            principal=principal,
            subjects=(actor_record(actor_id),),
            watchlists=tuple(sorted(holding.watchlist_ids)),
            deletions=_records_of(holding),
            note=reason,
        )

    def reseal_actor(self, actor_id: str, principal: str, snapshot: Snapshot) -> Draft:
        """Seal an actor again under a new data key, wrapped by the active master key. Raises ``ActorNotFound``."""
        holding = snapshot.holding(actor_id)
        templates = tuple(holding.templates.values())
        data_key = self._codec.new_data_key(actor_id)
        return self._actor_draft(RESEALED, holding.actor, data_key, principal, added=templates)

    def _leave(self, watchlist_id: str, holdings: Sequence[Holding], principal: str) -> Draft:
        writes: dict[str, bytes] = {}
        deletions: list[str] = []
        watchlists = {watchlist_id}
        for holding in holdings:
            others = holding.watchlist_ids - {watchlist_id}
            name = actor_record(holding.actor_id)
            if others:
                actor = _revised(holding.actor, watchlist_ids=others)
                writes[name] = self._codec.encode_actor(actor, holding.data_key)
            else:
                deletions += _records_of(holding)
        return Draft(
            kind="watchlist.emptied",
            principal=principal,
            subjects=(
                watchlist_record(watchlist_id),
                *(actor_record(holding.actor_id) for holding in holdings),
            ),
            watchlists=tuple(watchlists),
            writes=writes,
            deletions=tuple(deletions),
        )

    def _watchlist_draft(self, kind: str, watchlist: Watchlist, principal: str) -> Draft:
        record = watchlist_record(watchlist.watchlist_id)
        return Draft(
            kind=kind,
            principal=principal,
            subjects=(record,),
            watchlists=(watchlist.watchlist_id,),
            writes={record: self._codec.encode_watchlist(watchlist)},
        )

    def _actor_draft(
        self,
        kind: str,
        actor: Actor,
        data_key: DataKey,
        principal: str,
        *,
        added: Sequence[Template] = (),
        removed: str = "",
    ) -> Draft:
        record = actor_record(actor.actor_id)
        writes = {record: self._codec.encode_actor(actor, data_key)}
        for template in added:
            name = voiceprint_record(actor.actor_id, template.info.voiceprint_id)
            writes[name] = self._codec.encode_voiceprint(actor.actor_id, template, data_key)
        if len(writes) != 1 + len(added):
            raise InvalidRecord("Two voiceprints have the same id.")
        return Draft(
            kind=kind,
            principal=principal,
            subjects=(record,),
            watchlists=tuple(sorted(actor.watchlist_ids)),
            writes=writes,
            deletions=(voiceprint_record(actor.actor_id, removed),) if removed else (),
        )


def _records_of(holding: Holding) -> tuple[str, ...]:
    voiceprints = (voiceprint_record(holding.actor_id, name) for name in holding.names)
    return (actor_record(holding.actor_id), *voiceprints)


def _revised(actor: Actor, **changes: object) -> Actor:
    fields_changed: Any = changes
    return replace(
        actor, **fields_changed, updated_at=datetime.now(UTC), revision=actor.revision + 1
    )


def _check_revision(what: str, expected: int | None, current: int) -> None:
    if expected is not None and expected != current:
        raise RevisionConflict.of(what, expected=expected, current=current)


def _check_found(
    snapshot: Snapshot, watchlist_ids: Iterable[str], templates: Iterable[Template]
) -> None:
    """Refuse an actor whom nobody could find: with no voiceprint of a list's model, nor of one searched with here.

    A list outlives the model that it was made with, so the model in use does as well.
    """
    models = {template.info.model_id for template in templates}
    active = {scorer.model_id for scorer in snapshot.scorers.active}
    for watchlist_id in sorted(watchlist_ids):
        watchlist_model = snapshot.watchlist(watchlist_id).model_id
        if not models & (active | {watchlist_model}):
            given = ", ".join(sorted(models))
            raise ModelMismatch.of(watchlist_id, watchlist_model=watchlist_model, given_model=given)


def _check_still_found(snapshot: Snapshot, holding: Holding, removed: str) -> None:
    """Refuse to take the last voiceprint of a model that is searched with here."""
    pairs = zip(holding.names, holding.models, strict=True)
    left = {model_id for name, model_id in pairs if name != removed}
    active = {scorer.model_id for scorer in snapshot.scorers.active}
    for model_id in sorted((holding.model_ids & active) - left):
        raise LastVoiceprint(
            f"This is the only voiceprint of actor '{holding.actor_id}' of model '{model_id}', which is searched "
            f"with: add another one first, or erase the actor."
        )


def _check_used(
    snapshot: Snapshot, watchlist_ids: Iterable[str], templates: Iterable[Template]
) -> None:
    """Refuse voiceprints that nobody searches for, unless they come beside some that are searched for.

    Those beside are of a model that is to be tried out, or changed to, once it has a calibration profile.
    """
    of_lists = {name: snapshot.watchlist(name).model_id for name in sorted(watchlist_ids)}
    models = {template.info.model_id for template in templates}
    if models & (snapshot.scorers.model_ids | set(of_lists.values())):
        return
    for name, watchlist_model in of_lists.items():
        given = ", ".join(sorted(models))
        raise ModelMismatch.of(name, watchlist_model=watchlist_model, given_model=given)


def _fields(value: NewActor | NewWatchlist) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _changed(changes: ActorChanges | WatchlistChanges) -> dict[str, Any]:
    given = {each.name: getattr(changes, each.name) for each in fields(changes)}
    return {name: value for name, value in given.items() if value is not KEEP}
