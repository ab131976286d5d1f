"""What a caller is told about an error: a gRPC status with google.rpc.Status details (AIP-193)."""

from datetime import timedelta
from typing import Final

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus

from shengdun.fingerprint.errors import ShengdunError, Status

DOMAIN: Final = "shengdun"
DETAILS_KEY: Final = "grpc-status-details-bin"
# Servers and proxies refuse trailers beyond 8 KiB in all. The message is sent as text, of which each byte beyond ASCII
# takes three, and once more in the details, which are sent in base64 (gRPC over HTTP/2, "Percent-Byte").
_LONGEST_TRAILERS = 7900
_LONGEST_TEXT = 1800


def code_of(error: ShengdunError) -> grpc.StatusCode:
    """The gRPC status code of an error."""
    return _code(error.status)


def told_of(error: ShengdunError) -> str:
    """The message of an error, cut where it would not reach the caller: it may repeat what the caller sent."""
    sent_bytes = 0
    for end, character in enumerate(error.message):
        sent_bytes += _sent_bytes(character)
        if sent_bytes > _LONGEST_TEXT:
            return f"{error.message[:end]}..."
    return error.message


def _sent_bytes(text: str) -> int:
    # Percent-encoding leaves visible ASCII but for the percent sign as it is.
    plain = sum(" " <= character <= "~" and character != "%" for character in text)
    return 3 * len(text.encode(errors="replace")) - 2 * plain


def _code(status: Status) -> grpc.StatusCode:
    return grpc.StatusCode[status.name]


def trailers_of(error: ShengdunError) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that tells a program what a person reads in the message.

    It holds an ErrorInfo with the error's ``reason``; a RetryInfo where the error has ``retry_after: timedelta``; and
    the message in ``detail`` where the error carries one.
    """
    told = told_of(error)
    status = RpcStatus(code=code_of(error).value[0], message=told)
    longest = (_LONGEST_TRAILERS - _sent_bytes(told)) * 3 // 4
    for message in _details(error):
        packed = Any()
        packed.Pack(message)
        if status.ByteSize() + packed.ByteSize() <= longest:
            status.details.append(packed)
    return ((DETAILS_KEY, status.SerializeToString()),)


def _details(error: ShengdunError) -> list[Message]:
    details: list[Message] = [ErrorInfo(reason=error.reason, domain=DOMAIN)]
    retry_after = getattr(error, "retry_after", None)
    if isinstance(retry_after, timedelta):
        retry = RetryInfo()
        retry.retry_delay.FromTimedelta(retry_after)
        details.append(retry)
    detail = getattr(error, "detail", None)
    if isinstance(detail, Message):
        details.append(detail)
    return details
