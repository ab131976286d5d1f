"""The port of several processes: held from the first moment on, for them and for nobody else."""

import socket

import pytest

from shengdun.service.errors import PortInUse
from shengdun.service.listening import check_free, held_port
from shengdun.service.settings import ServerSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_held_port_is_free_for_workers_alone(host: str) -> None:
    """Before any of them listens, and whatever the name resolves to; afterwards anybody can have it."""
    with held_port(ServerSettings(host=host, port=0)) as port:
        assert port
        named = ServerSettings(host=host, port=port)
        check_free(named, shared=True)
        with pytest.raises(PortInUse, match=f"port {port} .* in use"):
            check_free(named)
        with pytest.raises(PortInUse), held_port(named):
            pass
    check_free(named)


def test_a_port_is_held_that_was_left_a_moment_ago() -> None:
    """Connections that the last server closed don't keep the next one from starting."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            accepted, _ = server.accept()
            accepted.close()
            assert client.recv(1) == b""
    with held_port(ServerSettings(port=port)) as held:
        assert held == port


def test_a_port_that_is_listened_on_is_not_held() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        named = ServerSettings(port=server.getsockname()[1])
        with pytest.raises(PortInUse), held_port(named):
            pass
