"""The server: from settings to a port that answers, and in order back again.

Start: exposure and certificates are checked, the port is tried, the application is opened (see ``app``), the port is
opened, health turns SERVING. Stop: health turns NOT_SERVING, no new calls are taken, calls in flight are given a
partial final decision, the port is closed, RPCs in flight end, the application is flushed and closed, the embedded
store last. Callers are waited for no longer than ``server.drain_s``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Self

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import SERVICE_NAME as HEALTH_NAME
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha.reflection import SERVICE_NAME as REFLECTION_NAME
from grpc_reflection.v1alpha.reflection import enable_server_reflection

from shengdun.index.memory import return_large_blocks, share_arenas
from shengdun.service.access import TokenFile
from shengdun.service.app import Application, open_application
from shengdun.service.interceptors import AccessInterceptor, AnsweringInterceptor, InFlight
from shengdun.service.listening import address_of, check_free, listen
from shengdun.service.model_loading import ModelLoading
from shengdun.service.running import run
from shengdun.service.settings import Settings
from shengdun.service.tls import asks_for_tokens, check_exposure, server_credentials
from shengdun.service.workers.place import ALONE, Place
from shengdun.v1 import (
    allow_pb2_grpc,
    archive_pb2_grpc,
    hunt_pb2_grpc,
    network_pb2_grpc,
    screening_pb2_grpc,
    script_pb2_grpc,
    voice_pb2_grpc,
    watchlist_pb2_grpc,
)
from shengdun.v1.allow_pb2 import DESCRIPTOR as ALLOW_FILE
from shengdun.v1.archive_pb2 import DESCRIPTOR as ARCHIVE_FILE
from shengdun.v1.hunt_pb2 import DESCRIPTOR as HUNT_FILE
from shengdun.v1.network_pb2 import DESCRIPTOR as NETWORK_FILE
from shengdun.v1.screening_pb2 import DESCRIPTOR as SCREENING_FILE
from shengdun.v1.script_pb2 import DESCRIPTOR as SCRIPT_FILE
from shengdun.v1.voice_pb2 import DESCRIPTOR as VOICE_FILE
from shengdun.v1.watchlist_pb2 import DESCRIPTOR as WATCHLIST_FILE

SCREENING_NAME: Final = SCREENING_FILE.services_by_name["ScreeningService"].full_name
WATCHLISTS_NAME: Final = WATCHLIST_FILE.services_by_name["WatchlistService"].full_name
SCRIPTS_NAME: Final = SCRIPT_FILE.services_by_name["ScriptService"].full_name
NETWORKS_NAME: Final = NETWORK_FILE.services_by_name["NetworkService"].full_name
ARCHIVE_NAME: Final = ARCHIVE_FILE.services_by_name["ArchiveService"].full_name
HUNTS_NAME: Final = HUNT_FILE.services_by_name["HuntService"].full_name
VOICES_NAME: Final = VOICE_FILE.services_by_name["VoiceService"].full_name
ALLOW_NAME: Final = ALLOW_FILE.services_by_name["AllowService"].full_name
NAMES: Final = (
    SCREENING_NAME,
    WATCHLISTS_NAME,
    SCRIPTS_NAME,
    NETWORKS_NAME,
    ARCHIVE_NAME,
    HUNTS_NAME,
    VOICES_NAME,
    ALLOW_NAME,
)
MAX_MESSAGE_BYTES: Final = 4 << 20
"""Messages beyond are refused by gRPC itself with RESOURCE_EXHAUSTED, before our code could name a reason; those
between the limit of a chunk (1 MiB) or of a text (200,000 characters, 0.8 MB at most) and this are refused by name. So
much is gRPC's own default."""

_OVERALL = ""
_HEALTH_EVERY_S = 0.5
_FOREVER_S = 24 * 3600.0
_LET_GO_S = 2.0
_RPCS_BESIDE_CALLS = 1000
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A caller whose network has gone says nothing; without pings its call would be held until it is idle.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
)
_log = structlog.get_logger(__name__)


