"""The server as a whole, with real models, a real store and the real client: start, answers, a lost store, stop."""

import asyncio
import io
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import structlog
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status as RpcStatus
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from redis.asyncio import Redis

from fixtures.certificates import Authority
from fixtures.server import MakeSettings
from fixtures.store import until
from shengdun.fingerprint.errors import ShengdunError
from shengdun.fingerprint.voice.demo_recordings import DemoRecording
from shengdun.fingerprint.voice.errors import ModelMissing
from shengdun.index import checkpoints
from shengdun.index.checkpoint_file import read_header
from shengdun.index.checkpoints import Checkpointing
from shengdun.index.embedded import EmbeddedStore
from shengdun.index.errors import StoreTampered
from shengdun.service import app
from shengdun.service.access import Role, TokenFile
from shengdun.service.background import BackgroundLane, available_cores
from shengdun.service.client import (
    AudioEncoding,
    AudioFormat,
    CallConfig,
    ClientError,
    DecisionState,
    NewActor,
    NewWatchlist,
    PartialReason,
    Recording,
    ShengdunClient,
)
from shengdun.service.errors import PortInUse, SettingsInvalid
from shengdun.service.listening import address_of
from shengdun.service.server import (
    MAX_MESSAGE_BYTES,
    SCREENING_NAME,
    WATCHLISTS_NAME,
    Server,
    serve,
)
from shengdun.service.settings import LogSettings, Settings
from shengdun.service.statuses import DETAILS_KEY
from shengdun.service.telemetry import configure_logging
from shengdun.v1 import (
    audio_pb2,
    screening_pb2,
    screening_pb2_grpc,
    watchlist_pb2,
    watchlist_pb2_grpc,
)

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
L16 = AudioFormat(encoding=AudioEncoding.L16, sample_rate_hz=16_000)
CUSTOMER = "6222021234567890123"
NUMBER = "+8613912345678"
SILENT_SECOND = bytes(32_000)


@asynccontextmanager
async def channel_to(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield channel


async def health(channel: grpc.aio.Channel, service: str) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
    return int(answer.status)


async def health_becomes(channel: grpc.aio.Channel, service: str, wanted: int) -> None:
    """Return when a service's health is as wanted."""
    stub = health_pb2_grpc.HealthStub(channel)
    async for answer in stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=60):
        if answer.status == wanted:
            return
    raise AssertionError("the watch ended")


async def test_a_server_says_that_it_serves(make_settings: MakeSettings) -> None:
    """Health is SERVING overall and for each service, and the server tells what it is."""
    async with Server(make_settings()) as server, channel_to(server) as channel:
        for service in ("", SCREENING_NAME, WATCHLISTS_NAME):
            assert await health(channel, service) == SERVING
        async with ShengdunClient.connect(server.address) as client:
            info = await client.server_info()
    assert info.model_id.startswith("campplus-zh-en@")
    assert [line.line for line in info.lines] == ["default"]
    assert not info.watchlists_stale


async def test_reflection_names_every_service(make_settings: MakeSettings) -> None:
    """Tools such as grpcurl find the services and their messages without our files."""
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=SCREENING_NAME),
    ]
    async with Server(make_settings()) as server, channel_to(server) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        answers = stub.ServerReflectionInfo(iter(requests), timeout=20)
        listing, file = [answer async for answer in answers]
    names = {service.name for service in listing.list_services_response.service}
    assert {SCREENING_NAME, WATCHLISTS_NAME, "grpc.health.v1.Health"} <= names
    assert file.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize(
    ("host", "address"),
    [("localhost", "localhost:1"), ("::1", "[::1]:1"), ("[::1]", "[::1]:1")],
)
def test_an_address_can_be_connected_to_as_it_is_shown(host: str, address: str) -> None:
    assert address_of(host, 1) == address


async def start_fails(settings: Settings, kind: type[ShengdunError], message: str) -> None:
    with pytest.raises(kind, match=message):
        await Server(settings).start()


async def test_a_port_in_use_is_named_with_the_way_out(make_settings: MakeSettings) -> None:
    """Two servers never share a port unnoticed, and the one that fails leaves nothing behind."""
    async with Server(make_settings()) as server:
        port = int(server.address.rpartition(":")[2])
        other = {"server.port": port, "data_dir": make_settings().data_dir / "other"}
        await start_fails(make_settings(other), PortInUse, f"port {port} .* in use .* server.port")
        assert not (make_settings().data_dir / "other").exists()


