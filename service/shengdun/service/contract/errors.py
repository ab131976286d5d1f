"""The one error that a client meets."""

from datetime import timedelta

import grpc

from shengdun.service.contract.watchlists import EnrollmentReport


class ClientError(Exception):
    """A request was refused or could not be made.

    Attributes:
        status: the gRPC status code.
        reason: the stable name of the kind of error, for instance ``LIKELY_DUPLICATE``; may be empty.
        message: what is wrong and what to do.
        detail: the report of a refused enrolment.
        retry_after: how long the server asks to wait before a repeat.
    """

    def __init__(
        self,
        *,
        status: grpc.StatusCode,
        reason: str = "",
        message: str,
        detail: EnrollmentReport | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(f"{status.name}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.detail = detail
        self.retry_after = retry_after
