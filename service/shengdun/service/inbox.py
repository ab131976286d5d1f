"""What of a call has arrived and has not been heard yet."""

import asyncio
from collections import deque
from collections.abc import Sequence

from shengdun.service.session import Chunk


class Inbox:
    """Chunks of one call, in order, between the stream and the session.

    When it is full, ``put`` waits, the stream isn't read any further, and the client is slowed down by flow control:
    audio that is sent faster than it was spoken neither fills the memory nor is lost.

    Args:
        capacity_bytes: bytes that may wait.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
        self._closed = False
        self._error: BaseException | None = None
        self._changed = asyncio.Condition()

    async def put(self, chunk: Chunk) -> None:
        """Add a chunk; waits while the inbox is full."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._bytes < self._capacity_bytes or self._closed)
            self._chunks.append(chunk)
            self._bytes += len(chunk.data)
            self._changed.notify_all()

    async def close(self, error: BaseException | None = None) -> None:
        """State that nothing follows, and why if that is an error."""
        async with self._changed:
            self._closed = True
            self._error = error
            self._changed.notify_all()

    async def take(self) -> Sequence[Chunk]:
        """All that has arrived; waits for something. Nothing means that the call has ended.

        Raises:
            BaseException: what the inbox was closed with, after everything before it was taken.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._chunks or self._closed)
            chunks = tuple(self._chunks)
            self._chunks.clear()
            self._bytes = 0
            self._changed.notify_all()
        if not chunks and self._error:
            raise self._error
        return chunks
