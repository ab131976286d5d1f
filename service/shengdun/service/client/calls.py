"""A live call as a client holds it: audio and words go in, decisions come out."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self

import grpc
import grpc.aio

from shengdun.service.client.connection import Connection
from shengdun.service.contract.decisions import CallConfig, Decision
from shengdun.service.contract.transcripts import TranscriptSegment
from shengdun.service.convert.client_decisions import (
    audio_to_wire,
    config_to_wire,
    decision_from_wire,
    segment_to_wire,
)

HANG_UP_WAIT: Final = timedelta(seconds=30)
"""How long leaving a call waits for its last decision."""


class CallStream:
    """One call that is being screened.

    Send audio, words, or both, and iterate over the decisions, from one task or from two. Leaving the block hangs up
    and waits for the last decision; leaving it by an exception abandons the call.

    Attributes:
        config: what the call is.
        decision: the latest decision that was read; None before the first.
    """

    def __init__(self, connection: Connection, stub_method: Any, config: CallConfig) -> None:  # noqa: ANN401
        self.config = config
        self.decision: Decision | None = None
        self._connection = connection
        self._start = stub_method
        self._rpc: Any = None
        self._first: Decision | None = None
        self._finished = False

    async def __aenter__(self) -> Self:
        self._rpc = self._start(metadata=self._connection.metadata)
        await self._write(config_to_wire(self.config))
        # A refusal is waited for before any audio is sent: gRPC for Python reports a write to a call that was just
        # refused as an internal error and drops the status that says why.
        self._first = await self._read()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                await self.finish()
                await self._await_end()
        finally:
            self._rpc.cancel()

    async def send(self, audio: bytes) -> None:
        """Send a chunk of the caller's audio, at most 1 MiB.

        Raises:
            ClientError: the server ended the call; the error says why.
            RuntimeError: the call was finished before.
        """
        await self._send(audio_to_wire(audio))

    async def send_words(self, segment: TranscriptSegment) -> None:
        """Send words that a speech recogniser heard in the call, partial or final, as they come.

        Raises:
            ClientError: the server ended the call; the error says why.
            RuntimeError: the call was finished before.
        """
        await self._send(segment_to_wire(segment))

    async def finish(self) -> None:
        """Say that the call is over; decisions may still follow. Doing it again does nothing."""
        if not self._finished:
            self._finished = True
            await self._rpc.done_writing()

    def __aiter__(self) -> AsyncIterator[Decision]:
        return self

    async def __anext__(self) -> Decision:
        decision = self._first or await self._read()
        self._first = None
        if decision is None:
            raise StopAsyncIteration
        return decision

    async def _send(self, message: object) -> None:
        if self._finished:
            raise RuntimeError("the call is finished; nothing more can be sent")
        await self._write(message)

    async def _read(self) -> Decision | None:
        try:
            answer = await self._rpc.read()
        except grpc.aio.AioRpcError as error:
            raise self._connection.translate(error) from None
        if answer is grpc.aio.EOF:
            await self._raise_refusal()
            return None
        self.decision = decision_from_wire(answer.decision)
        return self.decision

    async def _await_end(self) -> None:
        try:
            async with asyncio.timeout(HANG_UP_WAIT.total_seconds()):
                async for _ in self:
                    pass
        except TimeoutError:
            late = grpc.StatusCode.DEADLINE_EXCEEDED
            raise self._connection.refusal(late, "", None) from None

    async def _write(self, message: object) -> None:
        try:
            await self._rpc.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            # Either says only that the call is over; its status says why.
            await self._raise_refusal()

    async def _raise_refusal(self) -> None:
        status = await self._rpc.code()
        if status is not grpc.StatusCode.OK:
            raise self._connection.refusal(
                status, await self._rpc.details() or "", await self._rpc.trailing_metadata()
            )
