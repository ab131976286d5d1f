import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from fixtures.certificates import Authority
from fixtures.command_line import Served
from fixtures.signals import ringback, wav_file
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.service.access import Role, TokenFile
from shengdun.service.client import (
    ActorChanges,
    AudioEncoding,
    AudioFormat,
    CallConfig,
    ClientError,
    DecisionState,
    DuplicatePolicy,
    EnrollmentOutcome,
    EnrollmentReport,
    FlagType,
    NewActor,
    NewWatchlist,
    Recording,
    RiskLevel,
    ShengdunClient,
    UnfitReason,
    WatchlistChanges,
)
from shengdun.service.client.connection import ATTEMPTS, Connection, Credentials
from shengdun.service.client.telephone import chunks, converse, play, telephone_audio
from shengdun.service.client.uploads import PIECE_BYTES, parts, pieces
from shengdun.service.contract.decisions import AudioFinding
from shengdun.service.convert.client_enums import from_wire
from shengdun.service.convert.client_errors import error_from_wire
from shengdun.service.server import Server
from shengdun.service.settings import load_settings
from shengdun.v1 import audio_pb2


@pytest.fixture
async def client(served: Served) -> AsyncIterator[ShengdunClient]:
    """A client of the shared server."""
    async with ShengdunClient.connect(served.address) as connected:
        yield connected


@pytest.fixture
async def watchlist(client: ShengdunClient, request: pytest.FixtureRequest) -> str:
    """An empty watchlist for one test."""
    name = f"{request.node.name.replace('_', '-')[:50].lower()}-x"
    made = await client.create_watchlist(NewWatchlist(watchlist_id=name, purpose="tests"))
    return made.watchlist_id


@pytest.fixture
def voice(recordings: list[DemoRecording]) -> Callable[[str, int], Recording]:
    """Gives a speaker's recording by its number, among those of 10 to 25 s, as an upload."""

    def give(speaker: str, number: int) -> Recording:
        long = [r for r in recordings if r.speaker == speaker and 10 < r.duration_s < 25]
        return Recording(content=long[number].read(), name=f"{speaker}-{number}.wav")

    return give


Voice = Callable[[str, int], Recording]


async def register(
    client: ShengdunClient, watchlist: str, recording: Recording, name: str = "张三"
) -> str:
    """Register an actor whatever other tests have registered; gives its id."""
    enrollment = await client.enroll_actor(
        NewActor(display_name=name, watchlist_ids=(watchlist,)),
        [recording],
        duplicate_policy=DuplicatePolicy.REGISTER,
    )
    assert enrollment.actor is not None
    return enrollment.actor.actor_id


async def test_a_call_is_screened_from_end_to_end(
    client: ShengdunClient, served: Served, watchlist: str, voice: Voice
) -> None:
    """A known voice is found in a call over the telephone; another process sees the same decision."""
    actor_id = await register(client, watchlist, voice("S4", 0))
    config = CallConfig(call_id="end-to-end", watchlist_ids=(watchlist,))
    content = voice("S4", 1).content
    assert isinstance(content, bytes)
    audio = telephone_audio(content, config.audio_format)
    async with client.screen_call(config) as call:
        decisions = [decision async for decision in converse(call, audio, paced=False)]
    first, last = decisions[0], decisions[-1]
    assert (first.state, first.level, first.best) == (DecisionState.NOT_ENOUGH_SPEECH, None, None)
    assert last.state is DecisionState.FINAL
    assert last.level in set(RiskLevel)
    assert [decision.sequence for decision in decisions] == list(range(1, len(decisions) + 1))
    assert last.best is not None
    assert last.best.actor_id == actor_id
    assert last.net_speech > timedelta(seconds=5)
    assert {flag.type for flag in last.flags} <= {FlagType.KNOWN_ACTOR_VOICE}
    assert last.decided_at.tzinfo is UTC
    with pytest.raises(FrozenInstanceError):
        last.line = "other"  # type: ignore[misc]
    async with ShengdunClient.connect(served.address) as other:
        found = await other.get_decision("end-to-end")
    assert (found.decision, found.live) == (last, False)


