"""Skeleton: see the signatures; the body follows."""

from pathlib import Path


class EmbeddedStore:
    """A valkey-server of our own, append-only, in a directory of its own."""

    def __init__(self, directory: Path, *, max_memory_bytes: int | None = None) -> None:
        raise NotImplementedError

    @property
    def url(self) -> str:
        """``unix://…``, for ``StoreSettings``; also for other worker processes of this server."""
        raise NotImplementedError

    async def start(self) -> None:
        """Start and wait until ready; supervised (restarted when it dies) until ``stop``.

        Raises StoreInUse, StoreTampered, StoreFull, StoreUnavailable.
        """
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop gracefully; idempotent."""
        raise NotImplementedError

    async def __aenter__(self) -> "EmbeddedStore":
        raise NotImplementedError

    async def __aexit__(self, *exc: object) -> None:
        raise NotImplementedError
