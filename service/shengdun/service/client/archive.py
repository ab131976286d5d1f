"""What a client asks of ``ArchiveService``."""

from collections.abc import Sequence

from shengdun.index.archive.receipts import ReceiptCheck
from shengdun.service.client.connection import REQUEST_DEADLINE, UPLOAD_DEADLINE, Connection
from shengdun.service.contract.archive import (
    ArchiveReceipt,
    CallPage,
    CallSelection,
    FinishedCall,
    ScoredCall,
)
from shengdun.service.convert import client_archive as convert
from shengdun.service.convert.client_stubs import archive_stub
from shengdun.v1 import archive_pb2 as pb


class ArchiveMethods:
    """The methods of a client that ask about finished calls; role: investigator."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._archive = archive_stub(connection.channel)

    async def list_calls(
        self, selection: CallSelection, *, page_size: int = 0, page_token: str = ""
    ) -> CallPage:
        """The finished calls that match, the latest first.

        Args:
            selection: which calls.
            page_size: at most so many; 0 for 100, and 1,000 are the most.
            page_token: of the page before; empty for the first one.
        """
        request = pb.ListCallsRequest(
            selection=convert.selection_message(selection),
            page_size=page_size,
            page_token=page_token,
        )
        wire = await self._connection.request(
            self._archive.ListCalls, request, deadline=REQUEST_DEADLINE, repeat=True
        )
        return convert.page_from_wire(wire)

    async def get_call(self, call_id: str) -> FinishedCall:
        """One finished call."""
        wire = await self._connection.request(
            self._archive.GetCall,
            pb.GetCallRequest(call_id=call_id),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.call_from_wire(wire.call)

    async def score_call(self, call_id: str, *, calibration_profile_id: str = "") -> ScoredCall:
        """Score the voice of a finished call again.

        Args:
            call_id: the call.
            calibration_profile_id: the profile to score with; empty for the one that decided the call.
        """
        wire = await self._connection.request(
            self._archive.ScoreCall,
            pb.ScoreCallRequest(call_id=call_id, calibration_profile_id=calibration_profile_id),
            deadline=UPLOAD_DEADLINE,
            repeat=True,
        )
        return convert.scored_from_wire(wire)

    async def verify_erasure(self, receipt: str) -> ReceiptCheck:
        """Look on the server's machine and in its store for what a receipt says is gone.

        Args:
            receipt: as JSON: of finished calls, of an actor, or of a script.
        """
        wire = await self._connection.request(
            self._archive.VerifyErasure,
            pb.VerifyErasureRequest(receipt=receipt),
            deadline=REQUEST_DEADLINE,
            repeat=True,
        )
        return convert.check_from_wire(wire)

    async def erase_calls(
        self, which: CallSelection | Sequence[str], *, reason: str
    ) -> ArchiveReceipt:
        """Erase finished calls for good. This can't be undone.

        Args:
            which: a selection that leaves something out, or call ids, which must all be there.
            reason: for the receipt; free of personal data.
        """
        request = pb.EraseCallsRequest(reason=reason)
        if isinstance(which, CallSelection):
            request.selection.CopyFrom(convert.selection_message(which))
        else:
            request.call_ids.extend(which)
        wire = await self._connection.request(
            self._archive.EraseCalls, request, deadline=REQUEST_DEADLINE, repeat=False
        )
        return convert.receipt_from_wire(wire)
