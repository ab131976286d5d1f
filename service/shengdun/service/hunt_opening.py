"""Opening the hunts of a server as the settings say, and hunting for whom is enrolled."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

import structlog

from shengdun.index.archive.archive import CallArchive
from shengdun.index.errors import IndexRoomError
from shengdun.index.hunts.hunt import HuntRequest, Quarry
from shengdun.index.hunts.hunts import Hunts
from shengdun.index.registry import Registry
from shengdun.service.access import current_principal
from shengdun.service.convert.hunts import LEAST_LLR
from shengdun.service.settings import Settings

HUNTS_DIRECTORY: Final = "hunts"
_log = structlog.get_logger(__name__)

Enrolled = Callable[[str], Awaitable[None]]
"""Told the id of an actor that was enrolled."""


async def open_hunts(
    settings: Settings,
    archive: CallArchive | None,
    registry: Registry,
    model_id: str,
    stack: AsyncExitStack,
) -> Hunts | None:
    """Open the hunts until the stack is left; None where no calls are kept."""
    if archive is None:
        return None
    return await stack.enter_async_context(
        Hunts(
            archive,
            registry,
            settings.data_dir / HUNTS_DIRECTORY,
            model_id=model_id,
            workers=settings.hunts.workers,
        )
    )


def hunt_enrolled(settings: Settings, hunts: Hunts | None) -> Enrolled | None:
    """What is to be done when an actor was enrolled; None for nothing."""
    if hunts is None or not settings.hunts.on_enrolment:
        return None

    async def hunt(actor_id: str) -> None:
        request = HuntRequest(quarry=Quarry.ACTOR, subject=actor_id, least=LEAST_LLR)
        try:
            await hunts.start(request, started_by=current_principal().name)
        except IndexRoomError as error:
            # The actor is enrolled all the same, and can be hunted by hand.
            _log.info("enrolled actor not hunted", reason=error.message)

    return hunt
