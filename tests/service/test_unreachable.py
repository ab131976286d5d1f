"""Every way in which a client misses a server is met for real, and says what to do."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest

from fixtures.certificates import Authority, MakeAuthority, Pair
from shengdun.service.client import ClientError, ShengdunClient
from shengdun.service.client.unreachable import Attempt, explain
from shengdun.service.settings import TlsSettings
from shengdun.service.tls import server_credentials


@asynccontextmanager
async def listening(tls: TlsSettings | None, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """A gRPC server on a free port; gives its address."""
    server = grpc.aio.server()
    if tls is None:
        port = server.add_insecure_port(f"{host}:0")
    else:
        port = server.add_secure_port(f"{host}:0", server_credentials(tls))
    await server.start()
    try:
        yield f"{host}:{port}"
    finally:
        await server.stop(None)


async def missed(address: str, authority: Path | None = None, own: Pair | None = None) -> str:
    """What a client is told whose request, one that isn't repeated, reaches no server of ours."""
    async with ShengdunClient.connect(
        address,
        ca_certificate=authority,
        client_certificate=None if own is None else own.certificate,
        client_key=None if own is None else own.key,
    ) as client:
        with pytest.raises(ClientError) as error:
            await client.delete_watchlist("none")
    assert error.value.status is grpc.StatusCode.UNAVAILABLE
    assert error.value.reason == ""
    return error.value.message


@pytest.fixture
def tls(authority: Authority) -> TlsSettings:
    pair = authority.sign("server")
    return TlsSettings(certificate=pair.certificate, key=pair.key)


async def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        message = await missed(address)
    assert message == f"no server answers at {address}; start it with `shengdun serve`"


async def test_a_client_without_tls_at_a_server_with_it(tls: TlsSettings) -> None:
    async with listening(tls) as address:
        message = await missed(address)
    assert f"{address} closes the connection, most likely because it uses TLS" in message
    assert "`--ca-certificate`" in message


async def test_a_client_with_tls_at_a_server_without_it(authority: Authority) -> None:
    async with listening(None) as address:
        message = await missed(address, authority.path)
    assert f"{address} uses no TLS; leave out `--ca-certificate`" in message


@pytest.mark.parametrize("self_signed", [True, False])
async def test_a_server_of_another_authority(
    authority: Authority, make_authority: MakeAuthority, *, self_signed: bool
) -> None:
    """A server with a stranger's certificate, and one that signed its own, are both not trusted."""
    stranger = make_authority("stranger")
    pair = stranger.sign("server")
    served = TlsSettings(certificate=pair.certificate, key=pair.key)
    if self_signed:
        served = TlsSettings(certificate=stranger.path, key=stranger.write_key())
    async with listening(served) as address:
        message = await missed(address, authority.path)
    assert "not signed by the authority that `--ca-certificate` names" in message


async def test_an_address_that_the_certificate_does_not_name(
    authority: Authority, tls: TlsSettings
) -> None:
    async with listening(tls, host="127.0.0.2") as address:
        message = await missed(address, authority.path)
    assert "is not for 127.0.0.2; use an address" in message


async def test_a_certificate_that_expired_while_the_server_ran(authority: Authority) -> None:
    """Our server doesn't start with one, so gRPC is given it directly."""
    pair = authority.sign("old", begins=timedelta(days=-2), ends=timedelta(days=-1))
    server = grpc.aio.server()
    credentials = grpc.ssl_server_credentials(
        [(pair.key.read_bytes(), pair.certificate.read_bytes())]
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    message = await missed(f"127.0.0.1:{port}", authority.path)
    await server.stop(None)
    assert "has expired" in message


async def test_a_server_that_asks_for_certificates(
    authority: Authority, make_authority: MakeAuthority, tls: TlsSettings
) -> None:
    """Without a certificate of its own a client is told which options to give; with a stranger's, which to change."""
    clients, strangers = make_authority("clients"), make_authority("strangers")
    stranger = strangers.sign("client")
    mutual = tls.model_copy(update={"client_ca": clients.path})
    async with listening(mutual) as address:
        without = await missed(address, authority.path)
        refused = await missed(address, authority.path, stranger)
    assert "asks clients for a certificate; give `--client-certificate` and" in without
    assert "doesn't accept this client's certificate" in refused


async def test_files_that_are_no_certificates(
    authority: Authority, tls: TlsSettings, tmp_path: Path
) -> None:
    """A CA file that is none, and a key of another certificate, are both named."""
    text = tmp_path / "ca.pem"
    text.write_text("none", encoding="utf-8")
    one, other = authority.sign("one"), authority.sign("other")
    mixed = Pair(certificate=one.certificate, key=other.key)
    async with listening(tls) as address:
        for message in (await missed(address, text), await missed(address, authority.path, mixed)):
            assert "can't be used; they must be PEM" in message


async def test_a_name_that_nobody_knows() -> None:
    assert "nosuch.invalid is no known name" in await missed("nosuch.invalid:50051")


def test_what_is_not_known_is_shown_as_it_came() -> None:
    """A lost connection and an unforeseen failure keep gRPC's words."""
    attempt = Attempt(address="bank:1", uses_tls=False, shows_certificate=False)
    lost = explain(attempt, "Stream removed (Socket closed)")
    assert lost.startswith("the connection to the server at bank:1 was lost (Stream removed")
    other = explain(attempt, "failed to connect to all addresses; last error: UNKNOWN: odd")
    assert other == "no Shengdun server answers at bank:1 (UNKNOWN: odd)"