async def test_leaving_a_call_hangs_up(client: ShengdunClient) -> None:
    """At the end of the block the last decision is there, asked for or not."""
    config = CallConfig(call_id="hang-up", audio_format=AudioFormat(encoding=AudioEncoding.L16))
    async with client.screen_call(config) as call:
        await call.send(bytes(16_000))
    assert call.decision is not None
    with pytest.raises(RuntimeError, match="finished"):
        await call.send(b"more")
    assert not (await client.get_decision("hang-up")).live


async def test_an_exception_abandons_the_call(client: ShengdunClient) -> None:
    """An exception in the block reaches the caller, and the call does not go on."""
    call = client.screen_call(CallConfig(call_id="abandoned"))

    async def fail() -> None:
        async with call:
            await anext(call)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    with pytest.raises(ClientError):
        await call.send(b"more")


async def test_a_refused_call_says_why(client: ShengdunClient) -> None:
    """An unknown line ends the call with its reason, whoever notices first, sender or reader."""

    async def talk() -> None:
        async with client.screen_call(CallConfig(call_id="refused", line="nonsense")) as call:
            while True:
                await call.send(bytes(800))

    with pytest.raises(ClientError) as sending:
        await talk()
    with pytest.raises(ClientError) as reading:
        async with client.screen_call(CallConfig(call_id="refused", line="nonsense")) as call:
            await anext(call)
    for refused in (sending.value, reading.value):
        assert (refused.status, refused.reason) == (grpc.StatusCode.NOT_FOUND, "LINE_UNKNOWN")
        assert "nonsense" in refused.message


async def test_a_recording_is_screened_whole(
    client: ShengdunClient, watchlist: str, voice: Voice, tmp_path: Path
) -> None:
    """A file and its bytes give the same evidence, and what the file was."""
    actor_id = await register(client, watchlist, voice("S7", 0))
    content = voice("S7", 1).content
    assert isinstance(content, bytes)
    file = tmp_path / "call.wav"
    file.write_bytes(content)
    from_file = await client.screen_recording(file, watchlist_ids=(watchlist,))
    from_bytes = await client.screen_recording(content, watchlist_ids=(watchlist,))
    assert (from_file.codec, from_file.sample_rate_hz) == ("pcm_s16le", 16_000)
    assert from_file.decision.best is not None
    assert from_file.decision.best.actor_id == actor_id
    assert from_file.decision.watchlists == from_bytes.decision.watchlists


async def test_enrolment_reports_what_it_found(
    client: ShengdunClient, watchlist: str, voice: Voice
) -> None:
    """An assessment changes nothing; a registration gives the actor with all that was stated."""
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=365)
    new = NewActor(
        display_name="李四",
        watchlist_ids=(watchlist,),
        aliases=("老李", "阿四"),
        network_id="gang-7",
        source="complaint investigation",
        case_reference="C-1",
        legal_basis="PIPL 13(3)",
        notes="备注",
        expires_at=expires_at,
    )
    given = [voice("S2", 0), voice("S2", 1)]
    policy = DuplicatePolicy.REGISTER
    assessed = await client.enroll_actor(new, given, assess_only=True, duplicate_policy=policy)
    assert (assessed.outcome, assessed.actor) == (EnrollmentOutcome.ASSESSED, None)
    assert [actor async for actor in client.list_actors(watchlist)] == []
    enrolled = await client.enroll_actor(new, given, duplicate_policy=policy)
    actor = enrolled.actor
    assert enrolled.outcome is EnrollmentOutcome.REGISTERED
    assert actor is not None
    stated = {name: getattr(new, name) for name in new.__slots__ if name != "actor_id"}
    assert {name: getattr(actor, name) for name in stated} == stated
    assert [report.name for report in enrolled.report.recordings] == ["S2-0.wav", "S2-1.wav"]
    assert all(
        report.accepted and report.unfit_reason is None for report in enrolled.report.recordings
    )
    assert enrolled.report.net_speech > timedelta(seconds=10)
    assert actor == await client.get_actor(actor.actor_id)


