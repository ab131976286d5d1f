"""Compaction after erasures, in the background: the bytes of erased records leave the store's files."""

import asyncio
from contextlib import suppress
from typing import Final

from shengdun.index.errors import IndexRoomError, StoreRefused
from shengdun.index.store import Store

_RETRY_S: Final = 1.0


class Compactor:
    """Compacts the store when asked to; requests that come meanwhile are served by one more run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._worker: asyncio.Task[None] | None = None

    def request(self) -> None:
        """Have the store compacted soon."""
        self._idle.clear()
        self._wanted.set()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())

    async def finished(self) -> None:
        """Wait until all that was requested is done."""
        if self._worker is None:
            return
        idle = asyncio.create_task(self._idle.wait())
        await asyncio.wait({idle, self._worker}, return_when=asyncio.FIRST_COMPLETED)
        if not idle.done():
            idle.cancel()
            await self._worker  # ended by a defect, which belongs to whoever waits

    async def close(self) -> None:
        """Stop; idempotent. What was not done is requested again when the registry is opened."""
        if self._worker is not None:
            self._worker.cancel()
            with suppress(asyncio.CancelledError):
                await self._worker
            self._worker = None

    async def _work(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._store.compact()
            except StoreRefused:
                pass  # a managed server compacts by itself, and what it still has can't be read without the actor's key
            except IndexRoomError:
                self._wanted.set()
                await asyncio.sleep(_RETRY_S)
            if not self._wanted.is_set():
                self._idle.set()
