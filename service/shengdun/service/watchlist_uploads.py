"""The stream of an enrolment: the configuration first, then for every recording its name and its bytes."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from shengdun.enrollment.assessed import NamedRecording
from shengdun.service.convert.watchlist_requests import recording_name
from shengdun.service.errors import CallIdle, MessageTooLarge, ProtocolViolation
from shengdun.v1 import allow_pb2, hunt_pb2, watchlist_pb2

Message = TypeVar(
    "Message",
    watchlist_pb2.EnrollActorRequest,
    watchlist_pb2.AddVoiceprintsRequest,
    hunt_pb2.StartHuntRequest,
    allow_pb2.AddAllowedRequest,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """How much one enrolment may send.

    Attributes:
        message_bytes: in one message.
        recording_bytes: in one recording.
        total_bytes: in all recordings.
        idle_s: longest wait for the next message, in seconds.
    """

    message_bytes: int = 1 << 20
    recording_bytes: int = 64 << 20
    total_bytes: int = 256 << 20
    idle_s: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.message_bytes <= self.recording_bytes <= self.total_bytes:
            raise ValueError("the limits must be positive and ascending")
        if self.idle_s <= 0:
            raise ValueError("idle_s must be positive")


class Upload(Generic[Message]):
    """Reads one such stream. Holds one recording at a time: the next is not read before the last has been taken.

    Args:
        messages: the stream.
        limits: how much it may carry.
    """

    def __init__(self, messages: AsyncIterator[Message], limits: UploadLimits) -> None:
        self._messages: AsyncIterator[Message] = messages
        self._limits = limits
        self._total_bytes = 0

    async def first(self) -> Message:
        """The first message, which carries the configuration.

        Raises:
            ProtocolViolation: it doesn't, or there is none.
            CallIdle: it did not come.
        """
        message = await self._next()
        if message is None:
            raise ProtocolViolation(
                "the stream ended before its configuration; send the configuration first"
            )
        if message.WhichOneof("message") != "config":
            raise ProtocolViolation(
                "the first message must be the configuration; send it before any recording or data"
            )
        return message

    async def recordings(self) -> AsyncGenerator[NamedRecording]:
        """The recordings that follow.

        Raises:
            ProtocolViolation: the messages are in the wrong order.
            MessageTooLarge: a message, a recording or all of them are over the limit.
            InvalidRequest: the name of a recording is malformed.
            CallIdle: the next message did not come.
        """
        name: str | None = None
        content = bytearray()
        while (message := await self._next()) is not None:
            if message.WhichOneof("message") == "recording":
                if name is not None:
                    yield NamedRecording(name=name, content=bytes(content))
                name, content = recording_name(message.recording), bytearray()
            elif name is None:
                raise _out_of_place(message, "data came before a recording; send its name first")
            else:
                content += self._data(message, len(content))
        if name is not None:
            yield NamedRecording(name=name, content=bytes(content))

    def _data(self, message: Message, held_bytes: int) -> bytes:
        if message.WhichOneof("message") != "data":
            raise _out_of_place(message, "an empty message came; send a recording or data")
        data, limits = message.data, self._limits
        if len(data) > limits.message_bytes:
            raise MessageTooLarge(
                f"a message carries at most {limits.message_bytes >> 10} KiB of data; send smaller pieces"
            )
        if held_bytes + len(data) > limits.recording_bytes:
            raise MessageTooLarge(
                f"a recording has at most {limits.recording_bytes >> 20} MiB; send a part of it, or compress it"
            )
        self._total_bytes += len(data)
        if self._total_bytes > limits.total_bytes:
            raise MessageTooLarge(
                f"the recordings of one enrolment have at most {limits.total_bytes >> 20} MiB; send the best ones"
            )
        return data

    async def _next(self) -> Message | None:
        try:
            async with asyncio.timeout(self._limits.idle_s):
                return await anext(self._messages, None)
        except TimeoutError:
            raise CallIdle(
                f"nothing came for {self._limits.idle_s:g} s; send the recordings without a break and end the stream"
            ) from None


def _out_of_place(message: Message, otherwise: str) -> ProtocolViolation:
    if message.WhichOneof("message") == "config":
        return ProtocolViolation(
            "a second configuration came; a stream carries one enrolment, open another for the next"
        )
    return ProtocolViolation(otherwise)
