"""The generated stubs as a client uses them."""

from typing import TYPE_CHECKING

import grpc.aio

from shengdun.v1.allow_pb2_grpc import AllowServiceStub
from shengdun.v1.archive_pb2_grpc import ArchiveServiceStub
from shengdun.v1.hunt_pb2_grpc import HuntServiceStub
from shengdun.v1.network_pb2_grpc import NetworkServiceStub
from shengdun.v1.screening_pb2_grpc import ScreeningServiceStub
from shengdun.v1.script_pb2_grpc import ScriptServiceStub
from shengdun.v1.voice_pb2_grpc import VoiceServiceStub
from shengdun.v1.watchlist_pb2_grpc import WatchlistServiceStub

if TYPE_CHECKING:
    # These exist in the type stubs alone.
    from shengdun.v1.allow_pb2_grpc import AllowServiceAsyncStub
    from shengdun.v1.archive_pb2_grpc import ArchiveServiceAsyncStub
    from shengdun.v1.hunt_pb2_grpc import HuntServiceAsyncStub
    from shengdun.v1.network_pb2_grpc import NetworkServiceAsyncStub
    from shengdun.v1.screening_pb2_grpc import ScreeningServiceAsyncStub
    from shengdun.v1.script_pb2_grpc import ScriptServiceAsyncStub
    from shengdun.v1.voice_pb2_grpc import VoiceServiceAsyncStub
    from shengdun.v1.watchlist_pb2_grpc import WatchlistServiceAsyncStub


def allow_stub(channel: grpc.aio.Channel) -> "AllowServiceAsyncStub":
    """The stub of ``AllowService`` on a channel."""
    return AllowServiceStub(channel)


def archive_stub(channel: grpc.aio.Channel) -> "ArchiveServiceAsyncStub":
    """The stub of ``ArchiveService`` on a channel."""
    return ArchiveServiceStub(channel)


def hunt_stub(channel: grpc.aio.Channel) -> "HuntServiceAsyncStub":
    """The stub of ``HuntService`` on a channel."""
    return HuntServiceStub(channel)


def network_stub(channel: grpc.aio.Channel) -> "NetworkServiceAsyncStub":
    """The stub of ``NetworkService`` on a channel."""
    return NetworkServiceStub(channel)


def screening_stub(channel: grpc.aio.Channel) -> "ScreeningServiceAsyncStub":
    """The stub of ``ScreeningService`` on a channel."""
    return ScreeningServiceStub(channel)


def script_stub(channel: grpc.aio.Channel) -> "ScriptServiceAsyncStub":
    """The stub of ``ScriptService`` on a channel."""
    return ScriptServiceStub(channel)


def voice_stub(channel: grpc.aio.Channel) -> "VoiceServiceAsyncStub":
    """The stub of ``VoiceService`` on a channel."""
    return VoiceServiceStub(channel)


def watchlist_stub(channel: grpc.aio.Channel) -> "WatchlistServiceAsyncStub":
    """The stub of ``WatchlistService`` on a channel."""
    return WatchlistServiceStub(channel)
