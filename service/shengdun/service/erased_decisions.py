"""The latest decision of a call can be asked for an hour; of a call that is erased it is forgotten with the call."""

import asyncio
from collections.abc import Sequence
from typing import Final, Self

import structlog

from shengdun.index.archive.archive import CallArchive
from shengdun.index.archive.following import Listener
from shengdun.index.errors import IndexRoomError
from shengdun.service.calls import LiveCalls

_AGAIN_S: Final = 1.0
_log = structlog.get_logger(__name__)


class ErasedDecisions:
    """Forgets decisions, here and in the store, while it is entered; the archive waits for it before it says so.

    Args:
        archive: tells what is erased.
        calls: have the decisions.
    """

    def __init__(self, archive: CallArchive, calls: LiveCalls) -> None:
        self._archive = archive
        self._calls = calls
        self._erased: list[str] = []
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._archive.follow(
            Listener(
                erased=self._take,
                missed=self._calls.let_go_of_shared,
                busy=lambda: bool(self._erased),
            )
        )
        self._task = asyncio.create_task(self._forget(), name="erased-decisions")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _take(self, call_ids: Sequence[str]) -> None:
        self._erased.extend(call_ids)
        self._came.set()

    async def _forget(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            while erased := tuple(self._erased):
                try:
                    await self._calls.forget(erased)
                except IndexRoomError as error:
                    _log.warning("decisions of erased calls not forgotten", reason=error.message)
                    await asyncio.sleep(_AGAIN_S)
                else:
                    del self._erased[: len(erased)]
