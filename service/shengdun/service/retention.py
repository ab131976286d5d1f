"""What is kept no longer than it may be: what has expired is erased some time afterwards."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Self

import structlog

from shengdun.index.errors import ActorNotFound, IndexRoomError, ScriptNotFound
from shengdun.index.registry import Registry
from shengdun.index.voices.errors import AllowEntryNotFound
from shengdun.index.watchlists import ErasureReceipt

PRINCIPAL: Final = "retention"
"""Under this name the journal has what is erased by itself."""
_REASON: Final = "expired"
_EVERY_S: Final = 3600.0
_log = structlog.get_logger(__name__)


class Retention:
    """Erases by itself, once at its start and then every hour, while it is entered.

    Every process of every machine does it; whatever another has erased first is gone.

    Args:
        registry: of the actors, the scripts and the allow-list.
        keep: how long after its expiry each is kept.
    """

    def __init__(self, registry: Registry, keep: timedelta) -> None:
        self._registry = registry
        self._keep = keep
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._go_on(), name="retention")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self, now: datetime) -> int:
        """Erase what had expired ``keep`` before ``now``; gives how many records that were.

        Raises:
            IndexRoomError: the store can't be changed; what is left is erased the next time.
        """
        actors, scripts = self._registry.snapshot.expired(now - self._keep)
        erased = [await _erased(self._registry.erase_actor, name) for name in actors]
        erased += [await _erased(self._registry.scripts.erase, name) for name in scripts]
        ended = self._registry.allowed.ended(now - self._keep)
        erased += [await _erased(self._registry.allowed.remove, name) for name in ended]
        if any(erased):
            _log.info("expired records erased", records=sum(erased))
        return sum(erased)

    async def _go_on(self) -> None:
        while True:
            try:
                await self.sweep(datetime.now(UTC))
            except IndexRoomError as error:
                _log.warning("expired records not erased", reason=error.message)
            await asyncio.sleep(_EVERY_S)


async def _erased(erase: Callable[..., Awaitable[ErasureReceipt | None]], record_id: str) -> bool:
    try:
        await erase(record_id, reason=_REASON, principal=PRINCIPAL)
    except (ActorNotFound, ScriptNotFound, AllowEntryNotFound):
        return False
    return True
