"""The root of the error tree, and the leaves of the fingerprint room.

::

    ShengdunError
    ├── fingerprint.errors    audio, recordings, models, texts
    ├── index.errors          watchlists, actors, the store, keys, calibration profiles
    ├── enrollment.errors     recordings unfit for enrolment, manifests
    └── service.errors        calls, lines, access, settings

Every leaf knows the gRPC status it becomes and carries a ``reason`` that a program can switch on; both are part of
the public contract. The message is written for the person who reads it: what is wrong, then what to do. Anything that
is not a ``ShengdunError`` is a defect and reaches a caller only as INTERNAL with an incident id.
"""

from enum import Enum
from typing import ClassVar


class Status(Enum):
    """The gRPC status codes that Shengdun answers with, by their standard names."""

    INVALID_ARGUMENT = "invalid_argument"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    PERMISSION_DENIED = "permission_denied"
    UNAUTHENTICATED = "unauthenticated"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    FAILED_PRECONDITION = "failed_precondition"
    ABORTED = "aborted"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UNAVAILABLE = "unavailable"
    DATA_LOSS = "data_loss"
    INTERNAL = "internal"


class ShengdunError(Exception):
    """An error that a caller can act on.

    Attributes:
        status: the gRPC status code of this kind of error.
        reason: a stable UPPER_SNAKE_CASE name of this kind of error.
        message: what is wrong and what to do; free of personal data and internals.
    """

    status: ClassVar[Status] = Status.INTERNAL
    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
