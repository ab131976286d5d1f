"""Servers that do nothing but receive: the floor under what a server takes for each chunk of a call.

    python -m benchmarks.serving.receivers WAY

Each answers the first message of a call, as ours does, then counts the bytes of what follows, and says
``listening on HOST:PORT`` as soon as it takes calls.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

import grpc

from shengdun.v1.screening_pb2 import ScreenCallRequest, ScreenCallResponse

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_METHOD: Final = "ScreenCall"
_SERVICE: Final = "shengdun.v1.ScreeningService"
_THREADS: Final = 200
_ANSWER: Final = ScreenCallResponse().SerializeToString()
_parse: Final = ScreenCallRequest.FromString


async def _iterate_messages(requests: AsyncIterator[Any], _context: object) -> AsyncIterator[bytes]:
    yield _ANSWER
    received = 0
    async for request in requests:
        received += len(request.audio)


async def _iterate_bytes(requests: AsyncIterator[bytes], _context: object) -> AsyncIterator[bytes]:
    yield _ANSWER
    received = 0
    async for data in requests:
        received += len(data)


async def _read_bytes(_requests: object, context: Context) -> None:
    await context.write(_ANSWER)
    received = 0
    while (data := await context.read()) is not grpc.aio.EOF:
        received += len(data)


async def _read_messages(_requests: object, context: Context) -> None:
    await context.write(_ANSWER)
    received = 0
    while (data := await context.read()) is not grpc.aio.EOF:
        received += len(_parse(data).audio)


def _iterate_in_thread(requests: Iterator[Any], _context: object) -> Iterator[bytes]:
    yield _ANSWER
    received = 0
    for request in requests:
        received += len(request.audio)


WAYS: Final[dict[str, tuple[Callable[..., Any], Callable[[bytes], Any] | None]]] = {
    "asyncio, iterated, messages": (_iterate_messages, _parse),
    "asyncio, iterated, bytes": (_iterate_bytes, None),
    "asyncio, read(), bytes": (_read_bytes, None),
    "asyncio, read(), messages": (_read_messages, None),
    "threads, messages": (_iterate_in_thread, _parse),
}
"""Each with its servicer and what makes messages of bytes."""


def _handlers(way: str) -> grpc.GenericRpcHandler:
    behavior, parse = WAYS[way]
    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
        behavior, parse, None
    )
    return grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: handler})


async def _serve(way: str) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_handlers(way),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


def main() -> None:
    way = sys.argv[1]
    if not way.startswith("threads"):
        asyncio.run(_serve(way))
        return
    server = grpc.server(ThreadPoolExecutor(_THREADS))
    server.add_generic_rpc_handlers((_handlers(way),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
