"""Every method of the wire contract is answered: none is left to what gRPC's compiler writes, which refuses it."""

import inspect

import pytest

from shengdun.service.allowing import AllowServicer
from shengdun.service.archived_calls import ArchiveServicer
from shengdun.service.hunts import HuntServicer
from shengdun.service.networks import NetworkServicer
from shengdun.service.screening import ScreeningServicer
from shengdun.service.scripts import ScriptServicer
from shengdun.service.voices import VoiceServicer
from shengdun.service.watchlists import WatchlistServicer
from shengdun.v1 import (
    allow_pb2_grpc,
    archive_pb2_grpc,
    hunt_pb2_grpc,
    network_pb2_grpc,
    screening_pb2_grpc,
    script_pb2_grpc,
    voice_pb2_grpc,
    watchlist_pb2_grpc,
)

ANSWERED: dict[type, type] = {
    allow_pb2_grpc.AllowServiceServicer: AllowServicer,
    archive_pb2_grpc.ArchiveServiceServicer: ArchiveServicer,
    hunt_pb2_grpc.HuntServiceServicer: HuntServicer,
    network_pb2_grpc.NetworkServiceServicer: NetworkServicer,
    screening_pb2_grpc.ScreeningServiceServicer: ScreeningServicer,
    script_pb2_grpc.ScriptServiceServicer: ScriptServicer,
    voice_pb2_grpc.VoiceServiceServicer: VoiceServicer,
    watchlist_pb2_grpc.WatchlistServiceServicer: WatchlistServicer,
}


def test_every_service_has_a_servicer() -> None:
    """Of all that the compiler wrote."""
    modules = (
        *(allow_pb2_grpc, archive_pb2_grpc, hunt_pb2_grpc, network_pb2_grpc),
        *(screening_pb2_grpc, script_pb2_grpc, voice_pb2_grpc, watchlist_pb2_grpc),
    )
    written = {
        given
        for module in modules
        for name, given in inspect.getmembers(module, inspect.isclass)
        if name.endswith("Servicer")
    }
    assert written == set(ANSWERED)


@pytest.mark.parametrize("written", ANSWERED, ids=lambda each: each.__name__)
def test_no_method_is_left_to_the_compiler(written: type) -> None:
    """Each is defined anew."""
    ours = ANSWERED[written]
    methods = [name for name, _ in inspect.getmembers(written, inspect.isfunction)]
    assert methods
    assert [name for name in methods if getattr(ours, name) is getattr(written, name)] == []