async def test_a_port_that_another_program_has_is_named(make_settings: MakeSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        await start_fails(make_settings({"server.port": port}), PortInUse, "in use")


@pytest.mark.parametrize(
    ("host", "message"),
    [("no.such.name.invalid", "no known name"), ("192.0.2.1", "address of this machine")],
)
async def test_an_address_that_is_not_ours_is_named(
    make_settings: MakeSettings, authority: Authority, host: str, message: str
) -> None:
    """A wrong host is told apart from a port in use."""
    pair = authority.sign("server")
    tls = {"server.tls.certificate": str(pair.certificate), "server.tls.key": str(pair.key)}
    settings = make_settings({"server.host": host, **tls})
    TokenFile(settings.tokens_file).issue("ivr", [Role.TELEPHONY])
    await start_fails(settings, SettingsInvalid, message)


async def test_an_unprotected_server_does_not_start(make_settings: MakeSettings) -> None:
    settings = make_settings({"server.host": "0.0.0.0"})  # noqa: S104 - it must not start
    await start_fails(settings, SettingsInvalid, "token issue")


async def test_missing_models_are_named_and_no_store_is_left(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """The start fails before anything runs, and works once the models are there."""
    await start_fails(make_settings({"models_dir": tmp_path / "none"}), ModelMissing, "install")
    async with Server(make_settings()) as server:
        assert server.address


async def test_tls_and_tokens_work_together(
    make_settings: MakeSettings, authority: Authority
) -> None:
    """A client with the authority and a token is served; without the token it is refused."""
    pair = authority.sign("server")
    tls = {"server.tls.certificate": str(pair.certificate), "server.tls.key": str(pair.key)}
    settings = make_settings({**tls, "access.required": True})
    token = TokenFile(settings.tokens_file).issue("ivr", [Role.TELEPHONY])
    async with Server(settings) as server:
        connect = ShengdunClient.connect
        async with connect(server.address, token=token, ca_certificate=authority.path) as client:
            assert (await client.server_info()).live_calls == 0
            with pytest.raises(ClientError) as refusal:
                await client.list_watchlists()
            assert refusal.value.reason == "PERMISSION_DENIED"
        async with connect(server.address, ca_certificate=authority.path) as client:
            with pytest.raises(ClientError) as refusal:
                await client.server_info()
            assert refusal.value.reason == "UNAUTHENTICATED"


def call_requests(call_id: str, *chunks: bytes) -> Iterator[screening_pb2.ScreenCallRequest]:
    config = screening_pb2.CallConfig(call_id=call_id)
    config.audio_format.encoding = audio_pb2.AUDIO_ENCODING_PCMU
    config.audio_format.sample_rate_hz = 8000
    yield screening_pb2.ScreenCallRequest(config=config)
    yield from (screening_pb2.ScreenCallRequest(audio=chunk) for chunk in chunks)


async def refusal_of_chunk(server: Server, size_bytes: int) -> tuple[grpc.StatusCode, str]:
    """The code, and the reason if our code gave one, of a call with one chunk of this size."""
    async with channel_to(server) as channel:
        stub = screening_pb2_grpc.ScreeningServiceStub(channel)
        ongoing = stub.ScreenCall(call_requests(f"c-{size_bytes}", bytes(size_bytes)), timeout=20)
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            async for _ in ongoing:
                pass
    info = ErrorInfo()
    content = dict(refusal.value.trailing_metadata() or ()).get(DETAILS_KEY)
    if isinstance(content, bytes):
        RpcStatus.FromString(content).details[0].Unpack(info)
    return refusal.value.code(), info.reason


async def test_messages_over_the_limit_end_their_call_and_no_other(
    make_settings: MakeSettings,
) -> None:
    """A little over is refused by name, far over by gRPC itself, and a call beside them goes on."""
    async with (
        Server(make_settings()) as server,
        ShengdunClient.connect(server.address) as client,
        client.screen_call(CallConfig(call_id="beside", audio_format=L16)) as beside,
    ):
        little, far = (1 << 20) + 1, MAX_MESSAGE_BYTES + 1
        assert await refusal_of_chunk(server, little) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "MESSAGE_TOO_LARGE",
        )
        assert await refusal_of_chunk(server, far) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "")
        await beside.send(SILENT_SECOND)
        assert (await client.get_decision("beside")).live
        assert (await client.server_info()).live_calls == 1


