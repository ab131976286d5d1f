"""Skeleton: see the signatures; the body follows."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """How to reach a Redis or Valkey.

    url: redis://, rediss://, unix://, redis+sentinel://h1:26379,h2/master-name, redis+cluster://h1:7000,h2.
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


class Store:
    """One connection pool; all redis exceptions become ours here."""

    @classmethod
    async def connect(cls, settings: StoreSettings) -> "Store":
        """Connect and ping; raises StoreUnavailable, StoreRefused."""
        raise NotImplementedError

    async def ping(self) -> None:
        """Raises StoreUnavailable when the store does not answer in time."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close all connections; idempotent."""
        raise NotImplementedError
