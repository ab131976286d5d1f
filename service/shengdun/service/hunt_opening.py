"""Opening the hunts of a server as the settings say, and hunting for whom is enrolled."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
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


def hunt_enrolled(settings: Settings, hunts: Hunts | None, registry: Registry) -> Enrolled | None:
    """What is to be done when an actor was enrolled; None for nothing.

    Args:
        settings: say which lines' calls are hunted through.
        hunts: of this machine; None where no calls are kept.
        registry: knows the actor's watchlists.
    """
    wanted = decided(settings)
    if hunts is None or not any(wanted.values()):
        return None

    async def hunt(actor_id: str) -> None:
        for line in _lines_of(actor_id, wanted, settings, registry):
            request = HuntRequest(quarry=Quarry.ACTOR, subject=actor_id, line=line, least=LEAST_LLR)
            try:
                await hunts.start(request, started_by=current_principal().name)
            except IndexRoomError as error:
                # The actor is enrolled all the same, and can be hunted by hand.
                _log.info("enrolled actor not hunted", line=line, reason=error.message)

    return hunt


def decided(settings: Settings) -> dict[str, bool]:
    """Whether each line wants its calls to be hunted through."""
    default = settings.hunts.on_enrolment
    said = {name: line.hunts.on_enrolment for name, line in settings.lines.items()}
    return {name: default if one is None else one for name, one in said.items()}


def _lines_of(
    actor_id: str, wanted: Mapping[str, bool], settings: Settings, registry: Registry
) -> Sequence[str]:
    """The lines whose calls are hunted through for an actor; an empty name for all calls, of former lines too."""
    if all(wanted.values()):
        return ("",)
    snapshot = registry.snapshot

    def screens(name: str) -> bool:
        lists = settings.lines[name].watchlists
        return not lists or any(
            snapshot.has_watchlist(one) and actor_id in snapshot.members(one) for one in lists
        )

    return [name for name, is_wanted in wanted.items() if is_wanted and screens(name)]
