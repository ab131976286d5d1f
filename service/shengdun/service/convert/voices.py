"""Voices that nobody has enrolled: between messages and domain values."""

from typing import Final

from shengdun.index.voices.cluster import Cluster
from shengdun.index.voices.repeat import RepeatVoice
from shengdun.service.convert.times import timestamp
from shengdun.v1 import decision_pb2
from shengdun.v1 import voice_pb2 as pb

MOST_REPEATED: Final = 100
MOST_CALLS: Final = 1000


def repeat_flag(found: RepeatVoice) -> decision_pb2.Flag:
    """The flag that a voice calls for several customers."""
    evidence = pb.RepeatVoice(
        probability=found.probability,
        other_customers=found.customers,
        calls=[
            pb.RepeatCall(
                call_id=call.call_id,
                start_time=timestamp(call.started_at),
                llr=call.llr,
                probability=call.probability,
            )
            for call in found.calls[-MOST_REPEATED:]
        ],
        voice_id=found.cluster_id,
    )
    return decision_pb2.Flag(
        type=decision_pb2.FLAG_TYPE_REPEAT_VOICE, llr=found.llr, repeat_voice=evidence
    )


def voice_message(cluster: Cluster) -> pb.UnknownVoice:
    """A voice without its calls."""
    return pb.UnknownVoice(
        voice_id=cluster.cluster_id,
        model_id=cluster.model_id,
        calls=len(cluster.members),
        customers=len(cluster.customers),
        numbers=len(cluster.numbers),
        lines=cluster.lines,
        first_time=timestamp(cluster.first_seen),
        last_time=timestamp(cluster.last_seen),
        probability=cluster.probability,
        suspicion=cluster.suspicion,
    )


def whole_voice_message(cluster: Cluster) -> pb.GetVoiceResponse:
    """A voice with its calls."""
    return pb.GetVoiceResponse(
        voice=voice_message(cluster),
        calls=[
            pb.VoiceCall(
                call_id=member.call_id,
                start_time=timestamp(member.started_at),
                customer_pseudonym=member.customer,
                number_pseudonym=member.number,
                line=member.line,
                probability=member.probability,
            )
            for member in cluster.members[-MOST_CALLS:]
        ],
    )
