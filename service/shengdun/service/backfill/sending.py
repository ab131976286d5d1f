"""One call of a backfill to a server: sent until it is in the archive, or refused for good.

A server that is overloaded says when to try again, and is obeyed for as long as it answers; one that can't be reached
is tried for so long. What a second attempt can change nothing of is the call's result, or ends the run.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc

from shengdun.enrollment.call_lists import ListedCall
from shengdun.fingerprint.errors import ShengdunError
from shengdun.service.backfill.results import CallOutcome, CallResult
from shengdun.service.client import (
    ClientError,
    ScreenedRecording,
    ShengdunClient,
    TranscriptSegment,
)
from shengdun.service.contract.servers import MAX_RECORDING_BYTES
from shengdun.service.errors import BackfillImpossible
from shengdun.service.transcript_files import read_transcript

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 15.0
_AGAIN: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    }
)
_PERHAPS: Final = frozenset(
    {grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN}
)
"""A server that dies says such things, and so does one that has a defect which this recording meets."""
_PERHAPS_TIMES: Final = 5
_ENDS: Final = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_NOT_A_CALL: Final = "rec-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A server, and what is shown to it.

    Attributes:
        address: host and port; on a cluster, as each node sees it.
        token: access token.
        ca_certificate: PEM file; turns TLS on.
        client_certificate: PEM file.
        client_key: PEM file.
        patience_s: for how long a server is tried that can't be reached.
        even_if_erased: whether calls are to be archived though they were erased.
    """

    address: str
    token: str | None = field(default=None, repr=False)
    ca_certificate: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    patience_s: float
    even_if_erased: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """As ``ShengdunClient.connect`` takes them beside the address."""
        return {
            "token": self.token,
            "ca_certificate": self.ca_certificate,
            "client_certificate": self.client_certificate,
            "client_key": self.client_key,
            # Of a server of several processes each connection reaches one.
            "own_connection": True,
        }


async def send(
    client: ShengdunClient, call: ListedCall, *, patience_s: float, even_if_erased: bool = False
) -> CallResult:
    """Have a call archived; gives what became of it.

    Args:
        client: where to.
        call: the call.
        patience_s: for how long a server is tried that can't be reached.
        even_if_erased: whether it is to be archived though it was erased.

    Raises:
        BackfillImpossible: no other call will do better: the server can't be reached, or doesn't take any.
    """
    try:
        content = await asyncio.to_thread(_content, call)
        words = await asyncio.to_thread(_words, call)
    except OSError as error:
        return _result(
            call, CallOutcome.FAILED, "UNREADABLE_FILE", f"{call.name}: {error.strerror}"
        )
    except ShengdunError as error:
        return _result(call, CallOutcome.FAILED, "UNREADABLE_TRANSCRIPT", error.message)
    if content is None:
        most = f"{MAX_RECORDING_BYTES >> 20} MiB"
        message = f"{call.name} has more than {most}; compress it, or split it."
        return _result(call, CallOutcome.REFUSED, "MESSAGE_TOO_LARGE", message)
    call_id = call.call_id or id_of(content)
    waiting = _Waiting(patience_s)
    while True:
        try:
            screened = await _screen(
                client, call, call_id, content, words, even_if_erased=even_if_erased
            )
            return _archived(call, call_id, screened)
        except ClientError as error:
            if not waiting.may_do_better(error):
                return _refused(call, call_id, error)
            pause_s = waiting.pause_s(error)
        await asyncio.sleep(pause_s)


def id_of(content: bytes) -> str:
    """The id of a call that has none: the same for the same recording, whatever the file is called."""
    return _NOT_A_CALL + hashlib.sha256(content).hexdigest()[:40]


class _Waiting:
    """How long is waited for a server, after each of its answers about one call."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._since_s = time.monotonic()
        self._next_s = _FIRST_PAUSE_S
        self._left = _PERHAPS_TIMES

    def may_do_better(self, error: ClientError) -> bool:
        """Whether another attempt may end otherwise."""
        if error.status in _PERHAPS:
            self._left -= 1
            return self._left > 0
        return error.status in _AGAIN or error.reason == "CALL_ALREADY_LIVE"

    def pause_s(self, error: ClientError) -> float:
        """How long until the next attempt, in seconds.

        Raises:
            BackfillImpossible: it was long enough.
        """
        if error.reason == "OVERLOADED":
            self._since_s, self._next_s = time.monotonic(), _FIRST_PAUSE_S
        elif time.monotonic() - self._since_s > self._patience_s:
            raise BackfillImpossible(
                f"{error.message}; nothing is lost: run the same command again when that is mended"
            )
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, _LONGEST_PAUSE_S)
        asked_s = error.retry_after.total_seconds() if error.retry_after else 0.0
        return max(asked_s, pause_s)


async def send_to(client: ShengdunClient, call: ListedCall, destination: Destination) -> CallResult:
    """``send`` as a destination asks for it."""
    return await send(
        client,
        call,
        patience_s=destination.patience_s,
        even_if_erased=destination.even_if_erased,
    )


async def _screen(
    client: ShengdunClient,
    call: ListedCall,
    call_id: str,
    content: bytes,
    words: Sequence[TranscriptSegment],
    *,
    even_if_erased: bool,
) -> ScreenedRecording:
    screened = await client.screen_recording(
        content,
        call_id=call_id,
        line=call.line,
        customer_reference=call.customer,
        calling_number=call.number,
        started_at=call.started_at,
        channel=call.channel,
        even_if_erased=even_if_erased,
        words=words,
    )
    if not screened.archived:
        raise BackfillImpossible(
            "the server is of an earlier version, and archives recordings as calls of today; update it, and erase "
            f"call {call_id}"
        )
    return screened


def _content(call: ListedCall) -> bytes | None:
    if call.path.stat().st_size > MAX_RECORDING_BYTES:
        return None
    return call.path.read_bytes()


def _words(call: ListedCall) -> tuple[TranscriptSegment, ...]:
    return () if call.transcript is None else read_transcript(call.transcript)


def _archived(call: ListedCall, call_id: str, screened: ScreenedRecording) -> CallResult:
    decision = screened.decision
    return CallResult(
        row=call.row,
        path=call.name,
        outcome=CallOutcome.ARCHIVED,
        call_id=call_id,
        started_at=call.started_at.isoformat(),
        level="" if decision.level is None else decision.level.value,
        probability=decision.probability,
        flags="; ".join(flag.type.value for flag in decision.flags),
        net_speech_s=round(decision.net_speech.total_seconds(), 2),
        duration_s=None if screened.duration is None else screened.duration.total_seconds(),
    )


def _refused(call: ListedCall, call_id: str, error: ClientError) -> CallResult:
    if error.reason == "CALL_ARCHIVED":
        return _result(call, CallOutcome.KNOWN, call_id=call_id)
    if error.status in _ENDS or error.reason == "ARCHIVE_OFF":
        raise BackfillImpossible(error.message) from None
    reason = error.reason or error.status.name
    return _result(call, CallOutcome.REFUSED, reason, error.message, call_id=call_id)


def _result(
    call: ListedCall,
    outcome: CallOutcome,
    reason: str = "",
    message: str = "",
    *,
    call_id: str = "",
) -> CallResult:
    return CallResult(
        row=call.row,
        path=call.name,
        outcome=outcome,
        call_id=call_id or call.call_id,
        started_at=call.started_at.isoformat(),
        reason=reason,
        message=message,
    )