async def test_a_stop_gives_calls_in_flight_a_partial_final_decision(
    make_settings: MakeSettings, recordings: list[DemoRecording]
) -> None:
    """The caller's stream ends well, with what had been heard and why it is partial."""
    speech = next(item for item in recordings if item.duration_s > 12).read()[44:]
    async with (
        Server(make_settings()) as server,
        ShengdunClient.connect(server.address) as client,
        client.screen_call(CallConfig(call_id="c-1", audio_format=L16)) as call,
    ):
        await call.send(speech[: 12 * 32_000])
        async for decision in call:
            if decision.state is DecisionState.PROVISIONAL:
                break
        stopping = asyncio.create_task(server.stop())
        last = [decision async for decision in call][-1]
        assert last.state is DecisionState.FINAL
        assert last.partial
        assert PartialReason.SERVER_STOPPING in last.partial_reasons
        await stopping


async def test_health_turns_before_calls_end(make_settings: MakeSettings) -> None:
    """A load balancer that watches sees NOT_SERVING, and its watch does not hold up the stop."""
    server = Server(make_settings({"server.drain_s": 3600.0}))
    async with channel_to_started(server) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert (await watch.read()).status == SERVING
        stopping = asyncio.create_task(server.stop())
        assert (await watch.read()).status == NOT_SERVING
        await stopping


@asynccontextmanager
async def channel_to_started(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    await server.start()
    try:
        async with channel_to(server) as channel:
            yield channel
    finally:
        await server.stop()


async def test_stopping_again_waits_for_the_same_stop(make_settings: MakeSettings) -> None:
    """Stop is idempotent, at once and afterwards, and the data directory is free then."""
    server = Server(make_settings())
    await server.start()
    await asyncio.gather(server.stop(), server.stop())
    await server.stop()
    async with Server(make_settings()) as again:
        assert again.address


async def open_enrollment(channel: grpc.aio.Channel) -> Any:  # noqa: ANN401 - a grpc call
    """An enrolment whose upload never ends, being served."""
    stub = watchlist_pb2_grpc.WatchlistServiceStub(channel)
    ongoing = stub.EnrollActor(timeout=60)
    config = watchlist_pb2.EnrollmentConfig(assess_only=True)
    await ongoing.write(watchlist_pb2.EnrollActorRequest(config=config))
    return ongoing


async def arrived(channel: grpc.aio.Channel) -> None:
    """Return when the server has what was sent on this channel before: a connection keeps its order."""
    stub = screening_pb2_grpc.ScreeningServiceStub(channel)
    await stub.GetServerInfo(screening_pb2.GetServerInfoRequest(), timeout=20)


async def test_a_stop_waits_no_longer_than_it_may(make_settings: MakeSettings) -> None:
    """What does not end within server.drain_s is cut off."""
    server = Server(make_settings({"server.drain_s": 0.1}))
    async with channel_to_started(server) as channel:
        ongoing = await open_enrollment(channel)
        await arrived(channel)
        await server.stop()
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await ongoing


async def test_sigterm_stops_and_a_second_signal_hurries(make_settings: MakeSettings) -> None:
    """The first signal waits for an upload that never ends; the second does not."""
    settings = make_settings({"server.drain_s": 3600.0})
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(settings, on_ready=ready.set_result))
    async with grpc.aio.insecure_channel(await ready) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=60
        )
        assert (await watch.read()).status == SERVING
        ongoing = await open_enrollment(channel)
        await arrived(channel)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await watch.read()).status == NOT_SERVING
        assert not serving.done()
        assert not ongoing.done()
        os.kill(os.getpid(), signal.SIGTERM)
        await serving


async def test_a_signal_during_the_start_ends_it(make_settings: MakeSettings) -> None:
    """The start is given up and leaves the data directory free."""
    serving = asyncio.create_task(serve(make_settings()))
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGINT)
    await serving
    async with Server(make_settings()) as server:
        assert server.address


