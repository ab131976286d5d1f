"""Bad input to ScreeningService: each has a clear error or a typed finding, and other calls are not disturbed."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import grpc
import grpc.aio
import numpy as np
import pytest
import pytest_asyncio
from grpc import StatusCode

from fixtures import signals
from fixtures.calls import (
    Desk,
    evidence,
    open_desk,
    screen,
    screen_patiently,
    server_settings,
    speech_of,
    telephone,
)
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.service.client import (
    AudioEncoding,
    AudioFinding,
    AudioFormat,
    CallConfig,
    ClientError,
    Decision,
    DecisionState,
    PartialReason,
    RiskLevel,
    ShengdunClient,
)
from shengdun.service.client.calls import CallStream
from shengdun.service.convert.client_errors import error_from_wire
from shengdun.service.server import Server
from shengdun.v1 import audio_pb2, screening_pb2, screening_pb2_grpc

pytestmark = pytest.mark.asyncio(loop_scope="module")

Recordings = Sequence[DemoRecording]
Request = screening_pb2.ScreenCallRequest
PCMU = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_PCMU, sample_rate_hz=8000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(
    tmp_path_factory: pytest.TempPathFactory, models_dir: Path, recordings: Recordings
) -> AsyncIterator[Desk]:
    """One server for the tests of this module, two agents enrolled."""
    limits = {
        "server__call_idle_s": 1.0,
        "server__call_max_s": 30.0,
        "server__recording_max_s": 120.0,
    }
    settings = server_settings(tmp_path_factory.mktemp("desk"), models_dir, **limits)
    async with open_desk(settings, recordings, ("S1", "S6")) as desk:
        yield desk


def _config(**fields: object) -> Request:
    config = screening_pb2.CallConfig(call_id="bad", audio_format=PCMU)
    config.MergeFrom(screening_pb2.CallConfig(**fields))  # type: ignore[arg-type]
    return Request(config=config)


SECOND = Request(audio=b"\xff" * 8000)
WRONG_RATE = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_PCMU, sample_rate_hz=16000)
L16 = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_L16, sample_rate_hz=8000)
NO_FORMAT = Request(config=screening_pb2.CallConfig(call_id="bad"))
STATUS_OF = {
    "PROTOCOL_VIOLATION": StatusCode.INVALID_ARGUMENT,
    "INVALID_REQUEST": StatusCode.INVALID_ARGUMENT,
    "INVALID_RECORD": StatusCode.INVALID_ARGUMENT,
    "MESSAGE_TOO_LARGE": StatusCode.INVALID_ARGUMENT,
    "UNSUPPORTED_AUDIO_FORMAT": StatusCode.INVALID_ARGUMENT,
    "ODD_BYTE_COUNT": StatusCode.INVALID_ARGUMENT,
    "LINE_UNKNOWN": StatusCode.NOT_FOUND,
    "WATCHLIST_NOT_FOUND": StatusCode.NOT_FOUND,
    "CALL_TOO_LONG": StatusCode.RESOURCE_EXHAUSTED,
}
BAD_STREAMS = {
    "audio before the configuration": ([SECOND], "PROTOCOL_VIOLATION", "configuration"),
    "an empty stream": ([], "PROTOCOL_VIOLATION", "configuration"),
    "a second configuration": ([_config(), _config()], "PROTOCOL_VIOLATION", "one call"),
    "a message without anything": ([_config(), Request()], "PROTOCOL_VIOLATION", "audio"),
    "an unknown line": ([_config(line="nowhere")], "LINE_UNKNOWN", "default"),
    "a huge line": ([_config(line="界" * 100_000)], "LINE_UNKNOWN", "界"),
    "an unknown watchlist": ([_config(watchlist_ids=["nobody"])], "WATCHLIST_NOT_FOUND", "nobody"),
    "a malformed watchlist": ([_config(watchlist_ids=["No Slug"])], "INVALID_RECORD", "slug|a-z"),
    "no audio format": ([NO_FORMAT], "INVALID_REQUEST", "PCMU"),
    "an unknown sample rate": ([_config(audio_format=WRONG_RATE)], "UNSUPPORTED_AUDIO_FORMAT", "8000"),
    "an odd byte count": ([_config(audio_format=L16), Request(audio=b"123")], "ODD_BYTE_COUNT", "even"),
    "a call id with a space": ([_config(call_id="a b")], "INVALID_REQUEST", "call_id"),
    "a call id that is too long": ([_config(call_id="x" * 129)], "INVALID_REQUEST", "call_id"),
    "a long customer reference": ([_config(customer_reference="x" * 257)], "INVALID_REQUEST", "customer_ref"),
    "a chunk over the limit": ([_config(), Request(audio=bytes((1 << 20) + 1))], "MESSAGE_TOO_LARGE", "1024 KiB"),
    "a stream that never ends": ([_config(), *[SECOND] * 31], "CALL_TOO_LONG", "hangs up"),
}  # fmt: skip


async def _send(desk: Desk, messages: Sequence[Request]) -> ClientError:
    """Send messages that the client would never send; returns the error, read as the client reads it."""
    async with grpc.aio.insecure_channel(desk.server.address) as channel:
        stub = screening_pb2_grpc.ScreeningServiceStub(channel)
        rpc = stub.ScreenCall()
        try:
            for message in messages:
                await rpc.write(message)
            await rpc.done_writing()
            async for _ in rpc:
                pass
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            pass
        return error_from_wire(await rpc.code(), await rpc.details(), await rpc.trailing_metadata())


@pytest.mark.parametrize("case", BAD_STREAMS)
async def test_each_bad_stream_has_its_error(desk: Desk, case: str) -> None:
    """The status, the reason and a message that says what to do."""
    messages, reason, message = BAD_STREAMS[case]
    error = await _send(desk, messages)
    assert (error.status, error.reason) == (STATUS_OF[reason], reason)
    assert re.search(message, error.message)


MALFORMED = {
    "a string that is not UTF-8": b"\x0a\x04\x0a\x02\xff\xfe",
    "bytes that are no message": b"\xff\xff\xff",
}


@pytest.mark.parametrize("content", MALFORMED)
@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("unary_unary", "WatchlistService/UpdateActor"),
        ("stream_unary", "ScreeningService/ScreenRecording"),
        ("stream_stream", "ScreeningService/ScreenCall"),
    ],
)
async def test_a_message_that_is_none_is_the_callers_mistake(
    desk: Desk, kind: str, method: str, content: str
) -> None:
    """It is refused by name, and is no incident of the server's."""
    async with grpc.aio.insecure_channel(desk.server.address) as channel:
        request = MALFORMED[content]
        sent = request if kind == "unary_unary" else iter([request])
        rpc = getattr(channel, kind)(f"/shengdun.v1.{method}")(sent)
        error = error_from_wire(
            await rpc.code(), await rpc.details(), await rpc.trailing_metadata()
        )
    assert (error.status, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_a_message_beyond_grpcs_limit_is_refused(desk: Desk) -> None:
    """GRPC itself refuses it, before it is read."""
    error = await _send(desk, [_config(), Request(audio=bytes(4 << 20))])
    assert error.status is StatusCode.RESOURCE_EXHAUSTED


async def test_a_budget_out_of_range_is_refused(desk: Desk) -> None:
    """A budget nobody can keep, or that is none, is named."""
    for seconds in (0, 10**12):
        request = _config()
        request.config.budget.seconds = seconds
        error = await _send(desk, [request])
        assert (error.status, error.reason) == (StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert "budget" in error.message


async def test_a_silent_client_is_let_go(desk: Desk) -> None:
    """A stream on which nothing comes ends with CALL_IDLE, and its call can be asked for."""
    with pytest.raises(ClientError) as caught:
        await _say_nothing(desk.client.screen_call(CallConfig(call_id="idle")))
    assert (caught.value.status, caught.value.reason) == (StatusCode.DEADLINE_EXCEEDED, "CALL_IDLE")
    assert not (await desk.client.get_decision("idle")).live


async def test_a_call_that_trickles_ends_too(tmp_path: Path, models_dir: Path) -> None:
    """Time counts like audio, so that a message now and then does not hold a place for ever."""
    settings = server_settings(tmp_path, models_dir, server__call_max_s=0.5)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        with pytest.raises(ClientError) as caught:
            await _trickle(client.screen_call(CallConfig(call_id="trickle")))
    assert caught.value.reason == "CALL_TOO_LONG"


async def _trickle(stream: CallStream) -> None:
    async with asyncio.timeout(20), stream as call:
        ended = asyncio.ensure_future(_say_nothing_more(call))
        # In between the answer is waited for: gRPC for Python drops the status of a call that ends during a write.
        while not (await asyncio.wait({ended}, timeout=0.2))[0]:
            await call.send(b"")
        await ended


async def _say_nothing_more(call: CallStream) -> None:
    async for decision in call:
        assert decision.state is DecisionState.NOT_ENOUGH_SPEECH


async def test_a_live_call_id_cannot_be_used_twice(desk: Desk) -> None:
    """The second stream is refused, the first goes on, and afterwards the id is free again."""
    silence = telephone(signals.silence(0.5))
    async with desk.client.screen_call(CallConfig(call_id="twice")) as first:
        await anext(first)
        with pytest.raises(ClientError) as caught:
            await screen(desk.client, "twice", silence)
        assert (caught.value.status, caught.value.reason) == (
            StatusCode.ALREADY_EXISTS,
            "CALL_ALREADY_LIVE",
        )
        await first.send(silence)
    assert (await screen(desk.client, "twice", silence))[
        -1
    ].state is DecisionState.NOT_ENOUGH_SPEECH


async def test_a_client_that_is_gone_leaves_its_last_decision(
    desk: Desk, recordings: Recordings
) -> None:
    """What had been heard is concluded, the id is free again."""
    audio = telephone(speech_of(recordings, "S6", seconds=5))
    with pytest.raises(ConnectionError):
        await _hang_up_without_a_word(desk.client.screen_call(CallConfig(call_id="gone")), audio)
    answer = await _when_ended(desk.client, "gone")
    assert answer.state is DecisionState.FINAL
    assert (await screen(desk.client, "gone", audio))[-1].state is DecisionState.FINAL


async def _say_nothing(stream: CallStream) -> None:
    async with stream as call:
        async for decision in call:
            assert decision.state is DecisionState.NOT_ENOUGH_SPEECH


async def _hang_up_without_a_word(stream: CallStream, audio: bytes) -> None:
    async with stream as call:
        await call.send(audio)
        while (await anext(call)).state is not DecisionState.PROVISIONAL:
            pass
        raise ConnectionError


async def _when_ended(client: ShengdunClient, call_id: str) -> Decision:
    async with asyncio.timeout(30):
        # Each question goes over the network, so the loop gives way by itself.
        while (answer := await client.get_decision(call_id)).live:
            pass
    return answer.decision


async def test_an_unknown_call_is_named(desk: Desk) -> None:
    """GetDecision of a call that never was says what to check."""
    with pytest.raises(ClientError, match="check the id") as caught:
        await desk.client.get_decision("never-was")
    assert (caught.value.status, caught.value.reason) == (StatusCode.NOT_FOUND, "CALL_UNKNOWN")


NOTHING_TO_HEAR = {
    "silence": (signals.silence(8), AudioFinding.SILENCE),
    "a tone": (signals.tone(8, 1000.0), AudioFinding.TONE),
    "ringback": (signals.ringback(10), AudioFinding.TONE),
    "DTMF": (signals.keys(8), AudioFinding.DTMF),
    "noise": (signals.noise(8), AudioFinding.NO_SPEECH),
}


@pytest.mark.parametrize("kind", NOTHING_TO_HEAR)
async def test_audio_without_speech_gets_no_score(desk: Desk, kind: str) -> None:
    """No level and no probability, and a finding that says what was heard."""
    samples, finding = NOTHING_TO_HEAR[kind]
    last = (
        await screen(desk.client, f"nothing-{finding.value}-{len(samples)}", telephone(samples))
    )[-1]
    assert last.state is DecisionState.NOT_ENOUGH_SPEECH
    assert (last.level, last.probability, last.flags) == (None, None, ())
    assert finding in last.audio_quality.findings


async def test_music_flags_nobody(desk: Desk) -> None:
    """Hold music is no actor, whatever the detector makes of it."""
    last = (await screen(desk.client, "music", telephone(signals.music(12))))[-1]
    assert last.level in {None, RiskLevel.LOW}
    assert last.flags == ()


async def test_too_little_speech_gets_no_score(desk: Desk, recordings: Recordings) -> None:
    """0.4 s of speech is not enough, and is said to be so."""
    samples = speech_of(recordings, "S6")[16_000 : 16_000 + 6_400]
    last = (await screen(desk.client, "short", telephone(samples)))[-1]
    assert (last.state, last.level) == (DecisionState.NOT_ENOUGH_SPEECH, None)
    assert last.audio_quality.findings


async def test_two_voices_are_reported(desk: Desk, recordings: Recordings) -> None:
    """Two people who take turns on one leg are found, and the decision says so."""
    one, other = speech_of(recordings, "S2", seconds=7), speech_of(recordings, "S7", seconds=7)
    last = (await screen(desk.client, "two", telephone(np.concatenate([one, other]))))[-1]
    assert AudioFinding.SEVERAL_VOICES in last.audio_quality.findings


async def test_clipped_audio_is_reported(desk: Desk, recordings: Recordings) -> None:
    """Speech driven far over full scale is decided on, with the finding."""
    samples = np.clip(speech_of(recordings, "S6") * 40, -1, 1).astype(np.float32)
    last = (await screen(desk.client, "clipped", telephone(samples)))[-1]
    assert AudioFinding.CLIPPED in last.audio_quality.findings


async def test_the_wrong_encoding_is_suspected(desk: Desk, recordings: Recordings) -> None:
    """Mu-law sent as A-law is noticed."""
    audio = telephone(speech_of(recordings, "S6"))
    wrong = AudioFormat(encoding=AudioEncoding.PCMA, sample_rate_hz=8_000)
    last = (await screen(desk.client, "wrong", audio, audio_format=wrong))[-1]
    assert AudioFinding.WRONG_ENCODING in last.audio_quality.findings


@pytest.mark.timeout(300)
async def test_calls_faster_than_real_time_leave_a_paced_call_alone(
    desk: Desk, recordings: Recordings
) -> None:
    """Replays are slowed down by flow control; a call at the pace of speech decides as it does alone."""
    audio = telephone(speech_of(recordings, "S6", seconds=7))
    alone = [evidence(decision) for decision in await screen(desk.client, "paced-alone", audio)]
    flood = [
        asyncio.create_task(
            screen_patiently(desk.client, f"flood-{n}", audio * 4, chunk_bytes=80_000)
        )
        for n in range(8)
    ]
    async with desk.client.screen_call(CallConfig(call_id="paced")) as call:
        decisions = asyncio.create_task(_collect(call))
        for start in range(0, len(audio), 8_000):
            await call.send(audio[start : start + 8_000])
            await asyncio.sleep(0.2)
        await call.finish()
        assert [evidence(decision) for decision in await decisions if not decision.partial] == alone
    for decided in await asyncio.gather(*flood):
        assert decided[-1].state is DecisionState.FINAL


async def _collect(call: CallStream) -> list[Decision]:
    return [decision async for decision in call]


BAD_RECORDINGS = {
    "a text file named .wav": (b"this is not audio\n" * 100, "UNREADABLE_RECORDING"),
    "nothing at all": (b"", "UNREADABLE_RECORDING"),
    "a damaged file": (signals.wav_file(signals.noise(2.0))[:30], "UNREADABLE_RECORDING"),
    "a recording that is too long": (
        signals.wav_file(signals.silence(121.0)),
        "RECORDING_TOO_LONG",
    ),
}


@pytest.mark.parametrize("case", BAD_RECORDINGS)
async def test_each_bad_recording_has_its_error(desk: Desk, case: str) -> None:
    """INVALID_ARGUMENT with the reason; nothing about the server's insides."""
    data, reason = BAD_RECORDINGS[case]
    with pytest.raises(ClientError) as caught:
        await desk.client.screen_recording(data)
    assert (caught.value.status, caught.value.reason) == (StatusCode.INVALID_ARGUMENT, reason)


async def test_a_whole_recording_is_screened(desk: Desk, recordings: Recordings) -> None:
    """The same voice in a WAV file is found by ScreenRecording."""
    screened = await desk.client.screen_recording(signals.wav_file(speech_of(recordings, "S6")))
    assert screened.codec.startswith("pcm_s16")
    assert screened.decision.state is DecisionState.FINAL
    best = screened.decision.watchlists[0].best
    assert best is not None
    assert best.actor_id == desk.actors["S6"]


async def test_a_call_without_any_watchlist_says_so(
    tmp_path: Path, models_dir: Path, recordings: Recordings
) -> None:
    """Nobody is on no list; the decision names that nothing was screened."""
    settings = server_settings(tmp_path / "data", models_dir)
    async with Server(settings) as server, ShengdunClient.connect(server.address) as client:
        last = (
            await screen(client, "unlisted", telephone(speech_of(recordings, "S6", seconds=5)))
        )[-1]
    assert (last.state, last.level) == (DecisionState.FINAL, RiskLevel.LOW)
    assert PartialReason.NO_WATCHLISTS in last.partial_reasons


async def test_who_is_erased_during_a_call_is_not_named_at_its_end(
    tmp_path: Path, models_dir: Path, recordings: Recordings
) -> None:
    """Even if no further speech follows the erasure."""
    async with open_desk(
        server_settings(tmp_path / "data", models_dir), recordings, ("S6",)
    ) as desk:
        async with desk.client.screen_call(CallConfig(call_id="erased")) as call:
            await call.send(telephone(speech_of(recordings, "S6", seconds=5)))
            while (decision := await anext(call)).state is not DecisionState.PROVISIONAL:
                pass
            assert decision.best is not None
            await desk.client.erase_actor(desk.actors["S6"], reason="test")
        assert call.decision is not None
        assert call.decision.state is DecisionState.FINAL
        assert call.decision.best is None
