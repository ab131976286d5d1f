"""How to reach a Redis or Valkey server, and the client for each way of running one.

==============================================  =================================================
``unix:///path/to/socket``                      one server, the embedded one for example
``redis://host:6379/0``, ``rediss://``          one server; with TLS
``redis+sentinel://h1:26379,h2/master-name``    a primary that Sentinels know (``rediss+sentinel``)
``redis+cluster://h1:6379,h2:6379``             a Cluster (``rediss+cluster``)
==============================================  =================================================
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shengdun.index.errors import StoreRefused

SCHEMES: Final = (
    "unix",
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+sentinel",
    "redis+cluster",
    "rediss+cluster",
)
_RETRY_BASE_S: Final = 0.02
_RETRY_CAP_S: Final = 0.25

Client = Redis | RedisCluster


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """How to reach the store.

    Attributes:
        url: see the module; user and password may stand in it.
        key_prefix: begins every key, and keeps installations apart that share a server; also the Cluster hash tag.
        username: of the server's access list.
        password: the server's.
        tls_ca: certificates to trust instead of the system's, for the ``rediss`` schemes.
        tls_certificate: the client certificate, where the server asks for one.
        tls_key: its key.
        timeout_s: how long an answer may take.
        retries: how often a command is sent again after a broken connection; every command here may be repeated.
    """

    url: str
    key_prefix: str = "shengdun"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls_ca: Path | None = None
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    timeout_s: float = 2.0
    retries: int = 2

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in SCHEMES:
            raise StoreRefused(f"The store's URL must begin with one of {', '.join(SCHEMES)}.")
        if not self.key_prefix or any(sign in self.key_prefix for sign in "{}*?[]\\"):
            raise StoreRefused("The store's key prefix must not be empty or hold any of {}*?[]\\.")
        if self.timeout_s <= 0 or self.retries < 0:
            raise StoreRefused(
                "The store's timeout must be positive, and its retries not negative."
            )


def make_client(settings: StoreSettings) -> Client:
    """The client for these settings; nothing is connected yet.

    Raises:
        StoreRefused: the URL is unusable.
    """
    url = urlsplit(settings.url)
    try:
        if url.scheme.endswith("+sentinel"):
            return _sentinel_client(settings, url)
        if url.scheme.endswith("+cluster"):
            return _cluster_client(settings, url)
        return _single_client(settings, url)
    except ValueError as error:
        raise StoreRefused(f"The store's URL is unusable: {error}.") from error


async def close_client(client: Client) -> None:
    """Close all connections of a client, those to Sentinels too, which redis-py leaves open."""
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    for sentinel in manager.sentinels if manager else ():
        await sentinel.aclose()
    await client.aclose()


def _single_client(settings: StoreSettings, url: SplitResult) -> Redis:
    options = _options(settings, url)
    if url.scheme == "unix":
        return Redis(unix_socket_path=unquote(url.path), **options)
    database = int(url.path.strip("/") or 0)
    return Redis(host=url.hostname or "localhost", port=url.port or 6379, db=database, **options)


def _sentinel_client(settings: StoreSettings, url: SplitResult) -> Redis:
    name = url.path.strip("/")
    if not name:
        raise StoreRefused(
            "A Sentinel URL ends with the primary's name: redis+sentinel://host:26379/name."
        )
    options = _options(settings, url)
    security = {key: value for key, value in options.items() if key.startswith("ssl")}
    sentinel_class: Any = Sentinel  # its constructor is not annotated
    sentinel = sentinel_class(
        _addresses(url, 26379),
        sentinel_kwargs={"socket_timeout": settings.timeout_s, "protocol": 2, **security},
        **options,
    )
    client: Redis = sentinel.master_for(name)
    return client


def _cluster_client(settings: StoreSettings, url: SplitResult) -> RedisCluster:
    nodes = [ClusterNode(host, port) for host, port in _addresses(url, 6379)]
    return RedisCluster(startup_nodes=nodes, **_options(settings, url))


def _options(settings: StoreSettings, url: SplitResult) -> dict[str, Any]:
    backoff = ExponentialWithJitterBackoff(base=_RETRY_BASE_S, cap=_RETRY_CAP_S)
    options: dict[str, Any] = {
        "username": settings.username or (unquote(url.username) if url.username else None),
        "password": settings.password or (unquote(url.password) if url.password else None),
        "socket_timeout": settings.timeout_s,
        "socket_connect_timeout": settings.timeout_s,
        "protocol": 2,
        "retry": Retry(
            backoff, settings.retries, supported_errors=(RedisConnectionError, RedisTimeoutError)
        ),
    }
    if url.scheme.startswith("rediss"):
        options |= {
            "ssl": True,
            "ssl_ca_certs": _text(settings.tls_ca),
            "ssl_certfile": _text(settings.tls_certificate),
            "ssl_keyfile": _text(settings.tls_key),
        }
    return options


def _addresses(url: SplitResult, default_port: int) -> list[tuple[str, int]]:
    places = url.netloc.rpartition("@")[2].split(",")
    addresses = [urlsplit(f"//{place}") for place in places if place]
    if not addresses or not all(address.hostname for address in addresses):
        raise StoreRefused("The store's URL names no host.")
    return [(address.hostname or "", address.port or default_port) for address in addresses]


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
