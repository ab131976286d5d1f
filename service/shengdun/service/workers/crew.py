"""All workers of a server, and what they share: the port, which their parent holds, and the embedded store.

Start: exposure and certificates are checked, the port is taken, the store is started, then all workers at once; the
server has started when every one of them takes calls. Stop: all workers drain at once, each in the order that
``server`` describes; when the last one has ended the store is stopped and the port is let go.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import structlog

from shengdun.index.embedded import EmbeddedStore
from shengdun.service.access import TokenFile
from shengdun.service.listening import address_of, held_port
from shengdun.service.profile_places import STORE_DIRECTORY
from shengdun.service.running import run
from shengdun.service.settings import Settings
from shengdun.service.tls import check_exposure, server_credentials
from shengdun.service.workers.plan import Plan
from shengdun.service.workers.shares import Share
from shengdun.service.workers.slot import STOP_S, Slot

_log = structlog.get_logger(__name__)


class Crew:
    """The parent of ``server.workers`` processes. Start it once and stop it once.

    Args:
        settings: of the server as a whole.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = AsyncExitStack()
        self._slots: list[Slot] = []
        self._keeping: list[asyncio.Task[None]] = []
        self._begun = asyncio.Event()
        self._address: str | None = None

    @property
    def address(self) -> str:
        """Where the workers listen, as ``host:port``; known from the end of ``start`` on."""
        if self._address is None:
            raise RuntimeError("the workers have not started")
        return self._address

    async def start(self) -> None:
        """Start, and return when all workers take calls.

        Raises:
            ShengdunError: they can't; the message says why and what to do. Nothing is left running.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def ended(self) -> None:
        """Return never.

        Raises:
            WorkersFailed: no worker takes calls any more, and one of them can't be started again.
        """
        await self._begun.wait()
        # Whoever gives up waiting here must not take the workers along, as he would with asyncio.gather.
        await asyncio.wait(self._keeping, return_when=asyncio.FIRST_EXCEPTION)
        await _first_failure(self._keeping)

    async def stop(self) -> None:
        """Stop the workers in order, then the store; idempotent."""
        self._signal(signal.SIGTERM)
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=self._settings.server.drain_s + STOP_S)
        for keeping in self._keeping:
            if not keeping.done():
                _log.error("worker does not stop, killed")
            keeping.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await self._stack.aclose()

    def hurry(self) -> None:
        """Have the workers wait for callers no longer."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        for slot in self._slots:
            slot.signal(number)

    async def _start(self) -> None:
        settings = self._settings
        Share.of(settings, 1)
        check_exposure(settings, TokenFile(settings.tokens_file))
        if settings.server.tls is not None:
            server_credentials(settings.server.tls)
        port = self._stack.enter_context(held_port(settings.server))
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        await self._start_workers(port, await self._start_store())
        self._address = address_of(settings.server.host, port)
        _log.info("all workers serve", address=self._address, workers=len(self._slots))

    async def _start_store(self) -> Path | None:
        if self._settings.store.url is not None:
            return None
        directory = self._settings.data_dir / STORE_DIRECTORY
        await self._stack.enter_async_context(EmbeddedStore(directory))
        return directory

    async def _start_workers(self, port: int, store: Path | None) -> None:
        installation = uuid4().hex
        self._slots = [
            Slot(
                Plan.of(self._settings, number, port=port, installation=installation, store=store),
                is_vital=self._is_vital,
            )
            for number in range(1, self._settings.server.workers + 1)
        ]
        self._keeping = [
            asyncio.create_task(slot.keep(), name=f"worker-{slot.number}") for slot in self._slots
        ]
        self._begun.set()
        ready = asyncio.create_task(self._all_serve())
        try:
            await asyncio.wait([ready, *self._keeping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
            await asyncio.gather(ready, return_exceptions=True)
        await _first_failure(self._keeping)

    async def _all_serve(self) -> None:
        for slot in self._slots:
            await slot.serving()

    def _is_vital(self) -> bool:
        # Until all have served once nobody was told that there is a server; from then on one that serves is enough.
        return self._address is None or not any(slot.is_serving for slot in self._slots)


async def _first_failure(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            await task


async def serve(
    settings: Settings, *, on_ready: Callable[[str], None] = lambda _address: None
) -> None:
    """Run the workers of a server until SIGTERM or SIGINT; see ``running``.

    Args:
        settings: of the server as a whole.
        on_ready: told the address once all workers take calls.

    Raises:
        ShengdunError: they can't start, or can't go on.
    """
    await run(Crew(settings), on_ready=on_ready)