async def test_screening_goes_on_without_the_store(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    """With the store gone WatchlistService is NOT_SERVING, screening and the whole are not; and it comes back."""
    store = EmbeddedStore(tmp_path / "store")
    await store.start()
    try:
        settings = make_settings({"store.url": store.url})
        async with Server(settings) as server, channel_to(server) as channel:
            await store.stop()
            await health_becomes(channel, WATCHLISTS_NAME, NOT_SERVING)
            assert await health(channel, SCREENING_NAME) == SERVING
            assert await health(channel, "") == SERVING
            async with ShengdunClient.connect(server.address) as client:
                assert (await client.server_info()).watchlists_stale
                config = CallConfig(call_id="c-1", audio_format=L16)
                async with client.screen_call(config) as call:
                    await call.send(SILENT_SECOND)
                assert call.decision is not None
                assert PartialReason.WATCHLISTS_STALE in call.decision.partial_reasons
            await store.start()
            await health_becomes(channel, WATCHLISTS_NAME, SERVING)
    finally:
        await store.stop()


def covers(checkpoint: Path, entry: int) -> bool:
    return checkpoint.exists() and read_header(checkpoint).sequence >= entry


async def test_a_store_found_altered_after_the_start_takes_the_server_out(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a start from a checkpoint the old journal is verified last: health turns, and the next start is refused."""
    monkeypatch.setattr(app, "Checkpointing", partial(Checkpointing, least_actors=0))
    for name, value in (("_LOOK_S", 0.01), ("_FIRST_S", 0.0), ("_EVERY_S", 0.0), ("_ENTRIES", 0)):
        monkeypatch.setattr(checkpoints, name, value)
    async with EmbeddedStore(tmp_path / "store") as store:
        settings = make_settings({"store.url": store.url})
        async with Server(settings) as server:
            async with ShengdunClient.connect(server.address) as client:
                await client.create_watchlist(NewWatchlist(watchlist_id="agents", name="agents"))
            await until(lambda: covers(settings.data_dir / "checkpoint", 2))
        redis: Any = Redis(unix_socket_path=str(store.files.socket))
        await redis.xdel("{shengdun}:journal", "1-0")
        await redis.aclose()
        async with Server(settings) as server, channel_to(server) as channel:
            for service in ("", SCREENING_NAME, WATCHLISTS_NAME):
                await health_becomes(channel, service, NOT_SERVING)
        await start_fails(settings, StoreTampered, "journal entry 1 is missing")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    configure_logging(LogSettings(level="debug"), stream=stream)
    yield stream
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


async def test_the_log_of_a_working_day_names_nobody(
    make_settings: MakeSettings, recordings: list[DemoRecording], log: io.StringIO
) -> None:
    """Enrolment, calls, refusals and a stop leave no customer, number, token, name or audio in the log."""
    settings = make_settings({"access.required": True})
    token = TokenFile(settings.tokens_file).issue("desk", [Role.ADMIN])
    spoken = next(item for item in recordings if item.duration_s > 12).read()
    async with (
        Server(settings) as server,
        ShengdunClient.connect(server.address, token=token) as client,
    ):
        await client.create_watchlist(NewWatchlist(watchlist_id="agents", name="名单甲"))
        actor = NewActor(display_name="张某某", watchlist_ids=("agents",), notes="备注丙")
        await client.enroll_actor(actor, [Recording(content=spoken, name="录音乙.wav")])
        config = CallConfig(
            call_id="c-1",
            customer_reference=CUSTOMER,
            calling_number=NUMBER,
            audio_format=L16,
        )
        async with client.screen_call(config) as call:
            await call.send(spoken[44 : 44 + 8 * 32_000])
        with pytest.raises(ClientError):
            await client.screen_recording(b"no audio at all", customer_reference=CUSTOMER)
        async with ShengdunClient.connect(server.address, token=token + "x") as stranger:
            with pytest.raises(ClientError):
                await stranger.server_info()
    text = log.getvalue()
    assert '"method": "/shengdun.v1.ScreeningService/ScreenCall"' in text
    assert "no audio at all" not in text
    for private_value in (CUSTOMER, NUMBER, token, "张某某", "录音乙", "备注丙", "名单甲"):
        assert private_value not in text


async def test_background_work_steps_back() -> None:
    """It has fewer threads than there are cores, and each of a lower priority than the rest of the process."""

    def look() -> tuple[int, str]:
        own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return own, threading.current_thread().name

    async with BackgroundLane() as lane:
        found = await asyncio.gather(*(lane.run(look) for _ in range(8)))
    assert len({name for _, name in found}) <= max(1, available_cores() - 1)
    assert {niceness for niceness, _ in found} == {min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)}


async def test_background_work_hands_back_what_it_raises() -> None:
    async with BackgroundLane(workers=1) as lane:
        assert np.array_equal(await lane.run(lambda: np.arange(3)), [0, 1, 2])
        with pytest.raises(ZeroDivisionError):
            await lane.run(lambda: 1 // 0)
