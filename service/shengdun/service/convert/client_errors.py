"""Refusals of the wire as the client's error (google.rpc.Status in the trailing metadata)."""

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from shengdun.service.contract.errors import ClientError
from shengdun.service.convert.client_watchlists import report_from_wire
from shengdun.v1 import watchlist_pb2

_DETAILS_KEY = "grpc-status-details-bin"


def error_from_wire(
    status: grpc.StatusCode, message: str, trailers: grpc.aio.Metadata | None
) -> ClientError:
    """The client's error for a refused request."""
    reason, retry_after, report = "", None, None
    for detail in _details(trailers):
        info, retry, found = ErrorInfo(), RetryInfo(), watchlist_pb2.EnrollmentReport()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta()
        elif detail.Unpack(found):
            report = report_from_wire(found)
    return ClientError(
        status=status, reason=reason, message=message, detail=report, retry_after=retry_after
    )


def _details(trailers: grpc.aio.Metadata | None) -> list[Any]:
    content = None if trailers is None else trailers.get(_DETAILS_KEY)
    if not isinstance(content, bytes):
        return []
    try:
        return list(Status.FromString(content).details)
    except DecodeError:
        # A proxy in between answered with details of its own making; the status still says enough.
        return []
