"""Around every RPC: who calls and whether it may, what became of it, and the one place that answers errors."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from typing import Any, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError
from structlog.contextvars import bind_contextvars

from shengdun.fingerprint.errors import ShengdunError, Status
from shengdun.service.access import (
    LOCAL,
    Principal,
    Role,
    TokenFile,
    acting_as,
    is_open_to_all,
    roles_for,
)
from shengdun.service.errors import (
    AccessUnavailable,
    InvalidRequest,
    PermissionDenied,
    TokenFileInvalid,
    Unauthenticated,
)
from shengdun.service.statuses import code_of, told_of, trailers_of

# Quoted: these are generic for type checkers alone.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[MaybeHandler]]"
Around: TypeAlias = "Callable[[Context], AbstractAsyncContextManager[None]]"

_SCHEME = "bearer "
_NOBODY = Principal(name="anyone", roles=frozenset())
_HEALTH_CHECKS = "/grpc.health.v1.Health/"
_STANDARD = "/grpc."
_OPERATOR_PROBLEMS = frozenset({Status.INTERNAL, Status.DATA_LOSS})
_NOTABLE = frozenset(
    {
        Status.UNAVAILABLE,
        Status.RESOURCE_EXHAUSTED,
        Status.UNAUTHENTICATED,
        Status.PERMISSION_DENIED,
    }
)
_log = structlog.get_logger(__name__)


class InternalFailure(ShengdunError):
    """A defect: the caller learns its incident id and the log has the rest."""


class InFlight:
    """Counts the RPCs of our services that are being answered, so that a stop can wait for them."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return self._count

    async def idle(self) -> None:
        """Return when none is being answered."""
        await self._idle.wait()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count an RPC for a block of code."""
        self._count += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()


class AnsweringInterceptor(grpc.aio.ServerInterceptor):
    """Logs every RPC with its outcome, and turns every exception into a status. Stands before all others.

    Args:
        in_flight: counts the RPCs, for whoever waits for their end; those of gRPC's own services, which may last as
            long as the server, are not counted.
    """

    def __init__(self, in_flight: InFlight | None = None) -> None:
        self._in_flight = InFlight() if in_flight is None else in_flight

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> MaybeHandler:
        """Wrap the handler of an RPC."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        return handler and _surround(
            _readable(handler), lambda context: self._answered(method, context)
        )

    @asynccontextmanager
    async def _answered(self, method: str, context: Context) -> AsyncIterator[None]:
        counted = nullcontext() if method.startswith(_STANDARD) else self._in_flight.counted()
        with counted:
            async with _answered(method, context):
                yield


