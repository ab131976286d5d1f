"""How a server is reached: TLS credentials from PEM files, and the refusal to be reachable without protection."""

import ipaddress
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from shengdun.service.access import TokenFile
from shengdun.service.errors import CertificateInvalid, SettingsInvalid
from shengdun.service.settings import Settings, TlsSettings

_Parsed = TypeVar("_Parsed")
_CERTIFICATE = "a PEM certificate"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address: ``localhost``, 127.0.0.0/8 and ::1 (RFC 6890).

    Any other name counts as reachable by others, whatever it resolves to at the moment.
    """
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return host == "localhost"
    return address.is_loopback


def asks_for_tokens(settings: Settings) -> bool:
    """Whether callers need an access token: always beyond loopback, and on loopback if the settings say so."""
    return settings.access.required or not is_loopback(settings.server.host)


def check_exposure(settings: Settings, tokens: TokenFile) -> None:
    """Refuse to serve others without TLS, or to ask for tokens when there are none.

    Raises:
        SettingsInvalid: protection is missing; the message lists everything to do.
        TokenFileInvalid: the file of tokens is damaged or cannot be read.
    """
    steps = []
    exposed = not is_loopback(settings.server.host)
    if exposed and settings.server.tls is None:
        steps.append(
            "set server.tls.certificate and server.tls.key (--tls-certificate, --tls-key) to PEM files; for a trial "
            "this makes a self-signed pair, whose server.pem clients give as --ca-certificate (add to subjectAltName "
            f"whatever else they call the server):\n    {self_signed_command(settings.server.host)}"
        )
    if asks_for_tokens(settings) and not _has_valid(tokens):
        steps.append(
            "issue at least one access token: `shengdun token issue ivr --role telephony`, with the same --config or "
            f"--data-dir as the server (tokens are kept in {tokens.path})"
        )
    if steps:
        where = f"others can reach {settings.server.host}" if exposed else "access.required is set"
        steps.append("or listen on 127.0.0.1" if exposed else "or unset access.required")
        raise SettingsInvalid(
            f"{where}, so the server does not start like this:\n  " + "\n  ".join(steps)
        )


def self_signed_command(host: str) -> str:
    """A command that makes ``server.pem`` and ``server.key`` for a trial.

    Clients compare the address that they use with the certificate's subject alternative names alone (RFC 9525), so
    it has the name of this machine and loopback, and ``host`` unless that stands for every address.
    """
    names = [_alternative_name(socket.gethostname()), "DNS:localhost", "IP:127.0.0.1"]
    own = _alternative_name(host)
    if own not in {*names, "IP:0.0.0.0", "IP:::"}:
        names.insert(0, own)
    return (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -keyout server.key "
        f'-out server.pem -subj "/CN=shengdun" -addext "subjectAltName={",".join(names)}"'
    )


def _alternative_name(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host.removeprefix('[').removesuffix(']'))}"
    except ValueError:
        return f"DNS:{host}"


def _has_valid(tokens: TokenFile) -> bool:
    now = datetime.now(UTC)
    return any(not token.expired(now) for token in tokens.list())


def server_credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """The server's side of TLS; with ``client_ca`` clients must show a certificate too (mTLS).

    Raises:
        CertificateInvalid: a file is missing, unreadable, not PEM, out of its time, or the key is another's.
    """
    chain_pem, key_pem = _read(tls.certificate, "certificate"), _read(tls.key, "key")
    leaf = _parse(tls.certificate, chain_pem, _certificates, _CERTIFICATE)[0]
    key = _parse(tls.key, key_pem, _private_key, "a PEM private key without a passphrase")
    _check_time(tls.certificate, leaf)
    if _public_bytes(leaf.public_key()) != _public_bytes(key.public_key()):
        raise CertificateInvalid(
            f"server.tls: the key {tls.key} is not the key of the certificate {tls.certificate}; name files of "
            "one pair, the server's own certificate first in its chain"
        )
    return grpc.ssl_server_credentials(
        [(key_pem, chain_pem)],
        root_certificates=None if tls.client_ca is None else _client_ca(tls.client_ca),
        require_client_auth=tls.client_ca is not None,
    )


def leaf_of(tls: TlsSettings) -> x509.Certificate:
    """The server's own certificate, which stands first in its chain.

    Raises:
        CertificateInvalid: the file is missing, unreadable or not PEM.
    """
    pem = _read(tls.certificate, "certificate")
    return _parse(tls.certificate, pem, _certificates, _CERTIFICATE)[0]


def _client_ca(path: Path) -> bytes:
    pem = _read(path, "client_ca")
    for certificate in _parse(path, pem, _certificates, _CERTIFICATE):
        _check_time(path, certificate)
    return pem


def _read(path: Path, key: str) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise CertificateInvalid(
            f"server.tls.{key}: cannot read {path}: {error.strerror}; correct the path or its permissions"
        ) from None


def _parse(path: Path, pem: bytes, parser: Callable[[bytes], _Parsed], what: str) -> _Parsed:
    try:
        return parser(pem)
    # TypeError is how the library says that a key has a passphrase.
    except (ValueError, TypeError):
        raise CertificateInvalid(
            f"server.tls: {path} is not {what}; export it in that form"
        ) from None


def _certificates(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem)


def _private_key(pem: bytes) -> PrivateKeyTypes:
    return load_pem_private_key(pem, password=None)


def _check_time(path: Path, certificate: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if now >= certificate.not_valid_after_utc:
        raise CertificateInvalid(
            f"server.tls: the certificate {path} expired on {certificate.not_valid_after_utc:%Y-%m-%d}; renew it"
        )
    if now < certificate.not_valid_before_utc:
        raise CertificateInvalid(
            f"server.tls: the certificate {path} is valid only from {certificate.not_valid_before_utc:%Y-%m-%d}; "
            "check this machine's clock"
        )


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
