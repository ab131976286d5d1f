"""The port of a server, and what to do when it can't be had."""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import grpc

from shengdun.fingerprint.errors import ShengdunError
from shengdun.service.errors import PortInUse, SettingsInvalid
from shengdun.service.settings import ServerSettings

_ATTEMPTS: Final = 20
_Place = tuple[int, int, int, str, tuple[Any, ...]]
"""An address as ``socket.getaddrinfo`` gives it."""


def listen(
    server: grpc.aio.Server,
    settings: ServerSettings,
    credentials: grpc.ServerCredentials | None,
    *,
    shared: bool,
) -> int:
    """Give a server its port; returns the port.

    Args:
        server: not started yet.
        settings: name the port.
        credentials: for TLS; None for none.
        shared: whether other workers of ours listen there as well.

    Raises:
        PortInUse: another program listens there.
        SettingsInvalid: the address is not this machine's, or the port may not be taken.
    """
    address = address_of(settings.host, settings.port)
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError:
        # gRPC only says that it failed; the operating system says why.
        check_free(settings, shared=shared)
        raise PortInUse(_taken(settings)) from None


def check_free(settings: ServerSettings, *, shared: bool = False) -> None:
    """Find out at once, and not after the models have been loaded, that the port can't be had.

    Args:
        settings: name the port.
        shared: whether other workers of ours may listen there.

    Raises:
        PortInUse: another program listens there.
        SettingsInvalid: the address is not this machine's, or the port may not be taken.
    """
    with ExitStack() as stack:
        for place in _places(settings):
            probe = stack.enter_context(_bound(settings, place, settings.port, shared=shared))
            if not shared:
                try:
                    # With SO_REUSEADDR Linux lets two sockets bind, and only one of them listen.
                    probe.listen(1)
                except OSError as error:
                    raise _reason(settings, error) from None


@contextmanager
def held_port(settings: ServerSettings) -> Iterator[int]:
    """Hold a port for several processes of ours, without taking a connection; gives the port.

    Raises:
        PortInUse: another program listens there.
        SettingsInvalid: the address is not this machine's, or the port may not be taken.
    """
    check_free(settings)
    for left in reversed(range(_ATTEMPTS)):
        with ExitStack() as stack:
            port = settings.port
            try:
                for place in _places(settings):
                    held = stack.enter_context(_bound(settings, place, port, shared=True))
                    # While no worker listens yet, a stranger must not find the port free. Those that share it may take
                    # it all the same.
                    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
                    port = int(held.getsockname()[1])
            except PortInUse:
                # A name may have several addresses, and what is free at one of them may not be at another.
                if settings.port or not left:
                    raise
                continue
            yield port
            return


def _places(settings: ServerSettings) -> Sequence[_Place]:
    try:
        return socket.getaddrinfo(
            settings.host.strip("[]"),
            settings.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except socket.gaierror:
        raise SettingsInvalid(
            f"server.host: {settings.host!r} is no address and no known name; give an address of this machine"
        ) from None


def _bound(settings: ServerSettings, place: _Place, port: int, *, shared: bool) -> socket.socket:
    family, kind, protocol, _, (host, _, *more) = place
    bound = socket.socket(family, kind, protocol)
    try:
        # A port whose last connections are still being closed can be had.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port, *more))
    except OSError as error:
        bound.close()
        raise _reason(settings, error) from None
    return bound


def _reason(settings: ServerSettings, error: OSError) -> ShengdunError:
    if error.errno == errno.EADDRINUSE:
        return PortInUse(_taken(settings))
    if error.errno == errno.EACCES:
        return SettingsInvalid(
            f"server.port: this user may not listen on port {settings.port}; choose one from 1024 on"
        )
    return SettingsInvalid(
        f"server.host: cannot listen on {settings.host}: {error.strerror}; give an address of this machine"
    )


def _taken(settings: ServerSettings) -> str:
    return (
        f"port {settings.port} of {settings.host} is in use by another program; stop that program "
        f"(`ss -ltnp 'sport = :{settings.port}'` shows it), or choose another port with server.port "
        "(0 takes a free one)"
    )


def address_of(host: str, port: int) -> str:
    """Host and port as one address; IPv6 addresses get their brackets (RFC 3986, 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"
