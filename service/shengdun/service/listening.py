"""The port of a server, and what to do when it can't be had."""

import errno
import socket
from contextlib import ExitStack

import grpc

from shengdun.fingerprint.errors import ShengdunError
from shengdun.service.errors import PortInUse, SettingsInvalid
from shengdun.service.settings import ServerSettings


def listen(
    server: grpc.aio.Server, settings: ServerSettings, credentials: grpc.ServerCredentials | None
) -> int:
    """Give a server its port; returns the port.

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
        check_free(settings)
        raise PortInUse(_taken(settings)) from None


def check_free(settings: ServerSettings) -> None:
    """Find out at once, and not after the models have been loaded, that the port can't be had.

    Raises:
        PortInUse: another program listens there.
        SettingsInvalid: the address is not this machine's, or the port may not be taken.
    """
    try:
        places = socket.getaddrinfo(
            settings.host.strip("[]"),
            settings.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except socket.gaierror:
        raise SettingsInvalid(
            f"server.host: {settings.host!r} is no address and no known name; give an address of this machine"
        ) from None
    with ExitStack() as stack:
        for family, kind, protocol, _, place in places:
            probe = stack.enter_context(socket.socket(family, kind, protocol))
            # A port whose last connections are still being closed can be had.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(place)
                # With SO_REUSEADDR Linux lets two sockets bind, and only one of them listen.
                probe.listen(1)
            except OSError as error:
                raise _reason(settings, error) from None


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
