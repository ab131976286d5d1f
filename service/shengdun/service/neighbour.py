"""Whether the program that has a server's port is a Shengdun server, with TLS or without."""

import asyncio
import ssl
from typing import Final

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from shengdun.service.client import ClientError, ServerInfo, ShengdunClient
from shengdun.service.client.connection import Connection, Credentials
from shengdun.service.errors import CertificateInvalid
from shengdun.service.listening import address_of
from shengdun.service.settings import ServerSettings
from shengdun.service.tls import leaf_of

_ANSWER_S: Final = 2.0
_REFUSALS: Final = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_EVERY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104
"""What stands for every address of a machine, with one of them."""


async def shengdun_at(server: ServerSettings) -> str | None:
    """What the Shengdun server says that has this port on this machine; None if another program has it.

    No token and no client certificate are shown: a server that asks for a token is known by how it refuses, and one
    that asks for a certificate by its own, which must be the one that the settings name.
    """
    bare = server.host.removeprefix("[").removesuffix("]")
    host = _EVERY_ADDRESS.get(bare, bare)
    address = address_of(host, server.port)
    answer = await _ask(address, None)
    if answer is not None:
        return answer
    shown = await _certificate_at(host, server.port)
    if shown is None:
        return None
    answer = await _ask(address, shown)
    if answer is None and _is_configured(server, shown):
        return "a server with our certificate answers and asks clients for theirs"
    return answer


async def _ask(address: str, shown: x509.Certificate | None) -> str | None:
    async with _channel(address, shown) as channel:
        connection = Connection(channel=channel, address=address, credentials=Credentials())
        try:
            async with asyncio.timeout(_ANSWER_S):
                return _described(await ShengdunClient(connection).server_info())
        except TimeoutError:
            return None
        except ClientError as error:
            # A reason is in the details of our servers' refusals only.
            asks = error.reason and error.status in _REFUSALS
            return "a Shengdun server answers and asks for a token" if asks else None


def _is_configured(server: ServerSettings, shown: x509.Certificate) -> bool:
    try:
        return server.tls is not None and shown == leaf_of(server.tls)
    except CertificateInvalid:
        return False


def _described(info: ServerInfo) -> str:
    stale = "; its store can't be reached" if info.watchlists_stale else ""
    return (
        f"Shengdun {info.version} answers with {info.model_id}, {info.live_calls} live calls{stale}"
    )


def _channel(address: str, shown: x509.Certificate | None) -> grpc.aio.Channel:
    if shown is None:
        return grpc.aio.insecure_channel(address)
    # Nothing is confided to the server, so that the certificate which it shows may vouch for itself.
    credentials = grpc.ssl_channel_credentials(shown.public_bytes(Encoding.PEM))
    options = (("grpc.ssl_target_name_override", _name_in(shown)),)
    return grpc.aio.secure_channel(address, credentials, options=options)


def _name_in(certificate: x509.Certificate) -> str:
    """A name that the certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    found = [
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    ]
    return found[0].replace("*", "any", 1) if found else ""


async def _certificate_at(host: str, port: int) -> x509.Certificate | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        async with asyncio.timeout(_ANSWER_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return None
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(shown)