class AccessInterceptor(grpc.aio.ServerInterceptor):
    """Finds out who calls, and refuses what its roles do not allow before a message is read.

    Args:
        tokens: the access tokens.
        required: whether a caller without a token is refused. Otherwise it is ``LOCAL``; a token that is shown is
            checked all the same.
    """

    def __init__(self, tokens: TokenFile, *, required: bool) -> None:
        self._tokens = tokens
        self._required = required

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> MaybeHandler:
        """Wrap the handler of an RPC, or replace it by a refusal."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        try:
            principal = self._admit(handler_call_details)
        except ShengdunError as error:
            return _refusal(error)
        return _surround(handler, lambda _context: _as_principal(principal))

    def _admit(self, details: grpc.HandlerCallDetails) -> Principal:
        if is_open_to_all(details.method):
            return _NOBODY
        principal = self._authenticate(_bearer_token(details))
        if not principal.may_call(details.method):
            bind_contextvars(principal=principal.name)
            raise PermissionDenied(
                f"{details.method} needs the role {_named(roles_for(details.method), ' or ')}, and this access token "
                f"has {_named(principal.roles, ' and ')}; ask for a token with a role that it needs"
            )
        return principal

    def _authenticate(self, token: str | None) -> Principal:
        if token is not None:
            try:
                return self._tokens.authenticate(token)
            except TokenFileInvalid as error:
                # The message names a file of this machine: it is for the operator.
                _log.error("tokens cannot be checked", problem=error.message)
                raise AccessUnavailable(
                    "access tokens cannot be checked at the moment; the operator finds the cause in the server's log"
                ) from None
        if self._required:
            raise Unauthenticated(
                "an access token is needed: send the metadata `authorization: Bearer sd_<id>_<secret>`"
            )
        return LOCAL


def _bearer_token(details: grpc.HandlerCallDetails) -> str | None:
    for key, value in details.invocation_metadata:
        if key == "authorization":
            text = value if isinstance(value, str) else value.decode(errors="replace")
            if not text.lower().startswith(_SCHEME):
                raise Unauthenticated(
                    "the authorization metadata must be `Bearer ` and an access token"
                )
            return text[len(_SCHEME) :].strip()
    return None


def _named(roles: frozenset[Role], joined: str) -> str:
    # In the order of their definition, so that the role made for the work comes before the administrator's.
    return joined.join(role.value for role in Role if role in roles)


@asynccontextmanager
async def _as_principal(principal: Principal) -> AsyncIterator[None]:
    # Every RPC runs in a task of its own, so what is bound here ends with it.
    bind_contextvars(principal=principal.name)
    with acting_as(principal):
        yield


@asynccontextmanager
async def _answered(method: str, context: Context) -> AsyncIterator[None]:
    """Log the outcome of an RPC, and answer what it raises."""
    started_s = time.monotonic()
    bind_contextvars(method=method, request_id=secrets.token_hex(8))
    outcome: ShengdunError | None = None
    code = grpc.StatusCode.CANCELLED
    try:
        yield
        code = grpc.StatusCode.OK
    except ShengdunError as error:
        outcome = error
    except grpc.aio.AbortError:
        # The health and reflection services of gRPC answer for themselves.
        code = _code_set_in(context)
        raise
    except Exception as error:  # noqa: BLE001 - the last resort is what this place is for
        # Writing to a caller that has gone fails in many ways, and none of them is a defect.
        outcome = None if context.cancelled() else _incident(error)
    finally:
        _log_outcome(method, outcome, code if outcome is None else code_of(outcome), started_s)
    if outcome is not None:
        await context.abort(code_of(outcome), told_of(outcome), trailers_of(outcome))


def _code_set_in(context: Context) -> grpc.StatusCode:
    code = context.code()
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN


def _incident(error: Exception) -> InternalFailure:
    incident = secrets.token_hex(8)
    _log.error("incident", incident=incident, exc_info=error)
    return InternalFailure(
        f"the server failed in a way that was not foreseen; its log has the cause under incident {incident}"
    )


def _log_outcome(
    method: str, outcome: ShengdunError | None, code: grpc.StatusCode, started_s: float
) -> None:
    level = "debug" if method.startswith(_HEALTH_CHECKS) else "info"
    if outcome is not None and outcome.status in _OPERATOR_PROBLEMS:
        level = "error"
    elif outcome is not None and outcome.status in _NOTABLE:
        level = "warning"
    # The message of an error may repeat what the caller sent, so the log has its reason alone.
    reason = {} if outcome is None else {"reason": outcome.reason}
    duration_ms = round((time.monotonic() - started_s) * 1000, 1)
    getattr(_log, level)("rpc", code=code.name, duration_ms=duration_ms, **reason)


def _refusal(error: ShengdunError) -> Handler:
    async def refuse(_requests: object, _context: Context) -> None:
        raise error

    # On the wire all RPCs are streams; answering as one leaves the request unread, whatever its kind.
    return grpc.stream_stream_rpc_method_handler(refuse)


def _readable(handler: Handler) -> Handler:
    """The same handler, which answers a message that is no message with an error of ours.

    Left to gRPC, one of a stream looks like a defect of this server, and one of a single request is answered UNKNOWN.
    """
    parse = handler.request_deserializer
    if parse is None:
        return handler

    def read(data: bytes) -> object:
        try:
            return parse(data)
        except DecodeError:
            raise InvalidRequest(
                "a message cannot be read: it is no request of this method, or a string in it is not UTF-8; "
                "send what the generated stubs make of shengdun.v1"
            ) from None

    if handler.request_streaming:
        return _rebuilt(handler, getattr(handler, _kind(handler)), read)
    behavior = getattr(handler, _kind(handler))
    # Read within the run, where errors are answered, and not before it.
    return _rebuilt(handler, lambda data, context: behavior(read(data), context), None)


def _surround(handler: Handler, around: Around) -> Handler:
    """The same handler with a context manager around each of its runs, whichever of the four kinds it is."""
    behavior = getattr(handler, _kind(handler))
    surrounded = (_streaming if handler.response_streaming else _unary)(behavior, around)
    return _rebuilt(handler, surrounded, handler.request_deserializer)


def _kind(handler: Handler) -> str:
    return (
        f"{'stream' if handler.request_streaming else 'unary'}_"
        f"{'stream' if handler.response_streaming else 'unary'}"
    )


def _rebuilt(
    handler: Handler,
    behavior: Callable[..., Any],
    request_deserializer: Callable[[bytes], object] | None,
) -> Handler:
    make = getattr(grpc, f"{_kind(handler)}_rpc_method_handler")
    rebuilt: Handler = make(behavior, request_deserializer, handler.response_serializer)
    return rebuilt


def _unary(behavior: Callable[..., Any], around: Around) -> Callable[..., Any]:
    async def respond(request: object, context: Context) -> object:
        async with around(context):
            return await behavior(request, context)

    return respond


def _streaming(behavior: Callable[..., Any], around: Around) -> Callable[..., Any]:
    async def respond(request: object, context: Context) -> None:
        async with around(context):
            responses = behavior(request, context)
            if not hasattr(responses, "__aiter__"):
                await responses
                return
            # Closed at once when the call ends early, so that what the generator holds is not left to the collector.
            async with aclosing(responses):
                async for response in responses:
                    await context.write(response)

    return respond
