"""What of a call has arrived and has not been heard yet."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from shengdun.service.session import Chunk


class Inbox:
    """Chunks of one call, in order, from the one task that receives them to the one that has them heard.

    When it is full, ``put`` waits, the stream isn't read any further, and the client is slowed down by flow control:
    audio that is sent faster than it was spoken neither fills the memory nor is lost. It is given out in portions, so
    that a call whose minutes come in one message does not hold up the lane that all calls share.

    Whoever takes may wait for as much as is of use: to wake a call up for each of its chunks, only to find that nothing
    can come of it yet, takes as much as receiving them.

    Args:
        capacity_bytes: bytes that may wait.
        portion_bytes: most bytes that are taken at once, whole samples; chunks that have more are given in parts.
        sample_bytes: bytes of a sample. A chunk that ends inside one is waited with for no others.
    """

    def __init__(self, capacity_bytes: int, *, portion_bytes: int, sample_bytes: int = 1) -> None:
        if portion_bytes <= 0:
            raise ValueError("portion_bytes must be positive")
        self._capacity_bytes = capacity_bytes
        self._sample_bytes = sample_bytes
        self._least_bytes: float = 0
        self._portion_bytes = portion_bytes
        self._chunks: deque[Chunk] = deque()
        self._bytes = 0
        self._closed = False
        self._keeps = True
        self._rung = False
        self._has_odd = False
        self._error: BaseException | None = None
        # Futures and not a condition: they are made when somebody waits, and not for every chunk.
        self._sender: asyncio.Future[None] | None = None
        self._taker: asyncio.Future[None] | None = None

    @property
    def keeps(self) -> bool:
        """Whether what is put is kept."""
        return self._keeps

    @property
    def is_full(self) -> bool:
        """Whether ``put`` would wait."""
        return self._bytes >= self._capacity_bytes and not self._closed

    async def put(self, chunk: Chunk) -> None:
        """Add a chunk; waits while the inbox is full. Nothing is kept of one without audio, or after the end."""
        while self.is_full:
            self._sender = asyncio.get_running_loop().create_future()
            await self._sender
        if chunk.data and self._keeps and not self._closed:
            self._chunks.append(chunk)
            self._bytes += len(chunk.data)
            self._has_odd = self._has_odd or len(chunk.data) % self._sample_bytes != 0
            if self._has_enough:
                _wake(self._taker)

    def close(self, error: BaseException | None = None) -> None:
        """State that nothing follows, and why if that is an error; only the first time counts."""
        if not self._closed:
            self._closed = True
            self._error = error
            _wake(self._sender)
            _wake(self._taker)

    def keep_nothing(self) -> None:
        """Let go of what is there and of all that follows, of which ``take`` then gives the end alone."""
        self._keeps = False
        self._chunks.clear()
        self._bytes = 0
        _wake(self._sender)

    def ring(self, _: object = None) -> None:
        """Have whoever takes look up, now or the next time, as something other than audio has come."""
        self._rung = True
        _wake(self._taker)

    async def wait(self, least_bytes: float = 0) -> bool:
        """Wait for something to take, or for a ring; gives whether it is something to take.

        Args:
            least_bytes: how much is worth taking. Less is if it is all there will be, or fills the inbox.
        """
        self._least_bytes = least_bytes
        while not (self._has_enough or self._rung):
            self._taker = asyncio.get_running_loop().create_future()
            await self._taker
        self._rung = False
        return self._has_enough

    async def take(self) -> Sequence[Chunk]:
        """The next portion of what has arrived; waits for something. Nothing means that the call has ended.

        Raises:
            BaseException: what the inbox was closed with, after everything before it was taken.
        """
        while not await self.wait():
            pass
        chunks = tuple(self._portion())
        self._has_odd = self._has_odd and bool(self._chunks)
        if not self.is_full:
            _wake(self._sender)
        if not chunks and self._error:
            raise self._error
        return chunks

    @property
    def _has_enough(self) -> bool:
        enough = self._bytes >= self._least_bytes or self._has_odd or self.is_full
        return self._closed or (enough and bool(self._chunks))

    def _portion(self) -> Iterator[Chunk]:
        room = self._portion_bytes
        while room and self._chunks:
            chunk = self._chunks.popleft()
            part = chunk
            if len(chunk.data) > room:
                part = replace(chunk, data=chunk.data[:room])
                self._chunks.appendleft(replace(chunk, data=chunk.data[room:]))
            room -= len(part.data)
            self._bytes -= len(part.data)
            yield part


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
