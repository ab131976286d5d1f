"""Why a server could not be reached, in words that say what to do.

gRPC tells it only as free text (version 1.85; the tests meet every case for real). Text that isn't known here is shown
as it came.
"""

from dataclasses import dataclass

_NO_ANSWER = "failed to connect to all addresses"
_CLOSED = "Socket closed"
_REFUSED = "Connection refused"
_LAST_ERROR = "last error: "
_CA = "`--ca-certificate`"
_PAIR = "`--client-certificate` and `--client-key`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How a server was tried.

    Attributes:
        address: where.
        uses_tls: whether the client asked for TLS.
        shows_certificate: whether the client has a certificate of its own.
    """

    address: str
    uses_tls: bool
    shows_certificate: bool


def explain(attempt: Attempt, message: str) -> str:
    """What is wrong and what to do, from gRPC's text of an UNAVAILABLE that no server of ours gave."""
    address = attempt.address
    if _REFUSED in message:
        return f"no server answers at {address}; start it with `shengdun serve`"
    if "errors resolving" in message:
        return f"{address.rpartition(':')[0]} is no known name; correct the address of the server"
    if _NO_ANSWER not in message:
        return f"the connection to the server at {address} was lost ({message}); repeat it"
    explained = _tls_mismatch(attempt, message) or _untrusted(address, message)
    return explained or f"no Shengdun server answers at {address} ({_last(message)})"


def _tls_mismatch(attempt: Attempt, message: str) -> str | None:
    address = attempt.address
    if "WRONG_VERSION_NUMBER" in message:
        return f"the server at {address} uses no TLS; leave out {_CA} and SHENGDUN_CA_CERTIFICATE"
    if "Failed to create security handshaker" in message:
        return (
            f"the files of {_CA}, {_PAIR} can't be used; they must be PEM, and the key that of the "
            "certificate"
        )
    if _CLOSED not in message:
        return None
    closed = f"the server at {address} closes the connection"
    if not attempt.uses_tls:
        return (
            f"{closed}, most likely because it uses TLS; give the certificate of its authority, "
            f"or its own if it is self-signed, with {_CA}"
        )
    if not attempt.shows_certificate:
        return f"{closed}, most likely because it asks clients for a certificate; give {_PAIR}"
    return (
        f"{closed}, most likely because it doesn't accept this client's certificate; give one "
        f"that its server.tls.client_ca signed, with {_PAIR}"
    )


def _untrusted(address: str, message: str) -> str | None:
    if "Hostname Verification Check failed" in message:
        return (
            f"the certificate of the server is not for {address.rpartition(':')[0]}; use an address that is among its "
            "subject alternative names, or give the server a certificate that names this one"
        )
    if "certificate has expired" in message:
        return f"the certificate of the server at {address} has expired; it must be renewed there"
    if "CERTIFICATE_VERIFY_FAILED" in message:
        return (
            f"the certificate of the server at {address} is not signed by the authority that {_CA} names; "
            "give the right one, or its own certificate if it is self-signed"
        )
    return None


def _last(message: str) -> str:
    return message.rpartition(_LAST_ERROR)[2]