class Server:
    """One server. Start it once and stop it once; stopping again, or before it has started, does nothing more.

    Args:
        settings: the settings.
        place: of this process among the workers of the server.
        loading: loads the voice models already; None to begin with it at the start.
    """

    def __init__(
        self, settings: Settings, place: Place = ALONE, loading: ModelLoading | None = None
    ) -> None:
        self._settings = settings
        self._place = place
        self._loading = loading
        self._tokens = TokenFile(settings.tokens_file)
        self._stack = AsyncExitStack()
        self._health = health_aio.HealthServicer()
        self._in_flight = InFlight()
        self._hurry = asyncio.Event()
        self._application: Application | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._address: str | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """Where it listens, as ``host:port``; known from the end of ``start`` on."""
        if self._address is None:
            raise RuntimeError("the server has not started")
        return self._address

    async def start(self) -> None:
        """Start, and return when calls are taken.

        Raises:
            ShengdunError: it can't start; the message says why and what to do. Nothing is left running.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Stop in order; several callers wait for the same stop."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stack.aclose(), name="stop")
        await asyncio.shield(self._stopping)

    async def ended(self) -> None:
        """Return never: a server goes on until it is stopped."""
        await asyncio.Event().wait()

    def hurry(self) -> None:
        """Wait for callers no longer: what is in flight is cut off, and what was acknowledged is still flushed."""
        self._hurry.set()

    async def _start(self) -> None:
        settings = self._settings
        check_exposure(settings, self._tokens)
        tls = settings.server.tls
        credentials = None if tls is None else server_credentials(tls)
        check_free(settings.server, shared=self._place.is_shared)
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        application = await self._stack.enter_async_context(
            open_application(settings, self._tokens, self._place, self._loading)
        )
        await self._set_health(screening=False, watchlists=False)
        self._application = application
        server = self._make_server(application)
        port = listen(server, settings.server, credentials, shared=self._place.is_shared)
        await server.start()
        self._stack.push_async_callback(self._drain, server, application)
        await self._set_health(screening=True, watchlists=True)
        await self._stack.enter_async_context(
            _running(self._watch_store(application), name="health")
        )
        self._address = address_of(settings.server.host, port)
        _log.info(
            "listening",
            address=self._address,
            tls=tls is not None,
            access_required=asks_for_tokens(settings),
        )

    def _make_server(self, application: Application) -> grpc.aio.Server:
        access = AccessInterceptor(self._tokens, required=asks_for_tokens(self._settings))
        server = grpc.aio.server(
            interceptors=[AnsweringInterceptor(self._in_flight), access],
            # Two servers that know nothing of each other would each get half of the calls, unnoticed.
            options=(*_OPTIONS, ("grpc.so_reuseport", int(self._place.is_shared))),
            maximum_concurrent_rpcs=self._settings.server.max_calls + _RPCS_BESIDE_CALLS,
        )
        screening_pb2_grpc.add_ScreeningServiceServicer_to_server(application.screening, server)
        watchlist_pb2_grpc.add_WatchlistServiceServicer_to_server(application.watchlists, server)
        script_pb2_grpc.add_ScriptServiceServicer_to_server(application.scripts, server)
        voice_pb2_grpc.add_VoiceServiceServicer_to_server(application.voices, server)
        network_pb2_grpc.add_NetworkServiceServicer_to_server(application.networks, server)
        archive_pb2_grpc.add_ArchiveServiceServicer_to_server(application.archived_calls, server)
        hunt_pb2_grpc.add_HuntServiceServicer_to_server(application.hunts, server)
        allow_pb2_grpc.add_AllowServiceServicer_to_server(application.allowing, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        enable_server_reflection((*NAMES, HEALTH_NAME, REFLECTION_NAME), server)
        return server

    async def _set_health(self, *, screening: bool, watchlists: bool) -> None:
        # Overall health follows screening: a load balancer must not take a server out because its store is gone.
        for name, serving in (
            (SCREENING_NAME, screening),
            (WATCHLISTS_NAME, watchlists),
            (SCRIPTS_NAME, watchlists),
            (NETWORKS_NAME, watchlists),
            (ARCHIVE_NAME, watchlists),
            (HUNTS_NAME, watchlists),
            (VOICES_NAME, watchlists),
            (ALLOW_NAME, watchlists),
            (_OVERALL, screening),
        ):
            await self._health.set(name, _SERVING if serving else _NOT_SERVING)

    async def _watch_store(self, application: Application) -> None:
        answered = True
        while True:
            health = application.registry.health
            if health.distrusted:
                # A start that had known would have been refused.
                await self._set_health(screening=False, watchlists=False)
                _log.error("store can't be trusted", problem=health.problem)
                return
            if health.store_answers != answered:
                answered = health.store_answers
                await self._set_health(screening=True, watchlists=answered)
                _log.warning("store answers again" if answered else "store is gone")
            await asyncio.sleep(_HEALTH_EVERY_S)

    async def _drain(self, server: grpc.aio.Server, application: Application) -> None:
        ends_at = _now() + self._settings.server.drain_s
        _log.info("stopping", live_calls=len(application.calls))
        await self._health.enter_graceful_shutdown()
        await self._unless_late(application.screening.drain(), ends_at)
        # Health watchers never end by themselves, so it is our own RPCs that are waited for, and not gRPC's grace.
        closing = asyncio.ensure_future(server.stop(_FOREVER_S))
        await self._unless_late(self._in_flight.idle(), ends_at)
        await server.stop(None)
        await closing
        # What was cut off still lets go of what it holds before that is closed.
        await self._unless_late(self._in_flight.idle(), _now() + _LET_GO_S)
        _log.info("stopped")

    async def _unless_late(self, work: Awaitable[None], ends_at: float) -> None:
        task = asyncio.ensure_future(work)
        hurry = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait(
            {task, hurry},
            timeout=max(0.0, ends_at - _now()),
            return_when=asyncio.FIRST_COMPLETED,
        )
        for ongoing in (task, hurry):
            ongoing.cancel()
        await asyncio.gather(task, hurry, return_exceptions=True)


async def serve(
    settings: Settings,
    *,
    place: Place = ALONE,
    loading: ModelLoading | None = None,
    on_ready: Callable[[str], None] = lambda _address: None,
) -> None:
    """Run a server in this process until SIGTERM or SIGINT; see ``running``.

    Args:
        settings: the settings.
        place: of this process among the workers of the server.
        loading: loads the voice models already; None to begin with it at the start.
        on_ready: told the address once calls are taken.

    Raises:
        ShengdunError: the server can't start.
    """
    share_arenas()
    return_large_blocks()
    await run(Server(settings, place, loading), on_ready=on_ready)


@asynccontextmanager
async def _running(work: Awaitable[None], *, name: str) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    if isinstance(task, asyncio.Task):
        task.set_name(name)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _now() -> float:
    return asyncio.get_running_loop().time()