async def test_a_refused_enrolment_carries_its_report(
    client: ShengdunClient, watchlist: str
) -> None:
    """What is wrong with each recording comes with the error."""
    tones = Recording(content=wav_file(ringback(10.0)), name="ringback.wav")
    with pytest.raises(ClientError) as caught:
        await client.enroll_actor(
            NewActor(display_name="nobody", watchlist_ids=(watchlist,)), [tones]
        )
    error = caught.value
    assert (error.status, error.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "RECORDINGS_UNFIT",
    )
    assert isinstance(error.detail, EnrollmentReport)
    [report] = error.detail.recordings
    assert (report.name, report.accepted) == ("ringback.wav", False)
    assert report.unfit_reason is UnfitReason.NO_SPEECH
    assert report.unfit_message


async def test_the_same_key_enrols_once(
    client: ShengdunClient, watchlist: str, voice: Voice
) -> None:
    """A repeat with the same key gives the first answer; without a key every call is its own."""
    new = NewActor(display_name="once", watchlist_ids=(watchlist,))
    policy = DuplicatePolicy.REGISTER
    first, again = [
        await client.enroll_actor(
            new, [voice("S5", 0)], duplicate_policy=policy, idempotency_key="the-same-key"
        )
        for _ in range(2)
    ]
    other = await client.enroll_actor(new, [voice("S5", 0)], duplicate_policy=policy)
    assert first.actor is not None
    assert again.actor is not None
    assert other.actor is not None
    assert first.actor.actor_id == again.actor.actor_id != other.actor.actor_id


async def test_actors_are_listed_page_by_page(
    client: ShengdunClient, watchlist: str, voice: Voice
) -> None:
    """Pages of one give everyone once."""
    made = {await register(client, watchlist, voice("S7", 0), name) for name in ("a", "b", "c")}
    listed = [actor.actor_id async for actor in client.list_actors(watchlist, page_size=1)]
    assert listed == sorted(made)


async def test_an_update_changes_what_is_stated(
    client: ShengdunClient, watchlist: str, voice: Voice
) -> None:
    """What is kept stays, None clears an expiry, and an old revision is refused."""
    actor_id = await register(client, watchlist, voice("S7", 0))
    later = datetime(2099, 1, 1, tzinfo=UTC)
    changed = await client.update_actor(
        actor_id, ActorChanges(notes="new", aliases=("别名",), expires_at=later)
    )
    assert (changed.notes, changed.aliases, changed.expires_at) == ("new", ("别名",), later)
    assert changed.display_name == "张三"
    cleared = await client.update_actor(
        actor_id, ActorChanges(expires_at=None, aliases=()), revision=changed.revision
    )
    assert (cleared.expires_at, cleared.aliases, cleared.notes) == (None, (), "new")
    with pytest.raises(ClientError) as conflict:
        await client.update_actor(actor_id, ActorChanges(notes="x"), revision=changed.revision)
    assert conflict.value.status is grpc.StatusCode.ABORTED


async def test_watchlists_are_kept(client: ShengdunClient, watchlist: str, voice: Voice) -> None:
    """A watchlist is changed, shown, refused while it has actors, and deleted with receipts."""
    changed = await client.update_watchlist(watchlist, WatchlistChanges(owner="fraud desk"))
    assert (changed.owner, changed.purpose) == ("fraud desk", "tests")
    assert changed in await client.list_watchlists()
    assert await client.get_watchlist(watchlist) == changed
    actor_id = await register(client, watchlist, voice("S7", 0))
    with pytest.raises(ClientError) as refused:
        await client.delete_watchlist(watchlist)
    assert refused.value.reason == "WATCHLIST_NOT_EMPTY"
    [receipt] = await client.delete_watchlist(watchlist, force=True)
    assert (receipt.actor_id, receipt.voiceprints_erased) == (actor_id, 1)
    with pytest.raises(ClientError) as gone:
        await client.get_watchlist(watchlist)
    assert gone.value.reason == "WATCHLIST_NOT_FOUND"


