"""Hunts as messages, for clients."""

from collections.abc import AsyncIterator, Iterable
from datetime import UTC

from shengdun.service.contract.hunts import Hunt, HuntHit, HuntState, Quarry
from shengdun.service.convert.times import timestamp
from shengdun.v1 import hunt_pb2 as pb
from shengdun.v1 import watchlist_pb2

_STATE = "HUNT_STATE_"


async def hunt_to_wire(
    quarry: Quarry, recording: AsyncIterator[bytes] | None
) -> AsyncIterator[pb.StartHuntRequest]:
    """The messages that start a hunt."""
    config = pb.HuntConfig(
        since=None if quarry.since is None else timestamp(quarry.since),
        until=None if quarry.until is None else timestamp(quarry.until),
        line=quarry.line,
        least_score=quarry.least_score,
        limit=quarry.limit,
    )
    for name in ("actor_id", "recording_name", "script_id"):
        if value := getattr(quarry, name):
            setattr(config, name, value)
    yield pb.StartHuntRequest(config=config)
    if recording is not None:
        start = watchlist_pb2.RecordingStart(name=quarry.recording_name)
        yield pb.StartHuntRequest(recording=start)
        async for piece in recording:
            yield pb.StartHuntRequest(data=piece)


def get_request(hunt_id: str) -> pb.GetHuntRequest:
    """Asks for a hunt."""
    return pb.GetHuntRequest(hunt_id=hunt_id)


def cancel_request(hunt_id: str) -> pb.CancelHuntRequest:
    """Ends a hunt."""
    return pb.CancelHuntRequest(hunt_id=hunt_id)


def resume_request(hunt_id: str) -> pb.ResumeHuntRequest:
    """Goes on with a hunt."""
    return pb.ResumeHuntRequest(hunt_id=hunt_id)


def list_request() -> pb.ListHuntsRequest:
    """Asks for all hunts."""
    return pb.ListHuntsRequest()


def hunt_from_wire(wire: pb.Hunt, hits: Iterable[pb.HuntHit] = ()) -> Hunt:
    """A hunt as it was told."""
    config = wire.config
    return Hunt(
        hunt_id=wire.hunt_id,
        quarry=Quarry(
            actor_id=config.actor_id,
            recording_name=config.recording_name,
            script_id=config.script_id,
            since=config.since.ToDatetime(UTC) if config.HasField("since") else None,
            until=config.until.ToDatetime(UTC) if config.HasField("until") else None,
            line=config.line,
            least_score=config.least_score,
            limit=config.limit,
        ),
        state=_state(wire.state),
        started_by=wire.started_by,
        started_at=wire.start_time.ToDatetime(UTC),
        calls_read=wire.calls_read,
        calls_total=wire.calls_total,
        day=wire.day,
        calls_found=wire.calls_found,
        expected_by_chance=wire.expected_by_chance if wire.HasField("expected_by_chance") else None,
        model_id=wire.model_id,
        profile_id=wire.profile_id,
        problems=tuple(wire.problems),
        hits=tuple(_hit(each) for each in hits),
    )


def _hit(wire: pb.HuntHit) -> HuntHit:
    return HuntHit(
        call_id=wire.call_id,
        started_at=wire.start_time.ToDatetime(UTC),
        line=wire.line,
        customer_pseudonym=wire.customer_pseudonym,
        net_speech_s=wire.net_speech.ToTimedelta().total_seconds(),
        llr=wire.llr if wire.HasField("llr") else None,
        probability=wire.probability if wire.HasField("probability") else None,
        expected_by_chance=wire.expected_by_chance if wire.HasField("expected_by_chance") else None,
        script_share=wire.script_share if wire.HasField("script_share") else None,
    )


def _state(wire: "pb.HuntState.ValueType") -> HuntState:
    try:
        return HuntState[pb.HuntState.Name(wire).removeprefix(_STATE)]
    except (KeyError, ValueError):
        return HuntState.UNKNOWN
