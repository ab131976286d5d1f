"""The allow-list at a client: from its values to messages, and back."""

from collections.abc import AsyncIterator
from datetime import UTC
from typing import Final

from shengdun.service.contract.allowing import (
    AllowedEntry,
    AllowedPage,
    NewAllowed,
    OwnVoiceKind,
    Relation,
)
from shengdun.service.convert.client_enums import from_wire
from shengdun.service.convert.times import timestamp
from shengdun.v1 import allow_pb2 as pb
from shengdun.v1 import watchlist_pb2

_RELATION: Final = "RELATION_"
_KIND: Final = "OWN_VOICE_KIND_"


async def entry_to_wire(
    new: NewAllowed, recording: AsyncIterator[bytes] | None
) -> AsyncIterator[pb.AddAllowedRequest]:
    """The messages that add an entry."""
    config = pb.AllowConfig(
        entry_id=new.entry_id,
        reason=new.reason,
        expire_time=None if new.expires_at is None else timestamp(new.expires_at),
    )
    if new.relation is not None:
        config.representative.relation = pb.Relation.Value(_RELATION + new.relation.name)
        config.representative.customer_references.extend(new.customer_references)
        config.representative.calling_numbers.extend(new.calling_numbers)
    if new.own is not None:
        config.own_voice.kind = pb.OwnVoiceKind.Value(_KIND + new.own.name)
        if new.call_id:
            config.own_voice.call_id = new.call_id
        else:
            config.own_voice.recording_name = new.recording_name
    yield pb.AddAllowedRequest(config=config)
    if recording is not None:
        start = watchlist_pb2.RecordingStart(name=new.recording_name)
        yield pb.AddAllowedRequest(recording=start)
        async for piece in recording:
            yield pb.AddAllowedRequest(data=piece)


def get_request(entry_id: str) -> pb.GetAllowedRequest:
    """Asks for an entry."""
    return pb.GetAllowedRequest(entry_id=entry_id)


def list_request(page_size: int, page_token: str) -> pb.ListAllowedRequest:
    """Asks for a page of entries."""
    return pb.ListAllowedRequest(page_size=page_size, page_token=page_token)


def remove_request(entry_id: str, reason: str) -> pb.RemoveAllowedRequest:
    """Asks for an entry to be removed."""
    return pb.RemoveAllowedRequest(entry_id=entry_id, reason=reason)


def page_from_wire(wire: pb.ListAllowedResponse) -> AllowedPage:
    """A page of entries."""
    return AllowedPage(
        entries=tuple(entry_from_wire(each) for each in wire.entries),
        next_page_token=wire.next_page_token,
        total=wire.total,
    )


def entry_from_wire(wire: pb.AllowedEntry) -> AllowedEntry:
    """An entry."""
    who, own = wire.representative, wire.own_voice
    is_own = wire.HasField("own_voice")
    return AllowedEntry(
        entry_id=wire.entry_id,
        reason=wire.reason,
        granted_by=wire.granted_by,
        granted_at=wire.grant_time.ToDatetime(UTC),
        expires_at=wire.expire_time.ToDatetime(UTC) if wire.HasField("expire_time") else None,
        expired=wire.expired,
        relation=None if is_own else from_wire(Relation, pb.Relation.Name, _RELATION, who.relation),
        customers=who.customers,
        numbers=who.numbers,
        customer_pseudonyms=tuple(who.customer_pseudonyms),
        number_pseudonyms=tuple(who.number_pseudonyms),
        own=from_wire(OwnVoiceKind, pb.OwnVoiceKind.Name, _KIND, own.kind) if is_own else None,
        model_id=own.model_id,
        net_speech_s=own.net_speech_s,
    )