async def test_voiceprints_come_and_go(
    client: ShengdunClient, watchlist: str, voice: Voice
) -> None:
    """A further recording adds a voiceprint; all but the last can be removed; erasure leaves none."""
    actor_id = await register(client, watchlist, voice("S4", 0))
    added = await client.add_voiceprints(actor_id, [voice("S4", 1)])
    assert len(added.actor.voiceprints) == 2
    assert added.report.recordings[0].agreement_llr is not None
    old, new = added.actor.voiceprints
    left = await client.remove_voiceprint(actor_id, old.voiceprint_id)
    assert left.voiceprints == (new,)
    with pytest.raises(ClientError) as last:
        await client.remove_voiceprint(actor_id, new.voiceprint_id)
    assert last.value.reason == "LAST_VOICEPRINT"
    receipt = await client.erase_actor(actor_id, reason="test")
    assert (receipt.actor_id, receipt.voiceprints_erased) == (actor_id, 1)
    assert receipt.signature
    with pytest.raises(ClientError) as gone:
        await client.get_actor(actor_id)
    assert gone.value.status is grpc.StatusCode.NOT_FOUND


async def test_the_server_says_what_it_is(client: ShengdunClient) -> None:
    """Model, profile and lines are known before the first call."""
    info = await client.server_info()
    assert info.model_id.startswith("campplus-zh-en@")
    assert "@" in info.calibration_profile_id
    assert "default" in {line.line for line in info.lines}
    assert not info.watchlists_stale


async def test_files_that_cant_be_read_are_found_before_anything_is_sent(
    client: ShengdunClient, tmp_path: Path
) -> None:
    """A missing file is an OSError with its name, and not half an upload."""
    missing = tmp_path / "missing.wav"
    with pytest.raises(FileNotFoundError, match=r"missing\.wav"):
        await client.screen_recording(missing)
    with pytest.raises(FileNotFoundError, match=r"missing\.wav"):
        await client.enroll_actor(NewActor(display_name="x", watchlist_ids=("y",)), [missing])


async def test_tls_and_tokens(tmp_path: Path, models_dir: Path, authority: Authority) -> None:
    """With certificates of both sides and a token the client is let in; without either it is told so."""
    pair, own = authority.sign("server"), authority.sign("client")
    settings = load_settings(
        environment={},
        overrides={
            "data_dir": tmp_path / "data",
            "models_dir": models_dir,
            "server.port": 0,
            "server.tls.certificate": pair.certificate,
            "server.tls.key": pair.key,
            "server.tls.client_ca": authority.path,
            "access.required": True,
        },
    )
    token = TokenFile(settings.tokens_file).issue("ivr", [Role.TELEPHONY])
    connect = functools.partial(
        ShengdunClient.connect,
        ca_certificate=authority.path,
        client_certificate=own.certificate,
        client_key=own.key,
    )
    async with Server(settings) as server:
        async with connect(server.address, token=token) as client:
            assert (await client.server_info()).live_calls == 0
            with pytest.raises(ClientError) as denied:
                await client.list_watchlists()
        async with connect(server.address) as client:
            with pytest.raises(ClientError) as unknown:
                await client.server_info()
        async with ShengdunClient.connect(
            server.address, token=token, ca_certificate=authority.path
        ) as client:
            with pytest.raises(ClientError) as unproven:
                await client.server_info()
    assert denied.value.status is grpc.StatusCode.PERMISSION_DENIED
    assert unknown.value.status is grpc.StatusCode.UNAUTHENTICATED
    assert unproven.value.status is grpc.StatusCode.UNAVAILABLE


