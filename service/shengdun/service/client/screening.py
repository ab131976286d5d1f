"""What a client asks of ``ScreeningService``."""

from collections.abc import Sequence
from pathlib import Path

from shengdun.service.client.calls import CallStream
from shengdun.service.client.connection import REQUEST_DEADLINE, UPLOAD_DEADLINE, Connection
from shengdun.service.client.uploads import check_readable, pieces
from shengdun.service.contract.decisions import (
    CallConfig,
    CallDecision,
    ScreenedRecording,
)
from shengdun.service.contract.servers import ServerInfo
from shengdun.service.contract.texts import ScreenedText
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
    ) -> ScreenedRecording:
        """Screen a whole recording in any common container.

        Raises:
            OSError: the file can't be read.
        """
        check_readable([Recording(content=recording)])
        wire = await self._connection.attempt(
            lambda: self._screening.ScreenRecording(
                convert.recording_to_wire(
                    pieces(recording),
                    call_id=call_id,
                    line=line,
                    customer_reference=customer_reference,
                    calling_number=calling_number,
                    watchlist_ids=watchlist_ids,
                ),
                timeout=UPLOAD_DEADLINE.total_seconds(),
                metadata=self._connection.metadata,
            ),
            repeat=True,
        )
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
