"""Hunts as messages, for servers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from shengdun.index.hunts.hits import Hit, expected_by_chance, probability_of
from shengdun.index.hunts.hunt import DEFAULT_HITS, Hunt, HuntRequest, Quarry
from shengdun.index.identifiers import check_record_id
from shengdun.service.convert.times import timestamp
from shengdun.service.errors import InvalidRequest
from shengdun.v1 import hunt_pb2 as pb

PriorOf = Callable[[str], float]
"""The share of a line's calls that are by any one agent, before anything is heard."""
LEAST_LLR: Final = 3.0
LEAST_SHARE: Final = 0.3
SHOWN_MEANWHILE: Final = 100
_STATE: Final = "HUNT_STATE_"
_FIELDS: Final = {
    "actor_id": Quarry.ACTOR,
    "recording_name": Quarry.RECORDING,
    "script_id": Quarry.SCRIPT,
}


def hunt_request(config: pb.HuntConfig) -> HuntRequest:
    """What is to be hunted.

    Raises:
        InvalidRequest: the subject is missing or malformed.
        InvalidRecord: a limit or the time is out of range.
    """
    named = config.WhichOneof("subject")
    if named is None or not getattr(config, named):
        raise InvalidRequest("a hunt needs an actor_id, a recording_name or a script_id")
    quarry = _FIELDS[named]
    subject: str = getattr(config, named)
    if quarry is not Quarry.RECORDING:
        check_record_id(named, subject)
    elif len(subject) > 200 or not subject.isprintable():
        raise InvalidRequest(
            "recording_name may have at most 200 characters, all of which can be shown"
        )
    least = LEAST_SHARE if quarry is Quarry.SCRIPT else LEAST_LLR
    return HuntRequest(
        quarry=quarry,
        subject=subject,
        since=_instant(config.since) if config.HasField("since") else None,
        until=_instant(config.until) if config.HasField("until") else None,
        line=config.line,
        least=config.least_score if config.HasField("least_score") else least,
        limit=config.limit or DEFAULT_HITS,
    )


def hunt_id(given: str) -> str:
    """The id of a hunt. Raises ``InvalidRecord``."""
    return check_record_id("hunt_id", given)


def hunt_message(hunt: Hunt) -> pb.Hunt:
    """A hunt without what it found."""
    request = hunt.request
    config = pb.HuntConfig(
        since=None if request.since is None else timestamp(request.since),
        until=None if request.until is None else timestamp(request.until),
        line=request.line,
        least_score=request.least,
        limit=request.limit,
    )
    name = next(name for name, quarry in _FIELDS.items() if quarry is request.quarry)
    setattr(config, name, request.subject)
    by_voice = request.quarry is not Quarry.SCRIPT
    return pb.Hunt(
        hunt_id=hunt.hunt_id,
        config=config,
        state=pb.HuntState.Value(_STATE + hunt.state.name),
        started_by=hunt.started_by,
        start_time=timestamp(hunt.started_at),
        calls_read=hunt.read,
        calls_total=hunt.of,
        day=hunt.day,
        calls_found=hunt.hits.found,
        expected_by_chance=expected_by_chance(hunt.read, request.least) if by_voice else None,
        model_id=hunt.model_id,
        profile_id=hunt.profile_id,
        problems=hunt.problems,
    )


def hit_messages(hunt: Hunt, prior_of: PriorOf, *, limit: int | None = None) -> list[pb.HuntHit]:
    """The calls that a hunt found, best first."""
    return [_hit_message(hunt, hit, prior_of) for hit in hunt.hits.best[:limit]]


def _hit_message(hunt: Hunt, hit: Hit, prior_of: PriorOf) -> pb.HuntHit:
    net_speech = Duration()
    net_speech.FromTimedelta(timedelta(seconds=hit.net_speech_s))
    message = pb.HuntHit(
        call_id=hit.call_id,
        start_time=timestamp(datetime.fromtimestamp(hit.started_us / 1e6, UTC)),
        line=hit.line,
        customer_pseudonym=hit.customer,
        net_speech=net_speech,
    )
    if hunt.request.quarry is Quarry.SCRIPT:
        message.script_share = hit.score
    else:
        message.llr = hit.score
        message.probability = probability_of(hit.score, prior_of(hit.line))
        message.expected_by_chance = expected_by_chance(hunt.read, hit.score)
    return message


def _instant(wire: Timestamp) -> datetime:
    return wire.ToDatetime(UTC)
