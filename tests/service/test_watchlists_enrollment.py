"""Streamed enrolments over a real port: what is answered, and what every kind of bad stream leads to."""

import asyncio
from collections.abc import Callable, Iterator, Sequence

import grpc
import pytest
from google.rpc.status_pb2 import Status

from fixtures import signals
from fixtures.enrolling import LIST, Speakers, Stub
from fixtures.signals import wav_file
from shengdun.fingerprint.voice.samples import MODEL_RATE_HZ
from shengdun.index.registry import Registry
from shengdun.v1 import audio_pb2
from shengdun.v1 import watchlist_pb2 as pb

Speech = Callable[[str, int], bytes]
Code = grpc.StatusCode

PIECE = 64 * 1024
MIB = 1 << 20


def config(**fields: object) -> pb.EnrollActorRequest:
    """The configuration of an enrolment of 王五 on the list."""
    actor = pb.Actor(display_name="王五", watchlist_ids=[LIST])
    stated = {"actor": actor} | fields
    return pb.EnrollActorRequest(config=pb.EnrollmentConfig(**stated))  # type: ignore[arg-type]


def start(name: str = "a.wav") -> pb.EnrollActorRequest:
    return pb.EnrollActorRequest(recording=pb.RecordingStart(name=name))


def data(content: bytes) -> Iterator[pb.EnrollActorRequest]:
    for at in range(0, len(content), PIECE):
        yield pb.EnrollActorRequest(data=content[at : at + PIECE])


def upload(
    *contents: bytes, first: pb.EnrollActorRequest | None = None
) -> list[pb.EnrollActorRequest]:
    """A whole stream with recordings named 1.wav, 2.wav, ..."""
    messages = [first or config()]
    for number, content in enumerate(contents, start=1):
        messages += [start(f"{number}.wav"), *data(content)]
    return messages


def addition(actor_id: str, *contents: bytes, **fields: object) -> list[pb.AddVoiceprintsRequest]:
    stated = pb.VoiceprintsConfig(actor_id=actor_id, **fields)  # type: ignore[arg-type]
    messages = [pb.AddVoiceprintsRequest(config=stated)]
    for content in contents:
        messages.append(pb.AddVoiceprintsRequest(recording=pb.RecordingStart(name="more.wav")))
        messages += [pb.AddVoiceprintsRequest(data=message.data) for message in data(content)]
    return messages


def report_in(error: grpc.aio.AioRpcError) -> pb.EnrollmentReport:
    """The report that a refusal carries as its detail."""
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    report = pb.EnrollmentReport()
    [packed] = [detail for detail in status.details if detail.Is(report.DESCRIPTOR)]
    assert packed.Unpack(report)
    return report


async def test_an_enrolment_says_what_it_found(
    keeping: Stub, agents: Registry, speech: Speech
) -> None:
    """The answer has the actor as stored and a report of each recording; the actor can be read at once."""
    stated = pb.Actor(
        display_name="王五", watchlist_ids=[LIST], aliases=["老王"], network_id="net-7", source="complaint",
        case_reference="C-1", legal_basis="PIPL 13", notes="备注", actor_id="act_wang",
    )  # fmt: skip
    answer = await keeping.EnrollActor(
        iter(upload(speech("S4", 0), speech("S4", 1), first=config(actor=stated)))
    )
    assert answer.outcome == pb.ENROLLMENT_OUTCOME_REGISTERED
    stated.ClearField("voiceprints")
    stored = answer.actor
    for field in stated.DESCRIPTOR.fields:
        if stated.ListFields() and field in dict(stated.ListFields()):
            assert getattr(stored, field.name) == getattr(stated, field.name)
    assert {voiceprint.recording_name for voiceprint in stored.voiceprints} == {"1.wav", "2.wav"}
    assert agents.snapshot.actor("act_wang").provenance.registered_by == "local"
    one = answer.report.recordings[0]
    assert one.accepted
    assert one.agreement_llr > 0
    assert one.codec == "pcm_s16le"
    assert one.audio_quality.speech_share > 0.5
    assert 16 < answer.report.net_speech.ToTimedelta().total_seconds() <= 24
    read = await keeping.GetActor(pb.GetActorRequest(actor_id="act_wang"))
    assert read.actor == stored


async def test_a_refused_enrolment_carries_its_report(
    keeping: Stub, agents: Registry, speech: Speech
) -> None:
    """INVALID_ARGUMENT with the report of every recording as its detail; nothing is stored."""
    contents = [wav_file(signals.silence(5)), b"text", speech("S4", 0)[: 44 + 12_800]]
    with pytest.raises(grpc.aio.AioRpcError, match="No recording can be used") as refused:
        await keeping.EnrollActor(iter(upload(*contents)))
    assert refused.value.code() is Code.INVALID_ARGUMENT
    report = report_in(refused.value)
    assert [one.unfit_reason for one in report.recordings][:2] == [
        pb.UNFIT_REASON_NO_SPEECH,
        pb.UNFIT_REASON_UNREADABLE,
    ]
    assert all(one.unfit_message and not one.accepted for one in report.recordings)
    assert audio_pb2.AUDIO_FINDING_SILENCE in report.recordings[0].audio_quality.findings
    assert not agents.snapshot.actor_ids


