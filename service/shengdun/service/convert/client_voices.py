"""Voices that nobody has enrolled, between a client's values and the wire."""

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from shengdun.service.contract import voices as values
from shengdun.service.convert.times import timestamp
from shengdun.v1 import voice_pb2 as pb


def repeat_voice_from_wire(wire: pb.RepeatVoice) -> values.RepeatVoice:
    """The evidence that a voice calls for several customers."""
    return values.RepeatVoice(
        probability=wire.probability,
        other_customers=wire.other_customers,
        calls=tuple(
            values.RepeatCall(
                call_id=call.call_id,
                started_at=_instant(call.start_time),
                llr=call.llr,
                probability=call.probability,
            )
            for call in wire.calls
        ),
        voice_id=wire.voice_id,
    )


def list_voices_request(*, least_customers: int, limit: int) -> pb.ListVoicesRequest:
    """Asks for voices."""
    return pb.ListVoicesRequest(least_customers=least_customers, limit=limit)


def get_voice_request(voice_id: str) -> pb.GetVoiceRequest:
    """Asks for a voice."""
    return pb.GetVoiceRequest(voice_id=voice_id)


def promote_voice_request(voice_id: str, actor: values.PromotedVoice) -> pb.PromoteVoiceRequest:
    """Asks for an actor of a voice."""
    return pb.PromoteVoiceRequest(
        voice_id=voice_id,
        display_name=actor.display_name,
        watchlist_ids=actor.watchlist_ids,
        network_id=actor.network_id,
        case_reference=actor.case_reference,
        legal_basis=actor.legal_basis,
        expire_time=None if actor.expires_at is None else timestamp(actor.expires_at),
    )


def voices_from_wire(wire: pb.ListVoicesResponse) -> values.UnknownVoices:
    """Voices."""
    return values.UnknownVoices(
        voices=tuple(_voice(each) for each in wire.voices),
        found=wire.voices_found,
        calls_compared=wire.calls_compared,
        caught_up=wire.caught_up,
    )


def whole_voice_from_wire(wire: pb.GetVoiceResponse) -> values.UnknownVoice:
    """A voice with its calls."""
    return _voice(wire.voice, wire.calls)


def _voice(wire: pb.UnknownVoice, calls: Iterable[pb.VoiceCall] = ()) -> values.UnknownVoice:
    return values.UnknownVoice(
        voice_id=wire.voice_id,
        model_id=wire.model_id,
        calls=wire.calls,
        customers=wire.customers,
        numbers=wire.numbers,
        lines=tuple(wire.lines),
        first_at=_instant(wire.first_time),
        last_at=_instant(wire.last_time),
        probability=wire.probability,
        suspicion=wire.suspicion,
        members=tuple(
            values.VoiceCall(
                call_id=call.call_id,
                started_at=_instant(call.start_time),
                customer_pseudonym=call.customer_pseudonym,
                number_pseudonym=call.number_pseudonym,
                line=call.line,
                probability=call.probability,
            )
            for call in calls
        ),
    )


def _instant(wire: Timestamp) -> datetime:
    return wire.ToDatetime(UTC)
