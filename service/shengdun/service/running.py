"""Running a service until it is told to stop: SIGTERM or SIGINT stop it in order, a second one hurries it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Protocol


class Service(Protocol):
    """What can be run: a server, or the parent of several."""

    @property
    def address(self) -> str:
        """Where it listens, as ``host:port``; known from the end of ``start`` on."""

    async def start(self) -> None:
        """Start, and return when calls are taken; raises a ``ShengdunError`` if that can't be."""

    async def ended(self) -> None:
        """Return never; raises a ``ShengdunError`` when it can't go on."""

    async def stop(self) -> None:
        """Stop in order; also what has not started."""

    def hurry(self) -> None:
        """Wait for callers no longer."""


async def run(service: Service, *, on_ready: Callable[[str], None] = lambda _address: None) -> None:
    """Run a service until SIGTERM or SIGINT, then stop it in order; a second signal cuts off what is in flight.

    Args:
        service: what to run.
        on_ready: told the address once calls are taken.

    Raises:
        ShengdunError: it can't start, or can't go on.
    """
    async with _signals(service.hurry) as stop:
        starting = asyncio.ensure_future(service.start())
        asked = asyncio.ensure_future(stop.wait())
        ended = asyncio.ensure_future(service.ended())
        try:
            await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                starting.cancel()
                with suppress(asyncio.CancelledError):
                    await starting
                return
            starting.result()
            on_ready(service.address)
            await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
        finally:
            for waiting in (asked, ended):
                waiting.cancel()
            await asyncio.gather(asked, ended, return_exceptions=True)
            await service.stop()


@asynccontextmanager
async def _signals(hurry: Callable[[], None]) -> AsyncIterator[asyncio.Event]:
    """Set the event at the first signal, and hurry at the second."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def take() -> None:
        if stop.is_set():
            hurry()
        stop.set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, take)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