async def test_the_report_of_fifty_recordings_still_arrives(keeping: Stub) -> None:
    """A refusal whose report would not fit into the trailers loses its sentences and not its reasons."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await keeping.EnrollActor(iter(upload(*[b"text"] * 50)))
    reasons = [one.unfit_reason for one in report_in(refused.value).recordings]
    assert reasons == [pb.UNFIT_REASON_UNREADABLE] * 50


async def test_duplicates_are_reported_journaled_and_decided(
    keeping: Stub, agents: Registry, speech: Speech
) -> None:
    """ALREADY_EXISTS names the likely actor, which is a look at it; the policies then do what they say."""
    first = await keeping.EnrollActor(iter(upload(speech("S4", 0))))
    before = agents.snapshot.journal_sequence
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await keeping.EnrollActor(iter(upload(speech("S4", 1))))
    assert refused.value.code() is Code.ALREADY_EXISTS
    [likely] = report_in(refused.value).likely_duplicates
    assert likely.actor_id == first.actor.actor_id
    assert likely.llr > 0
    [entry] = await agents.audit(after=before)
    assert (entry.kind, entry.subjects) == ("actor.looked_at", (f"actor/{likely.actor_id}",))

    outcomes = []
    for policy in ("SKIP", "MERGE", "REGISTER"):
        chosen = config(duplicate_policy=pb.DuplicatePolicy.Value(f"DUPLICATE_POLICY_{policy}"))
        answer = await keeping.EnrollActor(iter(upload(speech("S4", 1), first=chosen)))
        outcomes.append((answer.outcome, len(answer.actor.voiceprints)))
    assert outcomes == [
        (pb.ENROLLMENT_OUTCOME_SKIPPED, 1),
        (pb.ENROLLMENT_OUTCOME_MERGED, 2),
        (pb.ENROLLMENT_OUTCOME_REGISTERED, 1),
    ]


async def test_an_assessment_needs_no_actor_and_changes_nothing(
    keeping: Stub, agents: Registry, speech: Speech
) -> None:
    """It says what an enrolment would find."""
    only = pb.EnrollActorRequest(config=pb.EnrollmentConfig(assess_only=True))
    answer = await keeping.EnrollActor(iter(upload(b"text", speech("S4", 0), first=only)))
    assert answer.outcome == pb.ENROLLMENT_OUTCOME_ASSESSED
    assert not answer.HasField("actor")
    assert [one.accepted for one in answer.report.recordings] == [False, True]
    assert not agents.snapshot.actor_ids


async def test_a_repeat_is_answered_again_and_not_done_again(
    keeping: Stub, agents: Registry, speech: Speech
) -> None:
    """The same key gives the same actor, however often."""
    messages = upload(speech("S4", 0), first=config(idempotency_key="key-1"))
    first = await keeping.EnrollActor(iter(messages))
    assert await keeping.EnrollActor(iter(messages)) == first
    assert len(agents.snapshot.actor_ids) == 1


async def test_voiceprints_are_added_and_removed(keeping: Stub, speech: Speech) -> None:
    """A voiceprint of the actor is added, somebody else's is refused unless accepted, and one can be removed."""
    actor = (await keeping.EnrollActor(iter(upload(speech("S4", 0))))).actor
    added = await keeping.AddVoiceprints(iter(addition(actor.actor_id, speech("S4", 1))))
    assert len(added.actor.voiceprints) == 2
    assert added.report.recordings[0].agreement_llr > 0

    other = speech("S5", 0)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await keeping.AddVoiceprints(iter(addition(actor.actor_id, other)))
    assert refused.value.code() is Code.INVALID_ARGUMENT
    [one] = report_in(refused.value).recordings
    assert one.unfit_reason == pb.UNFIT_REASON_OTHER_VOICE

    willing = addition(actor.actor_id, other, accept_other_voice=True)
    accepted = await keeping.AddVoiceprints(iter(willing))
    assert len(accepted.actor.voiceprints) == 3
    known = {voiceprint.voiceprint_id for voiceprint in added.actor.voiceprints}
    [wrong] = [v.voiceprint_id for v in accepted.actor.voiceprints if v.voiceprint_id not in known]
    request = pb.RemoveVoiceprintRequest(actor_id=actor.actor_id, voiceprint_id=wrong)
    removed = await keeping.RemoveVoiceprint(request)
    assert {voiceprint.voiceprint_id for voiceprint in removed.actor.voiceprints} == known