def refusal(status: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """What gRPC raises when there is no answer of ours."""
    return grpc.aio.AioRpcError(status, grpc.aio.Metadata(), grpc.aio.Metadata(), details="gone")


@pytest.mark.parametrize(
    ("status", "repeat", "attempts"),
    [
        (grpc.StatusCode.UNAVAILABLE, True, ATTEMPTS),
        (grpc.StatusCode.UNAVAILABLE, False, 1),
        (grpc.StatusCode.INTERNAL, True, 1),
    ],
)
async def test_only_what_is_harmless_is_repeated(
    status: grpc.StatusCode, *, repeat: bool, attempts: int
) -> None:
    """A request is repeated a bounded number of times, only if it may be, only if nobody answered."""
    made = 0

    async def start() -> None:
        nonlocal made
        made += 1
        raise refusal(status)

    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        connection = Connection(channel=channel, address="127.0.0.1:1", credentials=Credentials())
        with pytest.raises(ClientError) as caught:
            await connection.attempt(start, repeat=repeat)
    assert (caught.value.status, made) == (status, attempts)


async def test_a_repeat_that_succeeds_is_the_answer() -> None:
    """What failed once for want of a server succeeds when there is one."""
    refusals = [refusal(grpc.StatusCode.UNAVAILABLE)]

    async def start() -> str:
        if refusals:
            raise refusals.pop()
        return "here"

    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        connection = Connection(channel=channel, address="127.0.0.1:1", credentials=Credentials())
        assert await connection.attempt(start, repeat=True) == "here"


def test_errors_are_read_from_their_details() -> None:
    """Reason and delay are taken from google.rpc details; what is damaged is done without."""
    status = Status(code=8, message="busy")
    for detail in (ErrorInfo(reason="OVERLOADED", domain="shengdun"), RetryInfo()):
        if isinstance(detail, RetryInfo):
            detail.retry_delay.FromMilliseconds(1500)
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    error = error_from_wire(exhausted, "busy", trailers)
    assert (error.reason, error.retry_after) == ("OVERLOADED", timedelta(seconds=1.5))
    damaged = grpc.aio.Metadata(("grpc-status-details-bin", b"\xff\xff\xff"))
    for without in (damaged, grpc.aio.Metadata(), None):
        error = error_from_wire(exhausted, "busy", without)
        assert (error.reason, error.retry_after, error.message) == ("", None, "busy")


def test_values_newer_than_this_client_are_unknown() -> None:
    """A number that this client doesn't know doesn't break a decision."""
    names = audio_pb2.AudioFinding.Name
    assert from_wire(AudioFinding, names, "AUDIO_FINDING_", 2) is AudioFinding.TONE
    assert from_wire(AudioFinding, names, "AUDIO_FINDING_", 999) is AudioFinding.UNKNOWN


def test_credentials_that_dont_go_together_are_refused() -> None:
    """A key without its certificate, or both without an authority, is a mistake."""
    with pytest.raises(ValueError, match="certificate"):
        Credentials(client_key=Path("k.pem"))
    with pytest.raises(ValueError, match="authority"):
        Credentials(client_certificate=Path("c.pem"), client_key=Path("k.pem"))


async def test_uploads_come_in_pieces(tmp_path: Path) -> None:
    """A file is read piece by piece, in order, after its name."""
    content = bytes(range(256)) * (PIECE_BYTES // 128)
    file = tmp_path / "long.bin"
    file.write_bytes(content)
    assert b"".join([piece async for piece in pieces(file)]) == content
    assert max([len(piece) async for piece in pieces(content)]) == PIECE_BYTES
    sent = [
        part async for part in parts([Recording(content=file), Recording(content=b"x", name="y")])
    ]
    assert (sent[0], sent[-2:]) == ("long.bin", ["y", b"x"])


def test_chunks_are_the_audio() -> None:
    """Chunks are 100 ms, the last one what is left."""
    audio = bytes(range(250)) * 7
    cut = list(chunks(audio, AudioFormat()))
    assert b"".join(cut) == audio
    assert {len(chunk) for chunk in cut[:-1]} == {800}
    assert next(chunks(bytes(9000), AudioFormat(encoding=AudioEncoding.L16))) == bytes(1600)


async def test_paced_audio_takes_its_time(client: ShengdunClient) -> None:
    """Paced audio arrives no faster than it is spoken."""
    clock = asyncio.get_running_loop().time
    started = clock()
    async with client.screen_call(CallConfig(call_id="paced")) as call:
        await play(call, bytes(8_000), paced=True)
    assert clock() - started >= 1.0
