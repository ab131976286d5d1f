"""TLS credentials, and the refusal to be reachable without protection."""

from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from fixtures.certificates import Authority, MakeAuthority, Pair
from shengdun.service.access import Role, TokenFile
from shengdun.service.errors import CertificateInvalid, SettingsInvalid
from shengdun.service.settings import Settings, TlsSettings
from shengdun.service.tls import check_exposure, is_loopback, server_credentials

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens there in these tests


def settings(tmp_path: Path, **server: object) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path, "server": server})


def tls_of(pair: Pair, client_ca: Path | None = None) -> TlsSettings:
    return TlsSettings(certificate=pair.certificate, key=pair.key, client_ca=client_ca)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "[::1]"])
def test_loopback_is_recognised(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [EVERYWHERE, "::", "10.0.0.1", "bank.example", "localhost.example", "", "::ffff:0:1"]
)
def test_everything_else_can_be_reached_by_others(host: str) -> None:
    assert not is_loopback(host)


def test_loopback_needs_nothing(tmp_path: Path) -> None:
    check_exposure(settings(tmp_path), TokenFile(tmp_path / "tokens.json"))


def test_an_exposed_address_names_everything_that_is_missing(tmp_path: Path) -> None:
    """The refusal lists the certificate and the token at once, with the commands."""
    with pytest.raises(SettingsInvalid) as refusal:
        check_exposure(settings(tmp_path, host=EVERYWHERE), TokenFile(tmp_path / "tokens.json"))
    for part in ("server.tls.certificate", "openssl req", "shengdun token issue", "127.0.0.1"):
        assert part in refusal.value.message


def test_an_exposed_address_with_tls_and_a_token_may_start(
    tmp_path: Path, authority: Authority
) -> None:
    """TLS alone is not enough, and both together are."""
    tokens = TokenFile(tmp_path / "tokens.json")
    pair = authority.sign("server")
    exposed = settings(
        tmp_path, host=EVERYWHERE, tls={"certificate": pair.certificate, "key": pair.key}
    )
    with pytest.raises(SettingsInvalid, match="token issue"):
        check_exposure(exposed, tokens)
    tokens.issue("ivr", [Role.TELEPHONY])
    check_exposure(exposed, tokens)


def test_tokens_required_on_loopback_need_one(tmp_path: Path) -> None:
    required = Settings.model_validate({"data_dir": tmp_path, "access": {"required": True}})
    with pytest.raises(SettingsInvalid, match="token issue"):
        check_exposure(required, TokenFile(tmp_path / "tokens.json"))


def test_missing_files_are_named(tmp_path: Path, authority: Authority) -> None:
    pair = authority.sign("server")
    gone = tmp_path / "gone.pem"
    for tls in (
        TlsSettings(certificate=gone, key=pair.key),
        TlsSettings(certificate=pair.certificate, key=gone),
        tls_of(pair, client_ca=gone),
    ):
        with pytest.raises(CertificateInvalid, match=r"gone\.pem: No such file"):
            server_credentials(tls)


def test_files_that_are_something_else_are_named(authority: Authority) -> None:
    """A certificate in the place of a key, and the other way round, are told apart."""
    pair = authority.sign("server")
    with pytest.raises(CertificateInvalid, match=r"server\.pem is not a PEM private key"):
        server_credentials(TlsSettings(certificate=pair.certificate, key=pair.certificate))
    with pytest.raises(CertificateInvalid, match=r"server\.key is not a PEM certificate"):
        server_credentials(TlsSettings(certificate=pair.key, key=pair.key))


def test_a_key_with_a_passphrase_is_refused(authority: Authority) -> None:
    pair = authority.sign("server")
    key = load_pem_private_key(pair.key.read_bytes(), password=None)
    pair.key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )
    with pytest.raises(CertificateInvalid, match="without a passphrase"):
        server_credentials(tls_of(pair))


def test_a_key_of_another_certificate_is_refused(authority: Authority) -> None:
    one, other = authority.sign("one"), authority.sign("other")
    with pytest.raises(CertificateInvalid, match=r"other\.key is not the key"):
        server_credentials(TlsSettings(certificate=one.certificate, key=other.key))


@pytest.mark.parametrize(
    ("begins", "ends", "message"),
    [(-2, -1, "expired on .*; renew it"), (1, 2, "valid only from .*clock")],
)
def test_a_certificate_out_of_its_time_is_refused(
    authority: Authority, begins: int, ends: int, message: str
) -> None:
    """Expired and not yet valid certificates are refused at start and not at the first call."""
    pair = authority.sign("server", begins=timedelta(days=begins), ends=timedelta(days=ends))
    with pytest.raises(CertificateInvalid, match=message):
        server_credentials(tls_of(pair))


def channel_credentials(root: Path, client: Pair | None) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root.read_bytes(),
        private_key=None if client is None else client.key.read_bytes(),
        certificate_chain=None if client is None else client.certificate.read_bytes(),
    )


async def check_health(
    tls: TlsSettings, root: Path, client: Pair | None = None
) -> health_pb2.HealthCheckResponse:
    """Ask a server with these credentials for its health, over TLS."""
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), server)
    port = server.add_secure_port("127.0.0.1:0", server_credentials(tls))
    await server.start()
    credentials = channel_credentials(root, client)
    try:
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            return await stub.Check(health_pb2.HealthCheckRequest(), timeout=20)
    finally:
        await server.stop(None)


async def test_a_client_that_trusts_the_authority_is_served(authority: Authority) -> None:
    tls = tls_of(authority.sign("server"))
    answer = await check_health(tls, authority.path)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_mutual_tls_asks_for_a_certificate_of_the_named_authority(
    authority: Authority, make_authority: MakeAuthority
) -> None:
    """With client_ca, clients without a certificate or with a stranger's are turned away."""
    clients = make_authority("clients")
    tls = tls_of(authority.sign("server"), client_ca=clients.path)
    answer = await check_health(tls, authority.path, clients.sign("ivr"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    for client in (None, make_authority("strangers").sign("stranger")):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await check_health(tls, authority.path, client)
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
