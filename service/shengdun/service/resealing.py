"""What an older master key still protects is sealed again with the active one, after a start that finds such."""

import asyncio
from typing import Final, Self

import structlog

from shengdun.index.errors import IndexRoomError
from shengdun.index.registry import Registry

PRINCIPAL: Final = "resealing"
"""Under this name the journal has it."""
_AGAIN_S: Final = 60.0
_log = structlog.get_logger(__name__)


class Resealing:
    """Goes through actors, scripts and the allow-list once, while it is entered, one at a time beside everything else.

    Args:
        registry: of all these.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._go_through(), name="resealing")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go_through(self) -> None:
        while True:
            try:
                actors = await self._registry.reseal_actors(principal=PRINCIPAL)
                scripts = await self._registry.scripts.reseal(principal=PRINCIPAL)
                allowed = await self._registry.allowed.reseal(principal=PRINCIPAL)
            except IndexRoomError as error:
                _log.warning("not everything sealed again", reason=error.message)
                await asyncio.sleep(_AGAIN_S)
                continue
            if actors or scripts or allowed:
                _log.info(
                    "sealed again with the active key",
                    actors=actors,
                    scripts=scripts,
                    allowed=allowed,
                )
            return