EMPTY = pb.EnrollActorRequest()
BYTES = pb.EnrollActorRequest(data=b"x" * 100)
PIECE_OF_A_MIB = pb.EnrollActorRequest(data=b"x" * MIB)


BAD_STREAMS: Sequence[tuple[Sequence[pb.EnrollActorRequest], str, str]] = [
    ([], "PROTOCOL_VIOLATION", "configuration first"),
    ([start()], "PROTOCOL_VIOLATION", "first message"),
    ([BYTES], "PROTOCOL_VIOLATION", "first message"),
    ([EMPTY], "PROTOCOL_VIOLATION", "first message"),
    ([config(), BYTES], "PROTOCOL_VIOLATION", "before a recording"),
    ([config(), config()], "PROTOCOL_VIOLATION", "second configuration"),
    ([config(), start(), BYTES, config()], "PROTOCOL_VIOLATION", "second configuration"),
    ([config(), start(), EMPTY], "PROTOCOL_VIOLATION", "empty message"),
    ([config()], "RECORDINGS_UNFIT", "no recording"),
    ([config(), start()], "RECORDINGS_UNFIT", "No recording can be used"),
    ([config(), start("n" * 257)], "INVALID_REQUEST", "recording.name"),
    ([config(), start("a\nb")], "INVALID_REQUEST", "recording.name"),
    ([config(), start(), pb.EnrollActorRequest(data=b"x" * (MIB + 1))], "MESSAGE_TOO_LARGE", "1024 KiB"),
    ([config(), start(), *[PIECE_OF_A_MIB] * 3], "MESSAGE_TOO_LARGE", "a recording has at most 2 MiB"),
    (
        [config(), *[start(), PIECE_OF_A_MIB, PIECE_OF_A_MIB] * 2],
        "MESSAGE_TOO_LARGE",
        "one enrolment have at most 3 MiB",
    ),
    ([config(), *[start(), BYTES] * 51], "TOO_MANY_RECORDINGS", "at most 50"),
    ([config(actor=None)], "INVALID_REQUEST", "config.actor"),
    ([config(actor=pb.Actor(watchlist_ids=[LIST]))], "INVALID_REQUEST", "display_name"),
    ([config(actor=pb.Actor(display_name="x"))], "INVALID_REQUEST", "watchlist_ids"),
    ([config(duplicate_policy=99)], "INVALID_REQUEST", "duplicate_policy"),
    ([config(idempotency_key="a b")], "INVALID_REQUEST", "idempotency_key"),
]  # fmt: skip


async def test_bad_streams_are_refused_and_change_nothing(
    keeping: Stub, agents: Registry, subtests: pytest.Subtests
) -> None:
    """Each with INVALID_ARGUMENT, a reason for programs and a message that says what to do."""
    before = agents.snapshot.journal_sequence
    for messages, reason, says in BAD_STREAMS:
        with subtests.test(says=says):
            with pytest.raises(grpc.aio.AioRpcError, match=says) as refused:
                await keeping.EnrollActor(iter(messages))
            assert refused.value.code() is Code.INVALID_ARGUMENT
            trailers = dict(refused.value.trailing_metadata())
            assert reason.encode() in trailers["grpc-status-details-bin"]
            assert agents.snapshot.journal_sequence == before


async def test_an_unknown_watchlist_is_told_before_anything_is_sent(keeping: Stub) -> None:
    """The server does not wait for recordings that it could not use."""
    call = keeping.EnrollActor()
    await call.write(config(actor=pb.Actor(display_name="x", watchlist_ids=["unknown"])))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    assert refused.value.code() is Code.NOT_FOUND


async def test_a_client_that_goes_away_leaves_nothing(
    keeping: Stub, agents: Registry, speakers: Speakers
) -> None:
    """Even when what had arrived would have been enough, and others are served meanwhile."""
    enough = wav_file(speakers["S4"][0])
    for sent in (1, 2, 5, 20):
        call = keeping.EnrollActor()
        for message in upload(enough)[:sent]:
            await call.write(message)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    short = wav_file(speakers["S5"][0][: 8 * MODEL_RATE_HZ])
    answer = await keeping.EnrollActor(iter(upload(short)))
    assert agents.snapshot.actor_ids == (answer.actor.actor_id,)


async def test_a_silent_client_is_not_waited_for_without_end(keeping: Stub) -> None:
    """A stream that stops in the middle is ended with DEADLINE_EXCEEDED."""
    call = keeping.EnrollActor()
    await call.write(config())
    with pytest.raises(grpc.aio.AioRpcError, match="nothing came") as ended:
        await call
    assert ended.value.code() is Code.DEADLINE_EXCEEDED
