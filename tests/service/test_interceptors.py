"""Authentication, authorisation and the translation of errors, on real servers."""

import asyncio
import io
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status as RpcStatus

import shengdun.enrollment.errors
import shengdun.fingerprint.voice.errors
import shengdun.index.errors
import shengdun.service.errors
from shengdun.fingerprint.errors import ShengdunError, Status
from shengdun.service.access import Principal, Role, TokenFile, current_principal
from shengdun.service.errors import InvalidRequest, Overloaded
from shengdun.service.interceptors import AccessInterceptor, AnsweringInterceptor
from shengdun.service.settings import LogSettings
from shengdun.service.statuses import DETAILS_KEY
from shengdun.service.telemetry import configure_logging
from shengdun.v1 import screening_pb2, screening_pb2_grpc, watchlist_pb2, watchlist_pb2_grpc

ROOMS = (
    shengdun.fingerprint.voice.errors,
    shengdun.index.errors,
    shengdun.enrollment.errors,
    shengdun.service.errors,
)
SECRET = "6222-0212-3456"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def every_error() -> list[type[ShengdunError]]:
    def below(kind: type[ShengdunError]) -> Iterator[type[ShengdunError]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    assert all(ROOMS)
    found = {e for e in below(ShengdunError) if e.__module__.startswith("shengdun.")}
    return sorted(found, key=lambda error: error.__qualname__)


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_a_reason_of_its_own(kind: type[ShengdunError]) -> None:
    """Statuses are gRPC's, and reasons are stable names that a program can switch on."""
    assert kind.status.name in grpc.StatusCode.__members__
    assert re.fullmatch(r"[A-Z][A-Z0-9_]{2,62}", kind.reason)


@dataclass(slots=True)
class Four:
    """A service with one method of each kind; every method does what the test says."""

    behave: Callable[[], Awaitable[None]]
    seen: list[Principal] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def _act(self) -> bytes:
        self.seen.append(current_principal())
        await self.behave()
        return b"done"

    async def unary_unary(self, _request: bytes, _context: object) -> bytes:
        return await self._act()

    async def stream_unary(self, requests: AsyncIterator[bytes], _context: object) -> bytes:
        assert [request async for request in requests] == [b"request"]
        return await self._act()

    async def unary_stream(self, _request: bytes, _context: object) -> AsyncIterator[bytes]:
        yield await self._act()

    async def stream_stream(
        self, requests: AsyncIterator[bytes], _context: object
    ) -> AsyncIterator[bytes]:
        try:
            async for request in requests:
                yield request
                yield await self._act()
        finally:
            self.closed.set()

    async def written(self, _request: bytes, context: Any) -> None:  # noqa: ANN401
        await context.write(await self._act())

    def handler(self) -> grpc.GenericRpcHandler:
        handlers = {
            kind: getattr(grpc, f"{kind}_rpc_method_handler")(getattr(self, kind)) for kind in KINDS
        }
        handlers["written"] = grpc.unary_stream_rpc_method_handler(self.written)
        return grpc.method_handlers_generic_handler("test.Four", handlers)


@asynccontextmanager
async def serving(
    *handlers: grpc.GenericRpcHandler,
    tokens: TokenFile | None = None,
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server with the interceptors; tokens are asked for if there are any."""
    access = AccessInterceptor(
        tokens or TokenFile(Path("/nonexistent")), required=tokens is not None
    )
    server = grpc.aio.server(interceptors=[AnsweringInterceptor(), access])
    server.add_generic_rpc_handlers(handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


async def call(channel: grpc.aio.Channel, kind: str, token: str | None = None) -> list[bytes]:
    """Call one method of ``Four`` and return its responses."""
    wire = "unary_stream" if kind == "written" else kind
    metadata = () if token is None else (("authorization", f"Bearer {token}"),)
    request: Any = iter([b"request"]) if wire.startswith("stream") else b"request"
    ongoing = getattr(channel, wire)(f"/test.Four/{kind}")(request, metadata=metadata, timeout=20)
    if wire.endswith("stream"):
        return [response async for response in ongoing]
    return [await ongoing]


def raising(error: BaseException) -> Callable[[], Awaitable[None]]:
    async def behave() -> None:
        raise error

    return behave


async def nothing() -> None:
    """Succeed."""


async def refused(answer: Awaitable[object]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await answer
    return refusal.value


def details_of(error: grpc.aio.AioRpcError) -> list[AnyMessage]:
    content = dict(error.trailing_metadata() or ())[DETAILS_KEY]
    assert isinstance(content, bytes)
    status = RpcStatus.FromString(content)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    return list(status.details)


@pytest.mark.parametrize("kind", [*KINDS, "written"])
async def test_rpcs_of_every_kind_pass(kind: str) -> None:
    """Without credentials on loopback the caller is the local user and gets its answer."""
    four = Four(nothing)
    async with serving(four.handler()) as channel:
        assert (await call(channel, kind))[-1] == b"done"
    assert [principal.name for principal in four.seen] == ["local"]


@pytest.mark.parametrize("kind", [*KINDS, "written"])
@pytest.mark.parametrize("status", list(Status))
async def test_errors_of_every_kind_become_their_status(kind: str, status: Status) -> None:
    """Status, message and reason arrive, whatever the kind of RPC."""
    error_kind = type("Wrong", (ShengdunError,), {"status": status, "reason": "IT_IS_WRONG"})
    async with serving(Four(raising(error_kind("wrong; 请更正"))).handler()) as channel:
        error = await refused(call(channel, kind))
    assert error.code() is grpc.StatusCode[status.name]
    assert error.details() == "wrong; 请更正"
    (packed,) = details_of(error)
    info = ErrorInfo()
    assert packed.Unpack(info)
    assert (info.reason, info.domain) == ("IT_IS_WRONG", "shengdun")


async def test_details_of_an_error_arrive() -> None:
    """A message that the error carries, and when to try again, are packed with the reason."""
    error = Overloaded("too many calls")
    error.retry_after = timedelta(seconds=2.5)
    report = watchlist_pb2.EnrollmentReport(recordings=[watchlist_pb2.RecordingReport(name="a")])
    error.detail = report  # type: ignore[attr-defined]
    async with serving(Four(raising(error)).handler()) as channel:
        details = details_of(await refused(call(channel, "unary_unary")))
    retry, found = RetryInfo(), watchlist_pb2.EnrollmentReport()
    assert details[1].Unpack(retry)
    assert retry.retry_delay.ToTimedelta() == timedelta(seconds=2.5)
    assert details[2].Unpack(found)
    assert found == report


@pytest.mark.parametrize("text", ["x", "界", "%", "\n"])
async def test_a_message_that_repeats_a_huge_field_arrives(text: str) -> None:
    """It is cut, so that status and reason pass the limit that gRPC sets to trailers."""
    async with serving(Four(raising(InvalidRequest(text * 100_000))).handler()) as channel:
        error = await refused(call(channel, "unary_unary"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(details_of(error)) == 1


async def test_a_detail_that_is_too_large_is_left_out() -> None:
    """A huge detail does not cost the caller the status and the reason."""
    error = InvalidRequest("wrong")
    error.detail = watchlist_pb2.RecordingStart(name="x" * 100_000)  # type: ignore[attr-defined]
    async with serving(Four(raising(error)).handler()) as channel:
        refusal = await refused(call(channel, "unary_unary"))
    assert refusal.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(details_of(refusal)) == 1


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    configure_logging(LogSettings(), stream=stream)
    yield stream
    root.setLevel(level)
    root.handlers[:] = handlers
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_defect_is_internal_and_says_nothing(kind: str, log: io.StringIO) -> None:
    """The caller gets an incident id; the log has the place under that id, and neither has the content."""
    async with serving(Four(raising(ValueError(SECRET))).handler()) as channel:
        error = await refused(call(channel, kind))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "ValueError" not in (error.details() or "")
    (incident,) = (line for line in lines(log) if line["event"] == "incident")
    assert incident["incident"] in (error.details() or "")
    assert any("in behave" in frame for frame in incident["exception"])
    assert SECRET not in log.getvalue() + (error.details() or "")


async def test_an_rpc_is_logged_with_its_outcome(log: io.StringIO) -> None:
    """Method, code, duration, caller and reason are there; the message of the error is not."""
    async with serving(Four(raising(InvalidRequest(SECRET))).handler()) as channel:
        await refused(call(channel, "unary_unary"))
    # An object of an earlier test that is collected now may log as well.
    (line,) = (line for line in lines(log) if line["event"] == "rpc")
    assert line["method"] == "/test.Four/unary_unary"
    assert (line["code"], line["reason"]) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert line["principal"] == "local"
    assert line["duration_ms"] >= 0
    assert SECRET not in log.getvalue()


async def test_a_caller_that_goes_is_no_error(log: io.StringIO) -> None:
    """Cancellation reaches the handler, closes it, and is logged as what it is."""
    waiting = asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await asyncio.Event().wait()

    four = Four(wait)
    async with serving(four.handler()) as channel:
        ongoing: Any = channel.stream_stream("/test.Four/stream_stream")(timeout=20)
        await ongoing.write(b"request")
        assert await ongoing.read() == b"request"
        await waiting.wait()
        ongoing.cancel()
        await four.closed.wait()
    # An object of an earlier test that is collected now may log as well.
    (line,) = (line for line in lines(log) if line["event"] == "rpc")
    assert (line["code"], line["level"]) == ("CANCELLED", "info")


async def test_an_error_in_the_middle_of_a_stream_comes_after_what_was_sent() -> None:
    async with serving(Four(raising(InvalidRequest("wrong"))).handler()) as channel:
        ongoing: Any = channel.stream_stream("/test.Four/stream_stream")(timeout=20)
        await ongoing.write(b"request")
        assert await ongoing.read() == b"request"
        error = await refused(ongoing.read())
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_unknown_methods_are_unimplemented() -> None:
    async with serving(Four(nothing).handler()) as channel:
        other: Any = channel.unary_unary("/test.Four/other")
        error = await refused(other(b"", timeout=20))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


async def list_as_caller(_request: object, _context: object) -> Any:  # noqa: ANN401
    name = current_principal().name
    return watchlist_pb2.ListWatchlistsResponse(
        watchlists=[watchlist_pb2.Watchlist(watchlist_id=name)]
    )


async def screen_nothing(requests: AsyncIterator[object], _context: object) -> AsyncIterator[Any]:
    async for _request in requests:
        yield screening_pb2.ScreenCallResponse()


def contract() -> Iterator[grpc.GenericRpcHandler]:
    """Two RPCs of the wire contract."""
    listing = grpc.unary_unary_rpc_method_handler(
        list_as_caller,
        watchlist_pb2.ListWatchlistsRequest.FromString,
        watchlist_pb2.ListWatchlistsResponse.SerializeToString,
    )
    screening = grpc.stream_stream_rpc_method_handler(
        screen_nothing,
        screening_pb2.ScreenCallRequest.FromString,
        screening_pb2.ScreenCallResponse.SerializeToString,
    )
    for service, handlers in (
        ("shengdun.v1.WatchlistService", {"ListWatchlists": listing}),
        ("shengdun.v1.ScreeningService", {"ScreenCall": screening}),
    ):
        yield grpc.method_handlers_generic_handler(service, handlers)


async def list_watchlists(
    channel: grpc.aio.Channel, authorization: str | None
) -> watchlist_pb2.ListWatchlistsResponse:
    metadata = () if authorization is None else (("authorization", authorization),)
    stub = watchlist_pb2_grpc.WatchlistServiceStub(channel)
    request = watchlist_pb2.ListWatchlistsRequest()
    return await stub.ListWatchlists(request, metadata=metadata, timeout=20)


@pytest.fixture
def tokens(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


async def test_a_token_with_the_role_is_let_in(tokens: TokenFile) -> None:
    """The handler runs as the principal that the token was issued to."""
    token = tokens.issue("desk-7", [Role.INVESTIGATOR])
    async with serving(*contract(), tokens=tokens) as channel:
        answer = await list_watchlists(channel, f"Bearer {token}")
    assert answer.watchlists[0].watchlist_id == "desk-7"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer x", "Basic dTpw", f"Bearer sd_{'0' * 12}_{'A' * 43}"],
)
async def test_without_a_valid_token_nobody_is_let_in(
    tokens: TokenFile, authorization: str | None
) -> None:
    """No token, another scheme, a malformed or an unknown token are all UNAUTHENTICATED."""
    tokens.issue("desk-7", [Role.INVESTIGATOR])
    async with serving(*contract(), tokens=tokens) as channel:
        error = await refused(list_watchlists(channel, authorization))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_revoked_token_ends_at_the_next_rpc(tokens: TokenFile) -> None:
    """A running server notices what `shengdun token revoke` does."""
    token = tokens.issue("desk-7", [Role.INVESTIGATOR])
    async with serving(*contract(), tokens=tokens) as channel:
        await list_watchlists(channel, f"Bearer {token}")
        other_process = TokenFile(tokens.path)
        other_process.revoke(other_process.list()[0].token_id)
        error = await refused(list_watchlists(channel, f"Bearer {token}"))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_wrong_role_is_refused_by_name(tokens: TokenFile) -> None:
    """The role that is needed and those that the token has are both named."""
    token = tokens.issue("ivr", [Role.TELEPHONY])
    async with serving(*contract(), tokens=tokens) as channel:
        error = await refused(list_watchlists(channel, f"Bearer {token}"))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    said = error.details() or ""
    assert "ListWatchlists needs the role investigator or admin" in said
    assert "this access token has telephony;" in said


async def test_a_stream_is_refused_before_it_is_read(tokens: TokenFile) -> None:
    """A caller without a token is told so though it has sent nothing and not closed its side."""
    async with serving(*contract(), tokens=tokens) as channel:
        stub = screening_pb2_grpc.ScreeningServiceStub(channel)
        error = await refused(stub.ScreenCall(timeout=20).read())
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_wrong_token_is_never_ignored() -> None:
    """On loopback without required tokens a wrong one is refused all the same."""
    async with serving(*contract()) as channel:
        assert (await list_watchlists(channel, None)).watchlists[0].watchlist_id == "local"
        error = await refused(list_watchlists(channel, "Bearer sd_x"))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_damaged_token_file_lets_nobody_in(tokens: TokenFile, log: io.StringIO) -> None:
    """The caller is told to try later; the operator reads in the log which file it is."""
    token = tokens.issue("desk-7", [Role.INVESTIGATOR])
    tokens.path.write_text("{")
    async with serving(*contract(), tokens=tokens) as channel:
        error = await refused(list_watchlists(channel, f"Bearer {token}"))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert str(tokens.path) not in (error.details() or "")
    assert str(tokens.path) in log.getvalue()
    assert token not in log.getvalue()
