"""What a client asks about watchlists and actors, to the wire."""

from collections.abc import AsyncIterator
from dataclasses import fields
from datetime import datetime

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from shengdun.service.contract import watchlists as values
from shengdun.v1 import watchlist_pb2

_WIRE_NAMES = {"expires_at": "expire_time"}


def create_watchlist_request(
    new: values.NewWatchlist, idempotency_key: str
) -> watchlist_pb2.CreateWatchlistRequest:
    """Asks for a new watchlist."""
    return watchlist_pb2.CreateWatchlistRequest(
        watchlist=watchlist_pb2.Watchlist(
            watchlist_id=new.watchlist_id,
            name=new.name or new.watchlist_id,
            purpose=new.purpose,
            owner=new.owner,
            legal_basis=new.legal_basis,
        ),
        idempotency_key=idempotency_key,
    )


def update_watchlist_request(
    watchlist_id: str, changes: values.WatchlistChanges, revision: int
) -> watchlist_pb2.UpdateWatchlistRequest:
    """Asks for a change of a watchlist."""
    stated = _stated(changes)
    wire = watchlist_pb2.Watchlist(watchlist_id=watchlist_id, revision=revision)
    for name, value in stated.items():
        setattr(wire, name, value)
    return watchlist_pb2.UpdateWatchlistRequest(
        watchlist=wire, update_mask=FieldMask(paths=list(stated))
    )


def update_actor_request(
    actor_id: str, changes: values.ActorChanges, revision: int
) -> watchlist_pb2.UpdateActorRequest:
    """Asks for a change of an actor."""
    stated = _stated(changes)
    wire = watchlist_pb2.Actor(actor_id=actor_id, revision=revision)
    for name, value in stated.items():
        if isinstance(value, tuple):
            getattr(wire, name).extend(value)
        elif isinstance(value, datetime):
            wire.expire_time.CopyFrom(_timestamp(value))
        elif value is not None:
            setattr(wire, name, value)
    mask = FieldMask(paths=[_WIRE_NAMES.get(name, name) for name in stated])
    return watchlist_pb2.UpdateActorRequest(actor=wire, update_mask=mask)


async def enrollment_to_wire(
    recordings: AsyncIterator[str | bytes],
    *,
    actor: values.NewActor,
    idempotency_key: str,
    duplicate_policy: values.DuplicatePolicy,
    assess_only: bool,
) -> AsyncIterator[watchlist_pb2.EnrollActorRequest]:
    """The messages of an enrolment: what it is, then for every recording its name and its bytes."""
    refuse = duplicate_policy is values.DuplicatePolicy.REFUSE
    name = "UNSPECIFIED" if refuse else duplicate_policy.name
    config = watchlist_pb2.EnrollmentConfig(
        actor=_new_actor(actor),
        idempotency_key=idempotency_key,
        duplicate_policy=watchlist_pb2.DuplicatePolicy.Value(f"DUPLICATE_POLICY_{name}"),
        assess_only=assess_only,
    )
    yield watchlist_pb2.EnrollActorRequest(config=config)
    async for part in recordings:
        if isinstance(part, bytes):
            yield watchlist_pb2.EnrollActorRequest(data=part)
        else:
            start = watchlist_pb2.RecordingStart(name=part)
            yield watchlist_pb2.EnrollActorRequest(recording=start)


async def voiceprints_to_wire(
    recordings: AsyncIterator[str | bytes],
    *,
    actor_id: str,
    idempotency_key: str,
    accept_other_voice: bool,
) -> AsyncIterator[watchlist_pb2.AddVoiceprintsRequest]:
    """The messages of an addition of voiceprints."""
    config = watchlist_pb2.VoiceprintsConfig(
        actor_id=actor_id,
        idempotency_key=idempotency_key,
        accept_other_voice=accept_other_voice,
    )
    yield watchlist_pb2.AddVoiceprintsRequest(config=config)
    async for part in recordings:
        if isinstance(part, bytes):
            yield watchlist_pb2.AddVoiceprintsRequest(data=part)
        else:
            start = watchlist_pb2.RecordingStart(name=part)
            yield watchlist_pb2.AddVoiceprintsRequest(recording=start)


def get_watchlist_request(watchlist_id: str) -> watchlist_pb2.GetWatchlistRequest:
    """Asks for a watchlist."""
    return watchlist_pb2.GetWatchlistRequest(watchlist_id=watchlist_id)


def list_watchlists_request() -> watchlist_pb2.ListWatchlistsRequest:
    """Asks for all watchlists."""
    return watchlist_pb2.ListWatchlistsRequest()


def delete_watchlist_request(
    watchlist_id: str, *, force: bool
) -> watchlist_pb2.DeleteWatchlistRequest:
    """Asks for the deletion of a watchlist."""
    return watchlist_pb2.DeleteWatchlistRequest(watchlist_id=watchlist_id, force=force)


def get_actor_request(actor_id: str) -> watchlist_pb2.GetActorRequest:
    """Asks for an actor."""
    return watchlist_pb2.GetActorRequest(actor_id=actor_id)


def list_actors_request(
    watchlist_id: str, page_size: int, page_token: str
) -> watchlist_pb2.ListActorsRequest:
    """Asks for a page of actors."""
    return watchlist_pb2.ListActorsRequest(
        watchlist_id=watchlist_id, page_size=page_size, page_token=page_token
    )


def erase_actor_request(actor_id: str, reason: str) -> watchlist_pb2.EraseActorRequest:
    """Asks for the erasure of an actor."""
    return watchlist_pb2.EraseActorRequest(actor_id=actor_id, reason=reason)


def remove_voiceprint_request(
    actor_id: str, voiceprint_id: str
) -> watchlist_pb2.RemoveVoiceprintRequest:
    """Asks for the removal of a voiceprint."""
    return watchlist_pb2.RemoveVoiceprintRequest(actor_id=actor_id, voiceprint_id=voiceprint_id)


def _stated(changes: values.WatchlistChanges | values.ActorChanges) -> dict[str, object]:
    named = {field.name: getattr(changes, field.name) for field in fields(changes)}
    return {name: value for name, value in named.items() if value is not values.KEEP}


def _timestamp(instant: datetime) -> Timestamp:
    wire = Timestamp()
    wire.FromDatetime(instant)
    return wire


def _new_actor(actor: values.NewActor) -> watchlist_pb2.Actor:
    wire = watchlist_pb2.Actor(
        actor_id=actor.actor_id,
        display_name=actor.display_name,
        aliases=actor.aliases,
        network_id=actor.network_id,
        watchlist_ids=actor.watchlist_ids,
        source=actor.source,
        case_reference=actor.case_reference,
        legal_basis=actor.legal_basis,
        notes=actor.notes,
    )
    if actor.expires_at is not None:
        wire.expire_time.CopyFrom(_timestamp(actor.expires_at))
    return wire
