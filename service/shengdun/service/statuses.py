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
_LONGEST_MESSAGE = 2000
# Servers and proxies refuse trailers beyond 8 KiB in all; a detail that would not arrive is left out.
_LONGEST_DETAILS = 6000


def code_of(error: ShengdunError) -> grpc.StatusCode:
    """The gRPC status code of an error."""
    return _code(error.status)


def _code(status: Status) -> grpc.StatusCode:
    return grpc.StatusCode[status.name]


def trailers_of(error: ShengdunError) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that tells a program what a person reads in the message.

    It holds an ErrorInfo with the error's ``reason``; a RetryInfo where the error has ``retry_after: timedelta``; and
    the message in ``detail`` where the error carries one.
    """
    status = RpcStatus(code=code_of(error).value[0], message=error.message[:_LONGEST_MESSAGE])
    for message in _details(error):
        packed = Any()
        packed.Pack(message)
        if status.ByteSize() + packed.ByteSize() <= _LONGEST_DETAILS:
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
