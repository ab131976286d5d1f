"""The connection of a client: its channel, deadlines, bounded repeats and the translation of refusals."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from shengdun.service.client.unreachable import Attempt, explain
from shengdun.service.contract.errors import ClientError
from shengdun.service.convert.client_errors import error_from_wire

Answer = TypeVar("Answer")

ATTEMPTS: Final = 3
"""How often a request that may be repeated is made."""
REQUEST_DEADLINE: Final = timedelta(seconds=15)
"""How long a request without recordings may take."""
UPLOAD_DEADLINE: Final = timedelta(minutes=10)
"""How long a request with recordings may take: half an hour of audio over a slow line."""
PAST_CALL_DEADLINE: Final = timedelta(hours=2)
"""How long a call of the past may take: behind live calls."""
_FIRST_PAUSE_S: Final = 0.2
_ANSWER_LOST: Final = "Internal error from Core"
"""What gRPC says on the client's side when a server answers while the client still sends, and that is lost."""
_OPTIONS: Final = (
    # A call can be silent for long; without these a dead path is noticed only by TCP, after minutes.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client shows to a server; PEM files.

    Attributes:
        token: the bearer token.
        ca_certificate: authority that signed the server's certificate; with none the connection has no TLS.
        client_certificate: the client's own certificate chain, for servers that ask for one.
        client_key: its private key.
    """

    token: str | None = None
    ca_certificate: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None

    def __post_init__(self) -> None:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("a client certificate and its key are given together")
        if self.client_certificate is not None and self.ca_certificate is None:
            raise ValueError("a client certificate needs the authority of the server as well")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers that carry the token."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)


def open_channel(
    address: str, credentials: Credentials, *, own_connection: bool = False
) -> grpc.aio.Channel:
    """Open a channel; nothing is sent before the first request.

    Args:
        address: host and port.
        credentials: what is shown to the server.
        own_connection: share no connection with other channels to the same address.

    Raises:
        OSError: a certificate file can't be read.
    """
    options = (*_OPTIONS, ("grpc.use_local_subchannel_pool", int(own_connection)))
    if credentials.ca_certificate is None:
        return grpc.aio.insecure_channel(address, options=options)
    pem = [
        None if file is None else file.read_bytes()
        for file in (
            credentials.ca_certificate,
            credentials.client_key,
            credentials.client_certificate,
        )
    ]
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(*pem), options=options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A channel with what every request needs.

    Attributes:
        channel: the channel.
        address: where it leads, for messages.
        credentials: what the channel was opened with.
    """

    channel: grpc.aio.Channel
    address: str
    credentials: Credentials

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The headers of every request."""
        return self.credentials.metadata

    async def request(
        self,
        make: Callable[..., Awaitable[Answer]],
        message: Message,
        *,
        deadline: timedelta,
        repeat: bool,
    ) -> Answer:
        """Make a request with one message; see ``attempt``."""
        return await self.attempt(
            lambda: make(message, timeout=deadline.total_seconds(), metadata=self.metadata),
            repeat=repeat,
        )

    async def attempt(self, start: Callable[[], Awaitable[Answer]], *, repeat: bool) -> Answer:
        """Make a request, and repeat it when the server or its answer can't be reached and a repeat is harmless.

        Args:
            start: starts the request anew.
            repeat: whether doing it twice is the same as doing it once.

        Raises:
            ClientError: it was refused, or no server answered.
        """
        pause_s = _FIRST_PAUSE_S
        for left in reversed(range(ATTEMPTS if repeat else 1)):
            try:
                return await start()
            except grpc.aio.AioRpcError as error:
                if not left or not _may_do_better(error):
                    raise self.translate(error) from None
            await asyncio.sleep(pause_s)
            pause_s *= 3
        raise AssertionError("unreachable: the last attempt answers or raises")

    def translate(self, error: grpc.aio.AioRpcError) -> ClientError:
        """The client's error for a refusal."""
        return self.refusal(error.code(), error.details() or "", error.trailing_metadata())

    def refusal(
        self, status: grpc.StatusCode, message: str, trailers: grpc.aio.Metadata | None
    ) -> ClientError:
        """The client's error for a status, in words that say what to do where the server gave none."""
        error = error_from_wire(status, message, trailers)
        if error.reason:
            return error
        if status is grpc.StatusCode.UNAVAILABLE:
            message = explain(self._attempted(), message)
        elif status is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"the server at {self.address} did not answer in time"
        return ClientError(
            status=status, message=message, detail=error.detail, retry_after=error.retry_after
        )

    def _attempted(self) -> Attempt:
        return Attempt(
            address=self.address,
            uses_tls=self.credentials.ca_certificate is not None,
            shows_certificate=self.credentials.client_certificate is not None,
        )


def _may_do_better(error: grpc.aio.AioRpcError) -> bool:
    lost = error.code() is grpc.StatusCode.INTERNAL and error.details() == _ANSWER_LOST
    return lost or error.code() is grpc.StatusCode.UNAVAILABLE
