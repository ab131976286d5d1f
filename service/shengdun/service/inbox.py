"""What of a call has arrived and has not been heard yet."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from shengdun.service.session import Chunk


class Inbox:
    """Chunks of one call, in order, between the stream and the session.

    When it is full, ``put`` waits, the stream isn't read any further, and the client is slowed down by flow control:
    audio that is sent faster than it was spoken neither fills the memory nor is lost. It is given out in portions, so
    that a call whose minutes come in one message does not hold up the lane that all calls share.

    Args:
        capacity_bytes: bytes that may wait.
        portion_bytes: most bytes that are taken at once, whole samples; chunks that have more are given in parts.
    """

    def __init__(self, capacity_bytes: int, *, portion_bytes: int) -> None:
        if portion_bytes <= 0:
            raise ValueError("portion_bytes must be positive")
        self._capacity_bytes = capacity_bytes
        self._portion_bytes = portion_bytes
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
        self._closed = False
        self._error: BaseException | None = None
        self._changed = asyncio.Condition()

    async def put(self, chunk: Chunk) -> None:
        """Add a chunk; waits while the inbox is full. Nothing is kept of one without audio."""
        if not chunk.data:
            return
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
        """The next portion of what has arrived; waits for something. Nothing means that the call has ended.

        Raises:
            BaseException: what the inbox was closed with, after everything before it was taken.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._chunks or self._closed)
            chunks = tuple(self._portion())
            self._changed.notify_all()
        if not chunks and self._error:
            raise self._error
        return chunks

    def _portion(self) -> Iterator[Chunk]:
        room = self._portion_bytes
        while room and self._chunks:
            chunk = self._chunks.popleft()
            part = replace(chunk, data=chunk.data[:room])
            if len(part.data) < len(chunk.data):
                self._chunks.appendleft(replace(chunk, data=chunk.data[room:]))
            room -= len(part.data)
            self._bytes -= len(part.data)
            yield part
