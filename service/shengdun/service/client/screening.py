"""What a client asks of ``ScreeningService``."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import grpc

from shengdun.service.client.calls import CallStream
from shengdun.service.client.connection import (
    PAST_CALL_DEADLINE,
    REQUEST_DEADLINE,
    UPLOAD_DEADLINE,
    Connection,
)
from shengdun.service.client.uploads import check_readable, pieces
from shengdun.service.contract.decisions import (
    CallConfig,
    CallDecision,
    ScreenedRecording,
)
from shengdun.service.contract.servers import TAKEN, ServerInfo
from shengdun.service.contract.texts import ScreenedText
from shengdun.service.contract.transcripts import TranscriptSegment
from shengdun.service.contract.watchlists import Recording
from shengdun.service.convert import client_decisions as convert
from shengdun.service.convert.client_scripts import screen_text_request
from shengdun.service.convert.client_stubs import screening_stub


class ScreeningMethods:
    """The methods of a client that screen; role: telephony."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._screening = screening_stub(connection.channel)

    async def server_info(self) -> ServerInfo:
        """What the server is and which lines it serves."""
        return convert.server_info_from_wire(
            await self._connection.request(
                self._screening.GetServerInfo,
                convert.server_info_request(),
                deadline=REQUEST_DEADLINE,
                repeat=True,
            )
        )

    def screen_call(self, config: CallConfig) -> CallStream:
        """Screen a call while it runs; use the result with ``async with``."""
        return CallStream(self._connection, self._screening.ScreenCall, config)

    async def get_decision(self, call_id: str) -> CallDecision:
        """The decision of a call as it stands, for a process that doesn't hold its media stream."""
        wire = await self._connection.request(
            self._screening.GetDecision,
            convert.decision_request(call_id),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.call_decision_from_wire(wire)

    async def screen_recording(
        self,
        recording: Path | bytes,
        *,
        call_id: str = "",
        line: str = "",
        customer_reference: str = "",
        calling_number: str = "",
        watchlist_ids: Sequence[str] = (),
        started_at: datetime | None = None,
        channel: int = 0,
        even_if_erased: bool = False,
        words: Sequence[TranscriptSegment] = (),
    ) -> ScreenedRecording:
        """Screen a whole recording in any common container.

        Args:
            recording: the file, or its content.
            call_id: an id for the decision; a call of the past has its own.
            line: line of business; empty is the default line.
            customer_reference: whom the call is about.
            calling_number: from where it came.
            watchlist_ids: watchlists to screen; none means the line's.
            started_at: when a call of the past started, with a time zone: it is in the archive when this returns. What
                it is sent for a second time is refused with CALL_ARCHIVED.
            channel: which one is the caller's, from 1; 0 mixes all of them.
            even_if_erased: archive a call of the past though it was erased, or all calls of its customer or number
                were; takes the role investigator too. Otherwise it is refused with CALL_ERASED.
            words: what a speech recogniser heard in it. A server of an earlier version refuses them.

        Raises:
            OSError: the file can't be read.
        """
        check_readable([Recording(content=recording)])

        async def send() -> Any:  # noqa: ANN401 - the wire's own
            taken = asyncio.get_running_loop().create_future()
            is_past = started_at is not None
            rpc = self._screening.ScreenRecording(
                convert.recording_to_wire(
                    _parts(recording, words, taken if is_past else None),
                    call_id=call_id,
                    line=line,
                    customer_reference=customer_reference,
                    calling_number=calling_number,
                    watchlist_ids=watchlist_ids,
                    started_at=started_at,
                    channel=channel,
                    even_if_erased=even_if_erased,
                ),
                timeout=(PAST_CALL_DEADLINE if is_past else UPLOAD_DEADLINE).total_seconds(),
                metadata=self._connection.metadata,
            )
            asking = asyncio.create_task(_ask(rpc, taken))
            try:
                return await rpc
            finally:
                asking.cancel()
                if not taken.done():
                    taken.set_result(False)

        wire = await self._connection.attempt(send, repeat=True)
        return convert.recording_from_wire(wire)

    async def screen_text(
        self, text: str, *, line: str = "", customer_reference: str = ""
    ) -> ScreenedText:
        """Screen a letter, a work order or a chat against the known scripts."""
        wire = await self._connection.request(
            self._screening.ScreenText,
            screen_text_request(text, line=line, customer_reference=customer_reference),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.screened_text_from_wire(wire)


async def _ask(rpc: Any, taken: "asyncio.Future[bool]") -> None:  # noqa: ANN401 - as gRPC has it
    """Find out whether the server takes a call of the past."""
    with suppress(grpc.aio.AioRpcError):
        metadata = tuple(await rpc.initial_metadata())
        if not taken.done():
            taken.set_result(all(pair in metadata for pair in TAKEN))


async def _parts(
    recording: Path | bytes,
    words: Sequence[TranscriptSegment],
    taken: "asyncio.Future[bool] | None",
) -> AsyncIterator[bytes | TranscriptSegment]:
    """Words and bytes of a recording; nothing unless the server has taken what has to be taken first."""
    # A refusal that meets a client in the middle of sending is lost in gRPC for Python.
    if taken is None or await taken:
        for segment in words:
            yield segment
        async for piece in pieces(recording):
            yield piece
