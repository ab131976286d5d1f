"""What a caller of ScreenCall sends after the configuration, on its way into the inbox of the call.

Most of what a call costs beside its voiceprints is done for every chunk of it, ten or fifty times a second, so as
little as possible is: no task, no timer and no lock is made for a chunk. After the final decision, when nobody waits
for the next one, chunks are left to gather for half a second: to receive several at once takes less than gRPC's
receiving one after the other (decision note 0024).
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from shengdun.fingerprint.voice.codecs import AudioFormat
from shengdun.service.errors import CallIdle, CallTooLong
from shengdun.service.inbox import Inbox
from shengdun.service.session import Chunk
from shengdun.service.settings import ServerSettings

Message = TypeVar("Message")
PORTION_S: Final = 2
"""Audio that a call may have listened to at once, in seconds."""
_GATHER_S: Final = 0.5
"""At most 16 KB gather, a quarter of what gRPC takes in by itself: the caller is never held up. Words among them wait
as long, once the voice is settled; whoever recognised them took longer."""
_GATHERED_EVERY_S: Final = 0.05
"""Calls that are received at the same moment share what waking up takes; all of 500 at once would hold up the loop."""
_CAME_AT_ONCE_S: Final = 0.005


class Receiver(Generic[Message]):
    """Receives the audio of one call while it is entered; what is wrong with it comes out of the inbox.

    Args:
        requests: messages of the stream, the first of them taken already.
        audio_of: the audio in a message, bytes in the call's format; raises what is wrong with it.
        audio_format: of the call.
        settings: how long a call may last and be idle, and how much of it may wait.

    Attributes:
        inbox: where the audio goes.
    """

    def __init__(
        self,
        requests: AsyncIterator[Message],
        audio_of: Callable[[Message], bytes],
        audio_format: AudioFormat,
        settings: ServerSettings,
    ) -> None:
        self._requests = requests
        self._audio_of = audio_of
        self._settings = settings
        self._bytes_per_s = audio_format.bytes_per_s
        self._loop = asyncio.get_running_loop()
        self._began_at = self._came_at = self._loop.time()
        self._final_at: float | None = None
        self._final_s = 0.0
        self.inbox = Inbox(
            round(settings.call_queue_s * self._bytes_per_s),
            portion_bytes=PORTION_S * self._bytes_per_s,
            sample_bytes=audio_format.sample_bytes,
        )

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._receive())
        self._timer = self._loop.call_later(self._settings.call_idle_s, self._check_idle)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _receive(self) -> None:
        audio_bytes = 0
        try:
            async for message in self._requests:
                data = self._audio_of(message)
                audio_bytes += len(data)
                now = self._loop.time()
                end_s = audio_bytes / self._bytes_per_s
                # Time counts too: a caller who sends a byte now and then would hold its place for ever.
                self._check_length(max(end_s, now - self._began_at))
                if self.inbox.keeps:
                    await self.inbox.put(Chunk(data=data, received_at=now, end_s=end_s))
                else:
                    await self._let_gather(now, end_s)
                self._came_at = self._loop.time()
        except Exception as error:  # noqa: BLE001 - handed to the session, which answers the call with it
            self.inbox.close(error)
        else:
            self.inbox.close()

    async def _let_gather(self, now: float, end_s: float) -> None:
        waited_s = now - self._came_at
        if self._final_at is None or waited_s > _GATHER_S:
            # From here on the call is at its own pace: nothing is there already.
            self._final_at, self._final_s = now, end_s
        # Not while more is there, nor of a call that is behind its own pace, as on a machine that is too busy.
        behind_s = now - self._final_at - (end_s - self._final_s)
        if waited_s > _CAME_AT_ONCE_S and behind_s < _GATHER_S:
            until = math.ceil((now + _GATHER_S) / _GATHERED_EVERY_S) * _GATHERED_EVERY_S
            # Until then it is we who don't look.
            self._came_at = until
            await asyncio.sleep(until - now)

    def _check_length(self, call_s: float) -> None:
        if call_s > self._settings.call_max_s:
            raise CallTooLong(
                f"the call lasts more than {self._settings.call_max_s:g} s (server.call_max_s); "
                "end the stream when the caller hangs up"
            )

    def _check_idle(self) -> None:
        # One timer a call, which is not moved when a message comes: it looks when the last one did.
        now, most_s = self._loop.time(), self._settings.call_idle_s
        if self.inbox.is_full:
            # It is we who keep the caller waiting.
            self._came_at = now
        if now - self._came_at < most_s:
            self._timer = self._loop.call_at(self._came_at + most_s, self._check_idle)
            return
        self.inbox.close(idle_error(self._settings))


def idle_error(settings: ServerSettings) -> CallIdle:
    """What a stream is ended with on which nothing came for too long."""
    return CallIdle(
        f"nothing came for {settings.call_idle_s:g} s (server.call_idle_s); send audio at the pace of "
        "the call, silence included, and end the stream when the caller hangs up"
    )
